/** SIGHUP reloads the log level and the tool policies of a running server. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { key, listTools, root, start, viaTsx, type Running } from '../support/process.js'
import { until } from '../support/until.js'

interface Line {
  readonly level: number
  readonly msg: string
  readonly problems?: readonly string[]
  readonly needRestart?: readonly string[]
}

const linesOf = ({ stdout }: Running): Line[] =>
  stdout()
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as Line)
const hideWhoami = { tools: { whoami: { access: { roles: ['admin'] } } } }

interface Server {
  readonly server: Running
  readonly url: string
  readonly reload: (settings: string, policies: unknown) => Promise<Line>
}

async function serverWith (t: Test, settings: string, policies: unknown): Promise<Server> {
  const cwd = t.testdir({})
  const write = (settings: string, policies: unknown): void => {
    writeFileSync(join(cwd, '.env'), `PORT=0\nTOOL_POLICY_FILE=policies.json\n${settings}`, { mode: 0o600 })
    writeFileSync(join(cwd, 'policies.json'), typeof policies === 'string' ? policies : JSON.stringify(policies))
  }
  write(settings, policies)
  const server = start(t, process.execPath, [...viaTsx, 'start'], { cwd, env: { API_KEYS: key } })
  const url = await server.url
  const isAboutReload = ({ msg }: Line): boolean => /reloaded/.test(msg)
  const reload = async (settings: string, policies: unknown): Promise<Line> => {
    write(settings, policies)
    const before = linesOf(server).filter(isAboutReload).length
    server.child.kill('SIGHUP')
    await until(() => linesOf(server).filter(isAboutReload).length > before)
    return linesOf(server).filter(isAboutReload).at(-1) ?? { level: 0, msg: '' }
  }
  return { server, url, reload }
}

async function namesOf (url: string): Promise<string[]> {
  const { result } = await (await listTools(url)).json() as { result: { tools: Array<{ name: string }> } }
  return result.tools.map(({ name }) => name)
}

t.test('SIGHUP applies changed tool policies', async t => {
  const { server, url, reload } = await serverWith(t, '', {})
  t.same(await namesOf(url), ['whoami'])
  t.match(await reload('', hideWhoami), { level: 30, msg: /^reloaded/, needRestart: undefined })
  t.same(await namesOf(url), [])
  t.match(await reload('', {}), { level: 30 })
  t.same(await namesOf(url), ['whoami'])
  t.equal(server.child.exitCode, null)
})

t.test('SIGHUP applies a changed log level', async t => {
  const { server, url, reload } = await serverWith(t, '', {})
  const atDebug = (): boolean => linesOf(server).some(({ level }) => level === 20)
  await fetch(`${url}/health`)
  t.notOk(atDebug(), 'successful probes are logged only at debug')
  await reload('LOG_LEVEL=debug\n', {})
  await fetch(`${url}/health`)
  await until(atDebug)
})

t.test('SIGHUP names settings that need a restart, without values', async t => {
  const { server, reload } = await serverWith(t, '', {})
  t.same((await reload(`RATE_LIMIT_MAX=7\nJWT_SECRET=${'n'.repeat(40)}\n`, {})).needRestart, [
    'JWT_SECRET',
    'RATE_LIMIT_MAX'
  ])
  t.notMatch(server.stdout(), 'nnnn')
})

for (const [what, settings, policies, problem] of [
  ['a faulty setting', 'RATE_LIMIT_MAX=none\n', {}, /^RATE_LIMIT_MAX is not a whole number/],
  ['a policy file that is not JSON', '', '{', /^TOOL_POLICY_FILE is not valid JSON/],
  [
    'a policy for an unknown tool',
    '',
    { tools: { nope: { cost: 2 }, whoami: { access: { roles: ['admin'] } } } },
    /^TOOL_POLICY_FILE .*tools\.nope/
  ]
] as const) {
  t.test(`SIGHUP with ${what} changes nothing`, async t => {
    const { server, url, reload } = await serverWith(t, '', {})
    t.match(await reload(`${settings}LOG_LEVEL=debug\n`, policies), {
      level: 50,
      msg: /^nothing was reloaded/,
      problems: [problem]
    })
    t.same(await namesOf(url), ['whoami'])
    t.equal(server.child.exitCode, null)
  })
}

t.test('SIGHUP reloads a server whose app verifies the keys', async t => {
  const program = `
    import { startServer } from ${JSON.stringify(`${root}src/index.ts`)}
    await startServer({ verifyKey: async () => null })
  `
  const cwd = t.testdir({ '.env': 'PORT=0\nLOG_LEVEL=info\n', 'server.mjs': program })
  const server = start(t, process.execPath, ['--import', import.meta.resolve('tsx'), join(cwd, 'server.mjs')], { cwd })
  await server.url
  server.child.kill('SIGHUP')
  await until(() => linesOf(server).some(({ msg }) => /reloaded/.test(msg)))
  t.match(linesOf(server).filter(({ msg }) => /reloaded/.test(msg)), [{ level: 30, msg: /^reloaded/ }])
})
