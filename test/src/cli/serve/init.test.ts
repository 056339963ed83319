/** The files and the output of `init`, the first and the second time. */
import { execFileSync } from 'node:child_process'
import { chownSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../../../src/config/load.js'
import { isRoot, nobody } from '../../../support/process.js'
import { say } from '../../../support/terminal.js'

t.test('init writes a private .env that starts in production', async t => {
  const directory = t.testdir({})
  const { code, stderr } = await say(['init'], directory)
  t.equal(code, 0)
  t.equal(stderr, '')
  t.equal(statSync(join(directory, '.env')).mode & 0o777, 0o600)
  const { config, warnings } = loadConfig({ env: { NODE_ENV: 'production' }, dotenv: join(directory, '.env') })
  t.same(warnings, [])
  t.match(config.API_KEYS, [/^mcp_[\w-]{43}$/])
  t.match(config.JWT_SECRET, /^[\w-]{43}$/)
})

t.test(
  'init by root writes a .env for the owner of the directory',
  { skip: isRoot ? false : 'only root can write for another user' },
  async t => {
    const directory = t.testdir({})
    chownSync(directory, nobody.uid, nobody.gid)
    await say(['init'], directory)
    const { uid, gid, mode } = statSync(join(directory, '.env'))
    t.same({ uid, gid, mode: mode & 0o777 }, { ...nobody, mode: 0o600 })
  }
)

t.test('init prints the next steps with the key, without the JWT secret', async t => {
  const directory = t.testdir({})
  const { stdout } = await say(['init'], directory, { PORT: '4711' })
  const { API_KEYS: [key = ''], JWT_SECRET = '' } = loadConfig({ env: {}, dotenv: join(directory, '.env') }).config
  t.match(stdout, /Endpoint +http:\/\/localhost:4711\/mcp$/m)
  t.match(stdout, `API key    ${key}`)
  t.match(stdout, 'fastify-mcp-auth token --user')
  t.notOk(stdout.includes(JWT_SECRET))
  const client = JSON.parse(/^ {2}\{$[^]*?^ {2}\}$/m.exec(stdout)?.[0] ?? 'null') as unknown
  t.same(client, {
    mcpServers: {
      'fastify-mcp-auth': { type: 'http', url: 'http://localhost:4711/mcp', headers: { 'x-api-key': key } }
    }
  })
})

t.test('the curl command of init is valid for a shell', async t => {
  const { stdout } = await say(['init'], t.testdir({}))
  const [curl = ''] = /curl .*$/m.exec(stdout) ?? []
  const args = execFileSync('sh', ['-c', `printf '%s\\n' ${curl}`], { encoding: 'utf8' }).trimEnd().split('\n')
  t.match(args, [
    'curl',
    '-s',
    'http://localhost:3000/mcp',
    '-H',
    /^x-api-key: mcp_/,
    '-H',
    'Content-Type: application/json',
    '-d',
    /^\{.*\}$/
  ])
  t.same(JSON.parse(args.at(-1) ?? ''), { jsonrpc: '2.0', id: 1, method: 'tools/list' })
})

t.test('init in two directories creates different secrets', async t => {
  const [one, other] = [t.testdir({ one: {}, other: {} })].flatMap(base => [join(base, 'one'), join(base, 'other')])
  await say(['init'], one ?? '')
  await say(['init'], other ?? '')
  const secrets = [one, other].map(directory => loadConfig({ env: {}, dotenv: `${directory}/.env` }).config)
  t.not(secrets[0]?.JWT_SECRET, secrets[1]?.JWT_SECRET)
  t.notSame(secrets[0]?.API_KEYS, secrets[1]?.API_KEYS)
})

t.test('init keeps an existing .env unchanged and prints no secret', async t => {
  const directory = t.testdir({})
  await say(['init'], directory)
  const before = readFileSync(join(directory, '.env'), 'utf8')
  const { code, stdout, stderr } = await say(['init'], directory)
  t.equal(code, 0)
  t.equal(readFileSync(join(directory, '.env'), 'utf8'), before)
  t.match(stdout, 'http://localhost:3000/mcp')
  for (const [, secret = ''] of before.matchAll(/=(.+)$/gm)) t.notOk((stdout + stderr).includes(secret))
})

for (const [what, text, complaint] of [
  ['a faulty setting', 'PORT=nonsense\nJWT_SECRET=a-canary-of-thirty-two-bytes-or-more\n', /^PORT /m],
  ['a typing error', 'API_KEY=canary\n', /API_KEY, .*did you mean API_KEYS\?\nAPI_KEYS is not set/],
  [
    'the placeholders of the example',
    'API_KEYS=change-me-canary\nJWT_SECRET=change-me-canary\n',
    /^API_KEYS is a well-known placeholder.*\nJWT_SECRET is a well-known placeholder/m
  ],
  ['nothing in it', '', /^API_KEYS is not set/m]
] as const) {
  t.test(`init keeps a .env with ${what} and reports what prevents the start`, async t => {
    const directory = t.testdir({ '.env': text })
    const { code, stdout, stderr } = await say(['init'], directory)
    t.same({ code, stdout }, { code: 1, stdout: '' })
    t.match(stderr, /^\.env already exists and was not changed, but /)
    t.match(stderr, complaint)
    t.notMatch(stderr, /canary/)
    t.equal(readFileSync(join(directory, '.env'), 'utf8'), text)
  })
}

t.test('init does not write through a dangling link', async t => {
  const directory = t.testdir({})
  symlinkSync(join(directory, 'elsewhere'), join(directory, '.env'))
  const { code, stderr } = await say(['init'], directory)
  t.equal(code, 1)
  t.match(stderr, 'was not changed')
  t.throws(() => statSync(join(directory, 'elsewhere')), { code: 'ENOENT' })
})

t.test('init reports API_KEYS in the environment and shows no useless key', async t => {
  const directory = t.testdir({})
  const { stdout, stderr } = await say(['init'], directory, { API_KEYS: 'a-key-of-the-environment' })
  t.match(stderr, /^Warning: API_KEYS .*environment/)
  t.notMatch(stdout, /mcp_|a-key-of/)
})

t.test('init lists invalid environment settings before writing', async t => {
  const directory = t.testdir({})
  const { code, stderr } = await say(['init'], directory, { PORT: 'abc' })
  t.equal(code, 1)
  t.match(stderr, /^PORT [^\n]+$/)
  t.throws(() => statSync(join(directory, '.env')), { code: 'ENOENT' })
})

t.test('init in a missing directory is one sentence', async t => {
  const { code, stderr, stdout } = await say(['init'], join(t.testdir({}), 'missing'))
  t.equal(code, 1)
  t.match(stderr, /^Cannot write [^\n]+\(ENOENT\)[^\n]+\.$/)
  t.equal(stdout, '')
})

for (const [env, endpoint] of [
  [{ PORT: '0' }, 'http://localhost:PORT/mcp'],
  [{ PORT: '0', PUBLIC_URL: 'https://mcp.example.com' }, 'https://mcp.example.com/mcp'],
  [{ HOST: '0.0.0.0', PORT: '80' }, 'http://localhost:80/mcp']
] as const) {
  t.test(`with ${JSON.stringify(env)} init prints the endpoint ${endpoint}`, async t => {
    const { stdout } = await say(['init'], t.testdir({}), { ...env })
    t.match(stdout, new RegExp(`Endpoint +${endpoint}$`, 'm'))
  })
}
