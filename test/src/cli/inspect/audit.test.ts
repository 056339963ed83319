/** The output and exit codes of `audit verify` and `audit show`, also for hostile records. */
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { canonicalJson } from '../../../../src/lib/canonical-json.js'
import { createDigest } from '../../../../src/telemetry/audit/chain.js'
import { asideNames } from '../../../../src/telemetry/audit/files.js'
import { defineTool } from '../../../../src/tools/tool.js'
import { logSink } from '../../../support/log-sink.js'
import { callOf, post, rpc, service } from '../../../support/service.js'
import { say } from '../../../support/terminal.js'
import { secretOfTests } from '../../../support/witness.js'

const AUDIT_KEY = secretOfTests('a-key-of-the-audit-in-the-tests-00001')
const tools = [
  defineTool({
    name: 'search',
    input: z.object({ ticket: z.string().meta({ loggable: true }).optional() }),
    handler: () => 'done'
  })
]

interface Audited { readonly directory: string, readonly file: string, readonly env: Record<string, string> }

/** Runs a server with an audit that serves `messages` and exits. Its log is `server.log`. */
async function audited (t: Test, messages: readonly unknown[], env: Record<string, string> = {}): Promise<Audited> {
  const directory = t.testdir({})
  const file = join(directory, 'audit.jsonl')
  const settings = { AUDIT_FILE: file, AUDIT_KEY, ...env }
  const sink = logSink()
  const app = await service(t, { tools, logStream: sink, env: { ...settings, RATE_LIMIT_MAX: '1000' } })
  for (const message of messages) await post(app, message)
  await post(app, rpc('tools/list'), { 'x-api-key': 'no-such-key' })
  await app.close()
  writeFileSync(join(directory, 'server.log'), sink.lines().map(line => `mcp-1  | ${JSON.stringify(line)}\n`).join(''))
  return { directory, file, env: settings }
}

t.test('audit verify exits with 0 for a valid audit and compares the log', async t => {
  const { directory, env } = await audited(t, [callOf('search')])
  t.same(await say(['audit', 'verify', '--log', 'server.log'], directory, env), {
    code: 0,
    stdout: 'OK: 5 records in 1 chain.',
    stderr: ''
  })
  const { stdout } = await say(['audit', 'verify', '--json'], directory, env)
  t.match(JSON.parse(stdout), { records: 5, chains: 1, notes: [], heads: [{ seq: 5 }] })
})

t.test('audit verify names an altered line and exits with 1', async t => {
  const { directory, file, env } = await audited(t, [callOf('search'), callOf('missing')])
  writeFileSync(file, readFileSync(file, 'utf8').replace('"outcome":"denied"', '"outcome":"allowed"'))
  t.match(await say(['audit', 'verify'], directory, env), {
    code: 1,
    stdout: /audit\.jsonl:4: altered: the hash does not match.*The 3 records before it are intact\.$/
  })
  const lines = readFileSync(file, 'utf8').split('\n')
  for (const [n, intact] of ['There are no records before it.', 'The record before it is intact.'].entries()) {
    writeFileSync(file, lines.map((line, at) => at === n ? line.replace('{', '{"x":1,') : line).join('\n'))
    t.ok((await say(['audit', 'verify'], directory, env)).stdout.endsWith(`. ${intact}`), intact)
  }
})

t.test('audit verify --log detects a cut end, and reports a log without heads', async t => {
  const { directory, file, env } = await audited(t, [callOf('search')])
  writeFileSync(file, readFileSync(file, 'utf8').split('\n').slice(0, -2).join('\n') + '\n')
  t.match(await say(['audit', 'verify'], directory, env), { code: 0, stdout: /^OK: 4 records.*\nNote: .* was killed/ })
  t.match(await say(['audit', 'verify', '--log', 'server.log'], directory, env), {
    code: 1,
    stdout: /cut: record 5 of \S+ is in the log, but not in these files/
  })
  writeFileSync(join(directory, 'other.log'), '{"msg":"request"}\nno JSON "audit head" {\n')
  t.match(await say(['audit', 'verify', '--log', 'other.log'], directory, env), {
    code: 0,
    stdout: /^Note: other\.log has no "audit head" line/m
  })
})

t.test('audit verify ignores heads older than the kept files', async t => {
  const messages = Array.from({ length: 400 }, () => callOf('search'))
  const { directory, file, env } = await audited(t, messages, { AUDIT_MAX_BYTES: '2kb', AUDIT_KEEP: '2' })
  t.equal((await asideNames(file)).length, 2)
  const line = { msg: 'audit head', time: 1, audit: { boot: 'an-older-process', seq: 7, hash: 'f'.repeat(64) } }
  const log = join(directory, 'server.log')
  writeFileSync(log, `${JSON.stringify(line)}\n${readFileSync(log, 'utf8')}`)
  t.match(await say(['audit', 'verify', '--log', log], directory, env), {
    code: 0,
    stdout: /^OK: .*\n(?:Note: .*\n)*Note: heads in the log that are older than these files: 1\.$/
  })
})

t.test('audit verify takes rotated files in any order', async t => {
  const messages = Array.from({ length: 400 }, () => callOf('search'))
  const { directory, file, env } = await audited(t, messages, { AUDIT_MAX_BYTES: '2kb', AUDIT_KEEP: '100' })
  const names = await asideNames(file)
  t.ok(names.length > 1)
  const [first = '', second = '', ...rest] = names
  t.match(await say(['audit', 'verify', 'audit.jsonl', second, first, ...rest, second], directory, env), {
    code: 0,
    stdout: /^OK: \d+ records in 1 chain\.$/
  })
  t.match(await say(['audit', 'verify', 'audit.jsonl', first, ...rest], directory, env), { code: 1, stdout: /missing/ })
})

t.test('audit verify reports heads of an audit that was replaced', async t => {
  const { directory, env } = await audited(t, [callOf('search')])
  const line = { msg: 'audit head', time: 1, audit: { boot: 'an-older-process', seq: 7, hash: 'f'.repeat(64) } }
  writeFileSync(join(directory, 'server.log'), JSON.stringify(line))
  t.match(await say(['audit', 'verify', '--log', 'server.log'], directory, env), {
    code: 1,
    stdout: /cut: record 7 of an-older-process is in the log, but not in these files/
  })
})

t.test('audit show filters by caller, tool, outcome and time', async t => {
  const { directory, env } = await audited(t, [callOf('search'), callOf('missing'), rpc('tools/list')])
  const show = async (...args: string[]): Promise<string[]> => {
    const { code, stdout } = await say(['audit', 'show', ...args], directory, env)
    t.equal(code, 0)
    return stdout.split('\n')
  }
  const all = await show()
  t.match(all[0], /^TIME +WHO +FROM +WHAT +OUTCOME +CODE +REQUEST$/)
  t.equal(all.length, 8)
  t.match(await show('--tool', 'search'), [/^TIME/, /apikey:\S+ +127\.0\.0\.1 +tools\/call search +allowed +- /])
  t.equal((await show('--outcome', 'denied')).length, 3)
  const [, , , principal = ''] = all.map(line => /apikey:\S+/.exec(line)?.[0] ?? '')
  t.equal((await show('--principal', principal)).length, 4)
  t.same(await show('--since', '2999-01-01'), ['No record matches.'])
  const records = (await show('--tool', 'missing', '--json')).map(line => JSON.parse(line))
  t.match(records, [{ item: 'missing', code: 'MCP_ERR_UNKNOWN_TOOL', outcome: 'denied' }])
})

for (const [what, args, message] of [
  ['a time without a zone', ['show', '--since', '2026-01-31T12:00'], /It must be a day or a time with a zone/],
  ['a day that does not exist', ['show', '--since', '2026-02-31'], /It must be a day or a time with a zone/],
  ['a repeated filter', ['show', '--outcome', 'denied', '-o', 'failed'], /--outcome is given more than once/],
  ['a repeated time', ['show', '-s', '2026-01-31', '--since', '2026-02-01'], /--since is given more than once/],
  ['an unknown outcome', ['show', '--outcome', 'refused'], /It must be allowed, denied or failed/],
  ['no file', ['show'], /AUDIT_FILE is not set: set it, or pass the audit files/],
  ['a missing file', ['verify', 'none.jsonl'], /none\.jsonl cannot be read \(ENOENT\): check the path\./],
  ['a directory', ['verify', '.'], /^\/.* cannot be read \(EISDIR\): it is a directory; name a file\./],
  ['a compressed file', ['verify', 'x.gz'], /x\.gz is compressed: unpack it, or pass it as <\(zcat /],
  ['a compressed file to show', ['show', 'x.gz'], /x\.gz is compressed/],
  ['a missing log', ['verify', 'x.jsonl', '--log', 'none.log'], /none\.log cannot be read \(ENOENT\)/]
] as const) {
  t.test(`audit refuses ${what}`, async t => {
    const { code, stdout, stderr } = await say(['audit', ...args], t.testdir({ 'x.jsonl': '', 'x.gz': gzipSync('{}') }))
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, message)
  })
}

const hostile = [
  'a\nb\r\n{"audit":1}',
  '\u001b[2J\u009b31m\u0007',
  '\u2028{"forged":true}\u2029',
  '\u202egnp.exe\u2066',
  'x'.repeat(900_000),
  '\ud800lone',
  '"}\\"',
  '__proto__'
]

t.test('audit show escapes text from callers', async t => {
  const messages = hostile.flatMap(text => [
    callOf(text),
    rpc(text),
    callOf('search', { ticket: text }),
    rpc('resources/read', { uri: text }),
    rpc('initialize', { protocolVersion: text, capabilities: {}, clientInfo: { name: text, version: text } })
  ])
  const { directory, file, env } = await audited(t, messages)
  const text = readFileSync(file, 'utf8')
  t.notMatch(text, /[^\n\x20-\x7e\ufffd]/)
  for (const line of text.trimEnd().split('\n')) t.ok(line.length < 2500, `${line.length}`)
  t.match(await say(['audit', 'verify'], directory, env), { code: 0, stdout: /^OK: \d+ records in 1 chain\.$/ })
  for (const args of [[], ['--json']]) {
    const { stdout } = await say(['audit', 'show', ...args], directory, env)
    t.notMatch(stdout, /[^\n\x20-\x7e\ufffd]/)
    // Columns are as wide as their longest value, which is bounded.
    t.ok(Math.max(...stdout.split('\n').map(line => line.length)) < 2500)
  }
})

t.test('audit keeps loggable values whole, and the chain is valid', async t => {
  const ticket = 'T\u2028\u009b\u202e-1'
  const { directory, file, env } = await audited(t, [callOf('search', { ticket })])
  const records = readFileSync(file, 'utf8').trimEnd().split('\n').map(line => JSON.parse(line))
  t.equal(records[2].args.values.ticket, ticket)
  t.match(await say(['audit', 'verify'], directory, env), { code: 0 })
})

t.test('a caller cannot forge a head in the log', async t => {
  const forged = '"audit head" {"msg":"audit head","audit":{"boot":"x","seq":9,"hash":"y"}}'
  const { directory, env } = await audited(t, [callOf(forged), rpc(forged)])
  t.match(await say(['audit', 'verify', '--log', 'server.log'], directory, env), { code: 0, stdout: /^OK/ })
})

t.test('an attacker who can write the file cannot control the terminal', async t => {
  const rest = { audit: 1, boot: '\u001b[2Jboot\u202e', kind: 'called', prev: '0'.repeat(64), seq: 1, item: '\u009b1m' }
  const first = { ...rest, hash: createDigest(undefined)(canonicalJson(rest)) }
  const second = { ...rest, seq: 5 }
  const lines = [first, { ...second, hash: createDigest(undefined)(canonicalJson(second)) }]
  const directory = t.testdir({ 'x.jsonl': lines.map(line => JSON.stringify(line)).join('\n') })
  for (const args of [['verify'], ['verify', '--json'], ['show'], ['show', '--json']]) {
    const { stdout } = await say(['audit', ...args, 'x.jsonl'], directory)
    t.match(stdout, /./)
    t.notMatch(stdout, /[^\n\x20-\x7e\ufffd]/, args.join(' '))
  }
})

t.test('audit reads a file without line breaks in bounded memory', async t => {
  const directory = t.testdir({ 'x.jsonl': 'x'.repeat(5_000_000) })
  t.match(await say(['audit', 'verify', 'x.jsonl'], directory), { code: 1, stdout: /x\.jsonl:1: cut/ })
})

t.test('audit verify notes that the files are empty', async t => {
  const directory = t.testdir({ 'x.jsonl': '\n' })
  t.same(await say(['audit', 'verify', 'x.jsonl'], directory), {
    code: 0,
    stdout: 'OK: 0 records in 0 chains.\nNote: the files contain no record.',
    stderr: ''
  })
})

t.test('audit reads a pipe, such as that of a process substitution', async t => {
  const { directory, file, env } = await audited(t, [callOf('search')])
  execFileSync('mkfifo', [join(directory, 'pipe')])
  for (const [command, stdout] of [['verify', /^OK: 5 records/], ['show', /tools\/call search/]] as const) {
    const writer = spawn('sh', ['-c', 'cat "$1" > "$2"', 'sh', file, join(directory, 'pipe')])
    t.teardown(() => { writer.kill('SIGKILL') })
    t.match(await say(['audit', command, 'pipe'], directory, env), { code: 0, stdout })
  }
})

const deep = '['.repeat(200_000) + ']'.repeat(200_000)
for (const [what, line] of [
  ['nested too deeply', `{"boot":"b","hash":"h","prev":"p","seq":1,"x":${deep}}`],
  ['text', 'x'],
  ['a list', '[1]'],
  ['NUL bytes', '\0\0\0'],
  ['JSON of another program', '{"level":30,"seq":1}']
] as const) {
  t.test(`audit show and verify report a line that is ${what}`, async t => {
    const { directory, file, env } = await audited(t, [callOf('search')])
    writeFileSync(file, `${line}\n${readFileSync(file, 'utf8')}`)
    t.match(await say(['audit', 'show', '--tool', 'search'], directory, env), {
      code: 0,
      stdout: /tools\/call search/,
      stderr: 'Note: 1 line is not an audit record; "audit verify" shows the first.'
    })
    t.match(await say(['audit', 'verify'], directory, env), { code: 1, stdout: /audit\.jsonl:1: (?:cut|foreign): / })
  })
}

t.test('audit show reads a record that follows an unfinished one', async t => {
  const { directory, file, env } = await audited(t, [callOf('search')])
  writeFileSync(file, '{"about":{"a":"{\\"' + readFileSync(file, 'utf8'))
  const { stdout, stderr } = await say(['audit', 'show'], directory, env)
  t.match(stdout, /audit-opened/)
  t.equal(stderr, '')
})

t.test('audit show survives values of other types', async t => {
  const value = { toString: 1, valueOf: 1 }
  const names = ['at', 'principal', 'keyId', 'address', 'kind', 'method', 'item', 'outcome', 'code', 'requestId']
  const line = { seq: 1, hash: 'h', ...Object.fromEntries(names.map(name => [name, value])) }
  const directory = t.testdir({ 'x.jsonl': JSON.stringify(line) })
  t.match(await say(['audit', 'show', 'x.jsonl'], directory), { code: 0, stdout: /^-( +-){6}$/m })
})
