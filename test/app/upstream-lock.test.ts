/** The lock of upstream tools: tools that changed since their approval are withheld. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Client } from '@modelcontextprotocol/client'
import t, { type Test } from 'tap'
import type { UpstreamOptions } from '../../src/upstreams/options.js'
import { type LogSink, logSink } from '../support/log-sink.js'
import { adaKey, listening } from '../support/service.js'
import { say } from '../support/terminal.js'
import { until } from '../support/until.js'
import { client, hostile, serving, textOf } from '../support/upstreams.js'

interface Entry {
  digest: string
  definition: { name: string, description: string }
}

const files = { UPSTREAMS_FILE: 'mcp.json', UPSTREAMS_LOCK: 'upstreams.lock.json' }

/** A directory with an UPSTREAMS_FILE whose tools are approved. */
async function approved (t: Test, upstream: UpstreamOptions): Promise<string> {
  const directory = t.testdir({})
  write(directory, upstream)
  const { code, stderr } = await say(['upstreams', 'approve'], directory, files)
  t.equal(code, 0, stderr)
  return directory
}

function write (directory: string, upstream: UpstreamOptions): void {
  writeFileSync(join(directory, 'mcp.json'), JSON.stringify({ mcpServers: { one: upstream } }))
}

async function locked (
  t: Test,
  directory: string,
  upstream: UpstreamOptions
): Promise<{ app: Awaited<ReturnType<typeof serving>>, ada: Client, log: LogSink }> {
  const log = logSink()
  const app = await serving(t, {}, {
    logStream: log,
    upstreams: { mcpServers: { one: upstream }, lockFile: join(directory, files.UPSTREAMS_LOCK) }
  })
  return { app, ada: await client(t, await listening(app), adaKey), log }
}

async function namesOf (ada: Client): Promise<string[]> {
  return (await ada.listTools()).tools.map(({ name }) => name)
}

function withheld (log: LogSink): unknown[] {
  return log.lines().filter(({ msg }) => /a tool is withheld/.test(String(msg))).map(({ item }) => item)
}

t.test('a tool with a changed description is withheld, logged and unknown', async t => {
  const { app, ada, log } = await locked(t, await approved(t, hostile()), hostile('changed'))
  const names = await namesOf(ada)
  t.notOk(names.includes('echo'))
  t.ok(names.includes('count'))
  await t.rejects(ada.callTool({ name: 'echo' }), { code: -32602 })
  t.same(withheld(log), ['echo'])
  t.match(log.text(), /upstreams check.*upstreams approve/)
  t.match((await app.inject('/ready')).json(), { status: 'degraded', reasons: ['upstream'] })
})

t.test('a tool that changes while it is served is withheld', async t => {
  const upstream = { ...hostile(), share: 'all' } as const
  const { ada, log } = await locked(t, await approved(t, upstream), upstream)
  t.equal(textOf(await ada.callTool({ name: 'echo' })), '{}')
  await ada.callTool({ name: 'change' })
  await until(async () => !(await namesOf(ada)).includes('echo'))
  await t.rejects(ada.callTool({ name: 'echo' }), { code: -32602 })
  t.same(withheld(log), ['echo'])
  await ada.callTool({ name: 'grow' })
  await until(() => withheld(log).includes('grown'))
  t.same(withheld(log), ['echo', 'grown'], 'each is logged once')
})

t.test('a tool added after the approval is withheld', async t => {
  const upstream = { ...hostile(), share: 'all' } as const
  const { ada, log } = await locked(t, await approved(t, upstream), upstream)
  await ada.callTool({ name: 'grow' })
  await until(() => withheld(log).includes('grown'))
  t.notOk((await namesOf(ada)).includes('grown'))
})

for (const member of ['description', 'inputSchema', 'annotations', 'title', 'outputSchema'] as const) {
  t.test(`the digest covers ${member}`, async t => {
    const directory = await approved(t, hostile())
    const path = join(directory, files.UPSTREAMS_LOCK)
    const { digestOf } = await import('../../src/upstreams/lock.js')
    const lock = JSON.parse(readFileSync(path, 'utf8'))
    const definition = { ...lock.upstreams.one.echo.definition, [member]: { type: 'object', other: true } }
    lock.upstreams.one.echo = { digest: digestOf(definition), definition }
    writeFileSync(path, JSON.stringify(lock))
    const { log } = await locked(t, directory, hostile())
    t.same(withheld(log), ['echo'])
  })
}

t.test('a missing lock file approves nothing', async t => {
  const { ada } = await locked(t, t.testdir({}), hostile())
  t.notOk((await namesOf(ada)).includes('count'))
})

t.test('without a lock a changed tool is served and logged', async t => {
  const log = logSink()
  const app = await serving(t, { one: { ...hostile(), share: 'all' } }, { logStream: log })
  const ada = await client(t, await listening(app), adaKey)
  await ada.callTool({ name: 'change' })
  await until(() => log.text().includes('an upstream changed the definition of a tool'))
  await until(async () => (await ada.listTools()).tools.some(({ description }) => /somebody else/.test(description ?? '')))
  t.equal(textOf(await ada.callTool({ name: 'echo' })), '{}')
})

t.test('upstreams check shows the difference and exits with 1 until approve', async t => {
  const directory = await approved(t, hostile())
  t.match(await say(['upstreams', 'check'], directory, files), { code: 0, stdout: 'Nothing changed.' })
  write(directory, hostile('changed'))
  const { code, stdout } = await say(['upstreams', 'check'], directory, files)
  t.equal(code, 1)
  t.match(stdout, /~ one: echo\n +description\n +- "Does echo\."\n +\+ "Sends all to somebody else\."/)
  const { stdout: said } = await say(['upstreams', 'approve'], directory, files)
  t.match(said, /~ one: echo/)
  t.match(said, join(directory, files.UPSTREAMS_LOCK))
  t.match(await say(['upstreams', 'check'], directory, files), { code: 0 })
  const { ada } = await locked(t, directory, hostile('changed'))
  t.equal(textOf(await ada.callTool({ name: 'echo' })), '{}')
})

t.test('upstreams approve keeps the old lock if an upstream is unavailable', async t => {
  const directory = await approved(t, hostile())
  const before = readFileSync(join(directory, files.UPSTREAMS_LOCK), 'utf8')
  write(directory, hostile('crash'))
  const { code, stderr } = await say(['upstreams', 'approve'], directory, files)
  t.equal(code, 1)
  t.match(stderr, /Upstream "one" cannot list its items: .*code 3/)
  t.equal(readFileSync(join(directory, files.UPSTREAMS_LOCK), 'utf8'), before)
})

for (const [what, edit] of [
  ['digest', (entry: Entry) => { entry.digest = '0'.repeat(64) }],
  ['definition', (entry: Entry) => { entry.definition.description = 'Looks harmless.' }],
  ['definition name', (entry: Entry) => { entry.definition.name = 'count' }]
] as Array<[string, (entry: Entry) => void]>) {
  t.test(`a lock with an edited ${what} stops the start and the commands`, async t => {
    const directory = await approved(t, hostile())
    const path = join(directory, files.UPSTREAMS_LOCK)
    const lock = JSON.parse(readFileSync(path, 'utf8'))
    edit(lock.upstreams.one.echo)
    writeFileSync(path, JSON.stringify(lock))
    await t.rejects(locked(t, directory, hostile()), { message: /"one: echo" does not match its digest/ })
    for (const name of ['check', 'approve']) {
      t.match(await say(['upstreams', name], directory, files), { code: 1, stderr: /UPSTREAMS_LOCK.*"one: echo"/ })
    }
  })
}

for (const [what, path] of [
  ['in a missing directory', 'no/such/upstreams.lock.json'],
  ['that is a directory', 'folder']
] as Array<[string, string]>) {
  t.test(`upstreams approve refuses a lock ${what}`, async t => {
    const directory = t.testdir({ folder: {} })
    write(directory, hostile())
    const { code, stderr } = await say(['upstreams', 'approve'], directory, { ...files, UPSTREAMS_LOCK: path })
    t.equal(code, 1)
    t.match(stderr, /^UPSTREAMS_LOCK names a (directory or a device|file that cannot be written \(ENOENT\)); name a file/)
  })
}

for (const [what, env, says] of [
  ['without UPSTREAMS_FILE', { UPSTREAMS_LOCK: 'upstreams.lock.json' }, /UPSTREAMS_FILE/],
  ['without UPSTREAMS_LOCK', { UPSTREAMS_FILE: 'mcp.json' }, /UPSTREAMS_LOCK/],
  ['with a damaged lock', { UPSTREAMS_FILE: 'mcp.json', UPSTREAMS_LOCK: 'broken.json' }, /^UPSTREAMS_LOCK names a file that is damaged; restore it/],
  [
    'with a missing file',
    { UPSTREAMS_FILE: 'none.json', UPSTREAMS_LOCK: 'upstreams.lock.json' },
    /^UPSTREAMS_FILE names a file that does not exist; name an existing file, or remove the setting$/
  ],
  ['with a file that is not JSON', { ...files, UPSTREAMS_FILE: 'broken.json' }, /^UPSTREAMS_FILE names a file that is not JSON/],
  ['with a faulty upstream', { ...files, UPSTREAMS_FILE: 'faulty.json' }, /^UPSTREAMS_FILE .*Upstream "a": /]
] as Array<[string, Record<string, string>, RegExp]>) {
  t.test(`upstreams check ${what} says what to do`, async t => {
    const directory = t.testdir({
      'broken.json': '{"version":1,"upstreams":[', 'faulty.json': '{"mcpServers":{"a":{}}}'
    })
    write(directory, hostile())
    const { code, stderr } = await say(['upstreams', 'check'], directory, env)
    t.equal(code, 1)
    t.match(stderr, says)
  })
}

t.test('upstreams check removes control characters from upstream texts', async t => {
  const directory = t.testdir({})
  write(directory, hostile('odd-names'))
  const { stdout } = await say(['upstreams', 'check'], directory, files)
  t.match(stdout, /\+ one: \\u\{1b\}\[31mred/)
  t.notOk(stdout.includes('\u001B'))
})
