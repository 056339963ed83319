/** The `proxy` command, and access and limits by the names that callers see. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { key, sound, start, viaTsx } from '../support/process.js'
import { adaKey, callOf, listening, post, withKey, withToken } from '../support/service.js'
import { say } from '../support/terminal.js'
import { until } from '../support/until.js'
import { client, hostile, serving, textOf } from '../support/upstreams.js'

const fixture = fileURLToPath(new URL('../fixtures/hostile-upstream.js', import.meta.url))
const proxied = [...viaTsx, 'proxy', '--', process.execPath, fixture]

async function call (url: string, apiKey: string, name: string, args = {}): Promise<string> {
  const response = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
    body: JSON.stringify(callOf(name, args))
  })
  return await response.text()
}

t.test('proxy writes .env, shows the key once and serves the program', async t => {
  const cwd = t.testdir({})
  const running = start(t, process.execPath, [...proxied, '--flag', 'a b'], { cwd, env: { PORT: '0' } })
  const url = await running.url
  const [, shown = ''] = /API key +(mcp_\S+)/.exec(running.stdout()) ?? []
  t.match(readFileSync(join(cwd, '.env'), 'utf8'), `API_KEYS=${shown}`)
  t.match(running.stdout(), 'Try it when the server is ready:')
  t.notMatch(running.stdout(), '--demo', 'it has the tools of the program')
  t.match(await call(url, shown, 'echo', { a: 1 }), '{\\"a\\":1}')
  t.match(await call(url, 'mcp_another-key-of-nobody-000000', 'echo'), /MCP_ERR_UNAUTHENTICATED/)
  t.notMatch(running.stdout() + running.stderr(), /Terminated/, 'the shell prints nothing')
})

t.test('proxy keeps an existing .env and shows no key', async t => {
  const cwd = t.testdir({ '.env': `API_KEYS=${key}\n` })
  const running = start(t, process.execPath, proxied, { cwd, env: { PORT: '0' } })
  t.match(await call(await running.url, key, 'echo'), '{}')
  t.notOk(running.stdout().includes(key))
})

t.test('a missing program is named in the log with advice', async t => {
  const cwd = t.testdir({})
  const args = [...viaTsx, 'proxy', '--', 'no-such-program-of-ours']
  const running = start(t, process.execPath, args, { cwd, env: sound })
  await running.url
  await until(() => /"upstream":"no-such-program-of-ours".*not found.*PATH/.test(running.stdout()))
  t.match(await call(await running.url, key, 'echo'), /-32602|unknown/i)
  t.notOk(existsSync(join(cwd, '.env')), 'the environment has a credential')
})

for (const args of [[], ['--'], ['--', ''], ['--share', 'all'], ['-y', '--', 'npx']]) {
  t.test(`proxy ${args.join(' ')} shows the correct usage and writes nothing`, async t => {
    const directory = t.testdir({})
    const { code, stderr } = await say(['proxy', ...args], directory)
    t.equal(code, 1)
    t.match(stderr, /proxy -- npx/)
    t.notOk(existsSync(join(directory, '.env')))
  })
}

for (const [where, env, dotenv] of [
  ['in the environment', { UPSTREAMS_FILE: 'mcp.json' }, ''],
  ['in .env', {}, 'UPSTREAMS_FILE=mcp.json\n']
] as Array<[string, Record<string, string>, string]>) {
  t.test(`proxy refuses to run with UPSTREAMS_FILE ${where}, and gives advice`, async t => {
    const directory = t.testdir({ '.env': `API_KEYS=${key}\n${dotenv}`, 'mcp.json': '{"mcpServers":{}}' })
    const { code, stderr } = await say(['proxy', '--', 'node', 'server.js'], directory, env)
    t.equal(code, 1)
    t.match(stderr, /UPSTREAMS_FILE is set, but "proxy -- …" uses a single program\. Add the program to that/)
  })
}

t.test('proxy serves a program as upstreams approve -- approved it', async t => {
  const cwd = t.testdir({})
  const env = { UPSTREAMS_LOCK: 'own.lock.json' }
  const program = ['--', process.execPath, fixture]
  t.match(await say(['upstreams', 'check', ...program], cwd, env), { code: 1, stdout: /\+ node: echo/ })
  t.match(await say(['upstreams', 'approve', ...program], cwd, env), { code: 0 })
  t.match(await say(['upstreams', 'check', ...program], cwd, env), { code: 0, stdout: 'Nothing changed.' })
  t.match(await say(['upstreams', 'check', ...program, 'changed'], cwd, env), { code: 1, stdout: /~ node: echo/ })
  t.match(await say(['upstreams', 'check', ...program], cwd, { ...env, UPSTREAMS_FILE: 'mcp.json' }), {
    code: 1, stderr: /UPSTREAMS_FILE is set, but "upstreams check -- …"/
  })
  const running = start(t, process.execPath, [...viaTsx, 'proxy', ...program, 'changed'], {
    cwd, env: { ...sound, ...env }
  })
  const url = await running.url
  t.match(await call(url, key, 'count'), '"text":"1"')
  t.match(await call(url, key, 'echo'), /-32602|unknown/i, 'changed since its approval')
})

t.test('proxy obeys UPSTREAM_MAX_RESULT', async t => {
  const running = start(t, process.execPath, proxied, {
    cwd: t.testdir({}), env: { ...sound, UPSTREAM_MAX_RESULT: '1kb' }
  })
  t.match(await call(await running.url, key, 'slow', { filler: 'x'.repeat(2000) }), /larger than 1024 bytes/)
})

t.test('access applies to all items of an upstream and hides them', async t => {
  const app = await serving(t, {
    one: { ...hostile(), access: { roles: ['admin'] } },
    two: { ...hostile(), include: ['echo', 'now'], rename: { echo: 'say' } }
  })
  const ada = await client(t, await listening(app), adaKey)
  t.same((await ada.listTools()).tools.map(({ name }) => name).filter(name => /^(one|two)_|^say$/.test(name)), ['say'])
  t.match((await post(app, callOf('one_echo'))).body, { error: { code: -32602 } })
  t.match((await post(app, callOf('one_echo'), withToken('root', 'admin'))).text, '{}')
  t.equal(textOf(await ada.callTool({ name: 'say', arguments: { a: 1 } })), '{"a":1}')
})

t.test('TOOL_POLICY_FILE limits an upstream tool by its public name', async t => {
  const directory = t.testdir({
    'policies.json': JSON.stringify({ tools: { say: { rate: { max: 2, windowMs: 600_000 } } } })
  })
  const app = await serving(t, { one: { ...hostile(), rename: { echo: 'say' } } }, {
    env: { TOOL_POLICY_FILE: join(directory, 'policies.json') }
  })
  const says: string[] = []
  for (let n = 0; n < 3; n++) says.push((await post(app, callOf('say', { n }), withKey)).text)
  t.match(says, [/\\"n\\":0/, /\\"n\\":1/, /MCP_ERR_RATE_LIMITED|limit/i])
  t.match((await post(app, callOf('count'), withKey)).text, '"text":"3"')
})

t.test('TOOL_POLICY_FILE with the original name of a renamed tool stops the start', async t => {
  const directory = t.testdir({ 'policies.json': JSON.stringify({ tools: { echo: { maxResultBytes: 1 } } }) })
  const env = { TOOL_POLICY_FILE: join(directory, 'policies.json') }
  await t.rejects(serving(t, { one: { ...hostile(), rename: { echo: 'say' } } }, { env }), /echo/)
})
