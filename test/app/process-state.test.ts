/** The state directory of a server process: its place, errors at the start, and what remains after a kill. */
import { chmod, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { generateToken } from '../../src/tokens/generate.js'
import { isRoot, list, nobody, sound, start, unlessNobodyCan, viaTsx, type Running } from '../support/process.js'
import { statePath } from '../support/state.js'
import { secret } from '../support/tokens.js'
import { until } from '../support/until.js'

const env = { ...sound, JWT_SECRET: secret }
const root = generateToken('root', 'admin', '1h', { secret })

function serve (t: Test, cwd: string, more: Record<string, string> = {}): Running {
  return start(t, process.execPath, [...viaTsx, 'start'], { cwd, env: { ...env, ...more } })
}

async function post (url: string, token: string, body: string): Promise<Response> {
  return await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream'
    },
    body
  })
}

async function call (url: string, name: string, args: object): Promise<Record<string, string>> {
  const response = await post(
    url,
    root,
    JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } })
  )
  const { result } = await response.json() as { result: { structuredContent: Record<string, string> } }
  return result.structuredContent
}

t.test('the default state directory is ./.state, private to its user', async t => {
  const cwd = dirname(await statePath(t))
  await serve(t, cwd).url
  t.equal((await stat(join(cwd, '.state'))).mode & 0o777, 0o700)
  t.equal((await stat(join(cwd, '.state', 'journal'))).mode & 0o777, 0o600)
})

t.test('a state directory that is a file is one sentence and exit code 1', async t => {
  const path = await statePath(t)
  await writeFile(path, '')
  const server = serve(t, dirname(path), { STATE_DIR: path })
  t.same(await server.ended, { code: 1, signal: null })
  t.match(server.stderr(), /^The state directory \S+ cannot be used \(E[A-Z]+\): set STATE_DIR to .*\.\n$/)
})

t.test(
  'a state directory that is not writable is one sentence and exit code 1',
  { skip: unlessNobodyCan() },
  async t => {
    const path = await statePath(t)
    if (!isRoot) await mkdir(path, { mode: 0o500 })
    // Root can write everywhere, so as root the process runs as nobody.
    const server = start(t, process.execPath, [...viaTsx, 'start'], {
      cwd: '/',
      env: { ...env, STATE_DIR: path },
      ...(isRoot ? nobody : {})
    })
    t.same(await server.ended, { code: 1, signal: null })
    t.match(server.stderr(), /^The state directory \S+ cannot be used \(EACCES\): set STATE_DIR to .*\.\n$/)
  }
)

t.test('a volume owned by root is refused with advice', { skip: unlessNobodyCan() }, async t => {
  const path = isRoot ? await statePath(t) : '/'
  if (isRoot) {
    await mkdir(path)
    await chmod(path, 0o777)
    await chmod(dirname(path), 0o755)
  }
  const server = start(t, process.execPath, [...viaTsx, 'start'], {
    cwd: '/',
    env: { ...env, STATE_DIR: path },
    ...(isRoot ? nobody : {})
  })
  t.same(await server.ended, { code: 1, signal: null })
  t.match(
    server.stderr(),
    /^The state directory \S+ is root's: set STATE_DIR to a directory inside it, such as \S+, .*\.\n$/
  )
})

t.test('a damaged state is one sentence and exit code 1', async t => {
  const path = await statePath(t)
  await mkdir(path, { mode: 0o700 })
  await writeFile(join(path, 'journal'), 'garbage\n')
  const server = serve(t, dirname(path), { STATE_DIR: path })
  t.same(await server.ended, { code: 1, signal: null })
  t.match(server.stderr(), /^The state in \S+ is damaged, .*\.\n$/)
  t.equal(await readFile(join(path, 'journal'), 'utf8'), 'garbage\n')
})

t.test('acknowledged changes survive a kill, and no token is stored', async t => {
  const path = await statePath(t)
  const first = serve(t, dirname(path), { STATE_DIR: path })
  const url = await first.url
  const { token = '', id } = await call(url, 'generate-token', { userId: 'ada' })
  t.equal((await post(url, token, list)).status, 200)
  await call(url, 'revoke-token', { id })
  first.child.kill('SIGKILL')
  await first.ended
  const second = await serve(t, dirname(path), { STATE_DIR: path }).url
  t.equal((await post(second, token, list)).status, 401)
  t.match(await call(second, 'list-tokens', {}), { tokens: [{ id, subject: 'ada', revoked: true }] })
  for (const name of await readdir(path)) {
    const text = await readFile(join(path, name), 'utf8').catch(() => '')
    for (const part of token.split('.')) t.notOk(text.includes(part))
  }
})

t.test('tokens revoke ends a token and its stream on a running server', async t => {
  const path = await statePath(t)
  const cwd = dirname(path)
  const url = await serve(t, cwd, { STATE_DIR: path }).url
  const { token = '', id = '' } = await call(url, 'generate-token', { userId: 'ada' })
  const listen = {
    jsonrpc: '2.0',
    id: 1,
    method: 'subscriptions/listen',
    params: {
      notifications: { toolsListChanged: true },
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': {}
      }
    }
  }
  const stream = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'subscriptions/listen'
    },
    body: JSON.stringify(listen)
  })
  t.equal(stream.status, 200)
  let isOver = false
  stream.text().then(() => { isOver = true }, () => { isOver = true })
  const command = start(t, process.execPath, [...viaTsx, 'tokens', 'revoke', id], { cwd, env: { STATE_DIR: path } })
  t.same(await command.ended, { code: 0, signal: null })
  await until(() => isOver)
  t.equal((await post(url, token, list)).status, 401)
})
