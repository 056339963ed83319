/** Several processes on one port: they share limits and sessions, are replaced, and stop in order. */
import { execFileSync } from 'node:child_process'
import t from 'tap'
import { key, sound, start, viaTsx } from '../support/process.js'
import { without } from '../support/programs.js'
import { say } from '../support/terminal.js'
import { until } from '../support/until.js'

const headers = {
  'x-api-key': key,
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  connection: 'close'
}

function rpc (method: string, params: object = {}, id = 1): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method, params })
}

/** The pids in the log lines. */
function pidsIn (log: string): Set<number> {
  return new Set(log.split('\n').filter(line => line.startsWith('{')).map(line => Number(JSON.parse(line).pid)))
}

t.test('WORKERS=2', async (t) => {
  const cwd = t.testdir({})
  const running = start(t, process.execPath, [...viaTsx, 'start'], {
    cwd,
    env: {
      ...sound,
      WORKERS: '2',
      RATE_LIMIT_MAX: '60',
      RATE_LIMIT_WINDOW_MS: '3600000',
      MCP_SESSIONS: 'on',
      METRICS_PORT: '0',
      AUDIT_FILE: 'audit.jsonl'
    }
  })
  const url = `${await running.url}/mcp`
  const call = async (body: string, more: Record<string, string> = {}): Promise<Response> =>
    await fetch(url, { method: 'POST', headers: { ...headers, ...more }, body })

  await t.test('a session is served by either process', async (t) => {
    const opened = await call(
      rpc('initialize', {
        protocolVersion: '2025-11-25',
        capabilities: {},
        clientInfo: { name: 'test', version: '1' }
      })
    )
    const session = opened.headers.get('mcp-session-id') ?? ''
    t.not(session, '')
    await opened.text()
    const statuses: number[] = []
    for (let n = 0; n < 20; n++) {
      const reply = await call(rpc('ping'), { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' })
      await reply.text()
      statuses.push(reply.status)
    }
    t.same(new Set(statuses), new Set([200]))
    t.equal(
      (
        await call(rpc('ping'), {
          'mcp-session-id': '00000000-0000-4000-8000-000000000000',
          'mcp-protocol-version': '2025-11-25'
        })
      ).status,
      404
    )
  })

  await t.test('a caller gets exactly its limit across both processes', async (t) => {
    const statuses = await Promise.all(Array.from({ length: 100 }, async () => {
      const reply = await call(rpc('ping'))
      await reply.text()
      return reply.status
    }))
    // 22 requests were sent before.
    t.equal(statuses.filter(status => status === 200).length, 38)
    t.equal(statuses.filter(status => status === 429).length, 62)
    await until(() => pidsIn(running.stdout()).size === 2)
  })

  await t.test('metrics of both processes come from either one', async t => {
    const line = await until(() => running.stdout().split('\n').find(line => line.includes('metrics are served')))
    const { port } = JSON.parse(line)
    const limitedIn = (text: string): RegExpMatchArray[] =>
      [...text.matchAll(/^fastify_mcp_auth_limited_total\{layer="user",worker="[12]"\} (\d+)$/gm)]
    for (let n = 0; n < 4; n++) {
      // A scrape omits workers that do not answer in time.
      const text = await until(async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { connection: 'close' } })
        const text = await answer.text()
        return limitedIn(text).length === 2 && text
      })
      const limited = limitedIn(text)
      t.equal(limited.reduce((sum, [, count]) => sum + Number(count), 0), 62)
      t.equal(text.match(/^# TYPE process_start_time_seconds/gm)?.length, 1)
      if (without('promtool') === false) execFileSync('promtool', ['check', 'metrics'], { input: text })
    }
  })

  await t.test('a killed worker is replaced', async () => {
    const [pid = 0] = pidsIn(running.stdout())
    process.kill(pid, 'SIGKILL')
    await until(() => running.stderr().includes('A worker ended (SIGKILL) and is replaced.'))
    let served = 0
    await until(async () => {
      served += await fetch(`${await running.url}/health`, { headers: { connection: 'close' } }).then(
        ({ status }) => (status === 200 ? 1 : 0),
        () => 0
      )
      return served === 10
    })
    await until(() => pidsIn(running.stdout()).size === 3)
  })

  await t.test('SIGTERM ends all processes with exit code 0', async (t) => {
    running.child.kill('SIGTERM')
    t.same(await running.ended, { code: 0, signal: null })
    t.match(await say(['audit', 'verify', 'audit.jsonl'], cwd), { code: 0, stdout: /^OK: \d+ records in 3 chains/ })
  })
})

t.test('an unusable setting stops the start with one message', async (t) => {
  const running = start(t, process.execPath, [...viaTsx, 'start'], {
    cwd: t.testdir({ 'keys.json': 'nonsense' }),
    env: { ...sound, WORKERS: '2', API_KEYS_FILE: 'keys.json' }
  })
  t.match(await running.ended, { code: 1 })
  t.equal(running.stderr().match(/API_KEYS_FILE/g)?.length, 1)
})
