/** The processes of an upstream: start, sharing, end, and no leftovers. */
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { logSink } from '../support/log-sink.js'
import { key, sound, start, viaTsx } from '../support/process.js'
import { adaKey, bobKey, callOf, listening, post, service, withKey } from '../support/service.js'
import { until } from '../support/until.js'
import { client, hostile, serving, textOf } from '../support/upstreams.js'

const isLinux = process.platform === 'linux' ? false : 'needs /proc'

/** The processes with `mark` in their command line, without their shells. */
function processesWith (mark: string): number[] {
  return readdirSync('/proc').filter(name => /^\d+$/.test(name)).flatMap(name => {
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(mark) ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

let marks = 0
function mark (): string {
  marks += 1
  return `mark=${process.pid}-${marks}`
}

async function pidOf (ada: Awaited<ReturnType<typeof client>>, name = 'pid'): Promise<number> {
  return Number(textOf(await ada.callTool({ name })))
}

t.test('close ends a process that ignores TERM, with its children', { skip: isLinux }, async t => {
  const own = mark()
  const app = await serving(t, { one: hostile('stubborn', own) })
  const ada = await client(t, await listening(app), adaKey)
  t.ok(await pidOf(ada))
  t.not(processesWith(own).length, 0)
  await ada.close()
  await app.close()
  t.same(processesWith(own), [])
})

t.test('an idle process is stopped, and the next call starts another', { skip: isLinux }, async t => {
  const own = mark()
  const app = await serving(t, { one: { ...hostile(own), idleMs: 100 } })
  const ada = await client(t, await listening(app), adaKey)
  const first = await pidOf(ada)
  await until(() => processesWith(own).length === 0)
  t.not(await pidOf(ada), first)
})

t.test('an eager shared process runs after the start and after a crash', { skip: isLinux }, async t => {
  const own = mark()
  const app = await serving(t, { one: { ...hostile(own), share: 'all', eager: true, idleMs: 100 } })
  const ada = await client(t, await listening(app), adaKey)
  const first = await pidOf(ada)
  process.kill(first, 'SIGKILL')
  await until(() => processesWith(own).length > 0 && !processesWith(own).includes(first))
  t.not(await pidOf(ada), first)
})

t.test('each principal has its own process', async t => {
  const app = await serving(t, { one: { ...hostile(), maxProcesses: 1 } })
  const url = await listening(app)
  const [ada, bob] = [await client(t, url, adaKey), await client(t, url, bobKey)]
  const first = await pidOf(ada)
  t.equal(await pidOf(ada), first)
  t.not(await pidOf(bob), first, 'the idle process was stopped to make room')
  const leaving = new AbortController()
  let isRunning = false
  const waiting = bob
    .callTool({ name: 'begins' }, { signal: leaving.signal, onprogress: () => { isRunning = true } })
    .catch(() => undefined)
  await until(() => isRunning)
  t.match(textOf(await ada.callTool({ name: 'echo' })), /no capacity left/)
  leaving.abort()
  await waiting
})

t.test('a thousand interleaved calls with equal ids never cross principals', async t => {
  const app = await serving(t, { own: hostile(), common: { ...hostile(), share: 'all' } })
  const call = async (id: number, name: string, headers: Record<string, string>, text: string): Promise<string> => {
    const response = await app.inject({
      method: 'POST',
      url: '/mcp',
      headers: { 'content-type': 'application/json', ...headers },
      payload: JSON.stringify({
        jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: { text, ms: id % 7 } }
      })
    })
    return response.payload
  }
  const wrong: string[] = []
  const all = Array.from({ length: 1000 }, async (_, n) => {
    const [who, headers] = n % 2 === 0 ? ['ada', withKey] : ['bob', { 'x-api-key': bobKey }]
    const name = ['own_echo', 'own_slow', 'common_echo', 'common_slow'][n % 4] ?? ''
    const answer = await call(n % 5, name, headers, `${who}-${n}`)
    if (!answer.includes(`${who}-${n}\\"`) || !answer.includes(`"id":${n % 5}`)) wrong.push(answer)
  })
  await Promise.all(all)
  t.same(wrong.slice(0, 3), [])
})

t.test('fifty restarts leave no process, descriptor or listener behind', { skip: isLinux }, async t => {
  const own = mark()
  const tiny = { command: 'sh', args: [fileURLToPath(new URL('../fixtures/upstream.sh', import.meta.url)), own] }
  const app = await serving(t, { one: tiny })
  const die = async (): Promise<void> => { t.match((await post(app, callOf('die'))).text, /stopped during this request/) }
  const count = async (): Promise<Record<string, number>> => {
    await post(app, callOf('pid'))
    return {
      // The program and its shell.
      processes: processesWith(own).length,
      descriptors: readdirSync('/proc/self/fd').length,
      listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
    }
  }
  await die()
  const before = await count()
  t.equal(before.processes, 2)
  for (let n = 0; n < 50; n++) await die()
  // Killed processes may take a moment to disappear.
  await until(async () => JSON.stringify(await count()) === JSON.stringify(before))
})

async function started (t: Test, faults: string[]): Promise<{ running: ReturnType<typeof start>, url: string }> {
  const cwd = mkdtempSync(join(tmpdir(), 'mcp-upstreams-'))
  writeFileSync(join(cwd, 'mcp.json'), JSON.stringify({ mcpServers: { one: hostile(...faults) } }))
  const running = start(t, process.execPath, [...viaTsx, 'start'], {
    cwd, env: { ...sound, UPSTREAMS_FILE: 'mcp.json', DRAIN_DELAY_MS: '0' }
  })
  return { running, url: await running.url }
}

async function useOnce (url: string): Promise<string> {
  const response = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'pid' } })
  })
  return await response.text()
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  t.test(`no process survives the ${signal} of the server`, { skip: isLinux }, async t => {
    const own = mark()
    const { running, url } = await started(t, [own, 'stubborn', 'child'])
    t.match(await useOnce(url), /"text":"\d+"/)
    const group = processesWith(own)
    t.not(group.length, 0)
    running.child.kill(signal)
    await running.ended
    await until(() => processesWith(own).length === 0)
    t.same(processesWith(own), [])
  })
}

t.test('a process gets no settings or secrets of the server', { skip: isLinux }, async t => {
  const own = mark()
  const { running, url } = await started(t, [own])
  await useOnce(url)
  const [pid] = processesWith(own).slice(-1)
  const environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
  t.notMatch(environment, /API_KEYS|UPSTREAMS_FILE/)
  t.notOk(environment.includes(key))
  const targetsOf = (owner: number | undefined): string[] => readdirSync(`/proc/${owner}/fd`).flatMap(name => {
    try {
      return [readlinkSync(`/proc/${owner}/fd/${name}`)]
    } catch {
      return []
    }
  })
  const [seen, ours] = [targetsOf(pid), targetsOf(running.child.pid)]
  t.same(seen.filter(target => target.startsWith('/') && target !== '/dev/null'), [], 'no file')
  t.same(seen.filter(target => target.startsWith('socket:') && ours.includes(target)), [], 'no socket of the server')
})

t.test('concurrent first calls of a principal start one process', async t => {
  const log = logSink()
  const app = await service(t, { upstreams: { mcpServers: { one: hostile() } }, logStream: log })
  const ada = await client(t, await listening(app), adaKey)
  const pids = await Promise.all(Array.from({ length: 8 }, async () => await pidOf(ada)))
  t.equal(new Set(pids).size, 1)
})
