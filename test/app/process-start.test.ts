/** The start of the server process, and its messages when it cannot start. */
import { spawnSync } from 'node:child_process'
import { connect, createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { startServer as startHere } from '../../src/server/start.js'
import {
  beginCall,
  isRoot,
  key,
  list,
  listTools,
  nobody,
  root,
  sound,
  start,
  unlessNobodyCan,
  viaTsx,
  type Running
} from '../support/process.js'
import { until } from '../support/until.js'

function startServer (t: Test, env: Record<string, string> = {}): Running {
  return start(t, process.execPath, [...viaTsx, 'start'], { cwd: t.testdir({}), env: { ...sound, ...env } })
}

t.test('an occupied port is one sentence and exit code 1', async t => {
  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await new Promise(resolve => other.once('listening', resolve))
  const { port } = other.address() as AddressInfo
  const server = startServer(t, { HOST: '127.0.0.1', PORT: String(port) })
  t.same(await server.ended, { code: 1, signal: null })
  t.match(server.stderr(), new RegExp(`^Cannot listen on 127.0.0.1, port ${port}: .*PORT.*\\.\n$`))
})

const ownServer = (t: Test): string => t.testdir({
  'server.ts': `
  import { startServer } from ${JSON.stringify(`${root}src/index.ts`)}
  await startServer()
`
})

for (const [what, env, sentence] of [
  ['without a credential', {}, /^API_KEYS is not set, nor is JWT_SECRET, .*\n$/],
  [
    'on an address that this machine does not have',
    { ...sound, HOST: '192.0.2.1', ALLOWED_HOSTS: 'a.example' },
    /^Cannot listen on 192\.0\.2\.1, port 0: .*\n$/
  ],
  [
    'with an unusable state directory',
    { ...sound, STATE_DIR: '/dev/null/state' },
    /^The state directory .*\n$/
  ]
] as const) {
  t.test(`startServer ${what} is one sentence and exit code 1`, async t => {
    const server = start(t, process.execPath, ['--import', import.meta.resolve('tsx'), 'server.ts'], {
      cwd: ownServer(t),
      env
    })
    t.same(await server.ended, { code: 1, signal: null })
    t.match(server.stderr(), sentence)
  })
}

t.test('startServer with onFailure: throw throws the error', async t => {
  await t.rejects(startHere({ env: {}, dotenv: false, onFailure: 'throw' }), { name: 'ConfigError' })
})

t.test('a foreign address is one sentence and exit code 1', async t => {
  const server = startServer(t, { HOST: '192.0.2.1', API_KEYS: key, ALLOWED_HOSTS: 'a.example' })
  t.same(await server.ended, { code: 1, signal: null })
  t.match(server.stderr(), /^Cannot listen on 192\.0\.2\.1, port 0: .*HOST.*\.\n$/)
})

t.test('every address of localhost has the same refusals and drain', async t => {
  // Simulates a second address, because some machines have only one for this name.
  const source = `
    import dns from 'node:dns/promises'
    import { syncBuiltinESMExports } from 'node:module'
    dns.lookup = async () => ['127.0.0.1', '127.0.0.2'].map(address => ({ address, family: 4 }))
    syncBuiltinESMExports()
  `
  const server = start(
    t,
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(source)}`, ...viaTsx, 'start'],
    { cwd: t.testdir({}), env: sound }
  )
  const { port } = new URL(await server.url)
  for (const host of ['127.0.0.1', '127.0.0.2']) {
    const socket = connect(Number(port), host).end('no HTTP\r\n\r\n').setEncoding('utf8')
    t.match((await socket.toArray()).join(''), 'MCP_ERR_BAD_HTTP')
  }
  const call = await beginCall(t, `http://127.0.0.2:${port}`, 'localhost')
  server.child.kill('SIGTERM')
  await until(() => server.stdout().includes('"stopping"'))
  call.finish()
  t.match(await call.answer, /HTTP\/1\.1 200 OK[^]*"whoami"/)
  t.same(await server.ended, { code: 0, signal: null })
})

t.test('invalid settings are listed one per line, without values, with exit code 1', async t => {
  const server = startServer(t, {
    PORT: 'abc',
    RATE_LIMIT_MAX: '0',
    JWT_SECRET: 'change-me-canary',
    NODE_ENV: 'production',
    API_KEYS: 'canary'
  })
  t.same(await server.ended, { code: 1, signal: null })
  const lines = server.stderr().trimEnd().split('\n')
  t.same(lines.map(line => line.split(' ')[0]), ['PORT', 'JWT_SECRET', 'RATE_LIMIT_MAX', 'API_KEYS'])
  t.notMatch(server.stderr() + server.stdout(), /canary|abc/)
})

t.test('weak keys on loopback are logged as a warning', async t => {
  const server = startServer(t, { API_KEYS: `key1,key2,key3,${key}` })
  const response = await listTools(await server.url)
  t.equal(response.status, 200)
  t.match(server.stdout(), /"level":40.*API_KEYS entries 1, 2, 3 are under/)
  t.notMatch(server.stdout() + server.stderr(), /key1|key2|key3/)
})

t.test('the key, curl and token that init prints work on the next server', async t => {
  const cwd = t.testdir({})
  const free = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => free.once('listening', resolve))
  const { port } = free.address() as AddressInfo
  await new Promise(resolve => free.close(resolve))
  const env = { PORT: String(port) }

  const init = start(t, process.execPath, [...viaTsx, 'init'], { cwd, env })
  t.same(await init.ended, { code: 0, signal: null })
  const server = start(t, process.execPath, [...viaTsx, 'start'], { cwd, env })
  const url = await server.url
  const [curl = ''] = /curl .*$/m.exec(init.stdout()) ?? []
  t.match(spawnSync('sh', ['-c', curl], { encoding: 'utf8' }).stdout, /"whoami"/)

  const token = start(t, process.execPath, [...viaTsx, 'token', '--user', 'ada'], { cwd })
  t.same(await token.ended, { code: 0, signal: null })
  const headers = { authorization: `Bearer ${token.stdout().trim()}`, 'content-type': 'application/json' }
  t.equal((await fetch(`${url}/mcp`, { method: 'POST', headers, body: list })).status, 200)
})

t.test(
  'init in a read-only directory is one sentence and exit code 1',
  { skip: unlessNobodyCan() },
  async t => {
    // Root can write everywhere, so as root the process runs as nobody.
    const cwd = isRoot ? '/' : t.testdir({ locked: {} })
    const init = start(t, process.execPath, [...viaTsx, 'init'], {
      cwd: isRoot ? cwd : '/',
      ...(isRoot ? nobody : {})
    })
    t.same(await init.ended, { code: 1, signal: null })
    t.match(init.stderr(), /^Cannot write \/\.env \(E[A-Z]+\); .*\.\n$/)
  }
)

t.test('start --demo serves the demo items, and start does not', async t => {
  const demo = start(t, process.execPath, [...viaTsx, 'start', '--demo'], { cwd: t.testdir({}), env: sound })
  t.match(await (await listTools(await demo.url)).text(), '"demo-roll"')
  t.notMatch(await (await listTools(await startServer(t).url)).text(), '"demo-')
})
