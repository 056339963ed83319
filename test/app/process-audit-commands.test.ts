/** Audit records of commands, next to those of a server that writes to the same file. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { listTools, sound, start, viaTsx } from '../support/process.js'
import { say } from '../support/terminal.js'
import { secretOfTests } from '../support/witness.js'

const secrets = {
  AUDIT_KEY: secretOfTests('a-key-of-the-audit-of-commands-000001'),
  JWT_SECRET: secretOfTests('a-jwt-secret-of-the-audit-of-commands')
}
const audited = { ...secrets, AUDIT_FILE: 'audit.jsonl', STATE_DIR: 'state', API_KEYS_FILE: 'api-keys.json' }

interface Line { readonly kind: string, readonly boot: string, readonly [name: string]: unknown }

function linesIn (cwd: string): Line[] {
  return readFileSync(join(cwd, 'audit.jsonl'), 'utf8').trim().split('\n').map(line => JSON.parse(line) as Line)
}

/** The records of commands, without those at the start and end of each chain. */
function ofCommands (cwd: string): Line[] {
  return linesIn(cwd).filter(({ principal, kind }) => principal === 'cli' && !kind.startsWith('audit-'))
}

async function setUp (t: Test, env: Record<string, string> = audited) {
  const cwd = t.testdir({})
  mkdirSync(join(cwd, 'state'))
  return { cwd, run: async (...args: string[]) => await say(args, cwd, env) }
}

t.test('a server and commands write one verifiable audit file at the same time', async t => {
  const { cwd, run } = await setUp(t)
  t.match(await run('keys', 'create', '--name', 'first'), { code: 0 })
  const server = start(t, process.execPath, [...viaTsx, 'start'], {
    cwd,
    env: { ...sound, ...audited, RATE_LIMIT_MAX: '100000' }
  })
  const url = await server.url
  const runProcess = async (...args: string[]): Promise<void> => {
    const { ended, stderr } = start(t, process.execPath, [...viaTsx, ...args], { cwd, env: audited })
    t.match(await ended, { code: 0 }, stderr())
    t.notMatch(stderr(), 'Warning')
  }
  const done = new AbortController()
  const calls = (async () => { while (!done.signal.aborted) await (await listTools(url)).text() })()
  await Promise.all([
    runProcess('keys', 'create', '--name', 'second'),
    runProcess('token', '--user', 'ada', '--expires', '1h'),
    runProcess('freeze', '--tool', 'search')
  ])
  done.abort()
  await calls
  server.child.kill('SIGTERM')
  t.match(await server.ended, { code: 0 })
  t.same(ofCommands(cwd).map(({ kind }) => kind).sort(), ['frozen', 'key-created', 'key-created', 'token-minted'])
  const verified = await run('audit', 'verify')
  t.match(verified, { code: 0, stdout: /^OK: \d+ records in 5 chains\./ })
  t.notMatch(verified.stdout, 'was killed')
})

t.test('each command that changes something writes one record with its author', async t => {
  const { cwd, run } = await setUp(t, { ...audited, SUDO_USER: 'grace' })
  const seen = async (args: string[], expected: object, code = 0): Promise<void> => {
    const before = ofCommands(cwd).length
    const said = await run(...args)
    t.match(said, { code }, said.stderr)
    t.match(ofCommands(cwd).slice(before), [{ ...expected, outcome: 'allowed' }], args.join(' '))
  }
  const { stdout } = await run('keys', 'create', '--name', 'laptop', '--owner', 'ada', '--json')
  const { id, key } = JSON.parse(stdout) as { readonly id: string, readonly key: string }
  t.match(ofCommands(cwd), [{ kind: 'key-created', keyId: id, about: { owner: 'user:ada', user: 'grace' } }])
  await seen(['keys', 'rotate', id], { kind: 'key-rotated', keyId: id })
  await seen(['keys', 'disable', id], { kind: 'key-disabled', keyId: id })
  await seen(['keys', 'enable', id], { kind: 'key-enabled', keyId: id })
  await seen(['keys', 'revoke', id], { kind: 'key-revoked', keyId: id })
  await seen(['token', '--user', 'ada'], { kind: 'token-minted', about: { subject: 'ada', role: 'user' } })
  const tokenId = String(ofCommands(cwd).at(-1)?.tokenId)
  await seen(['tokens', 'revoke', tokenId], { kind: 'token-revoked', tokenId })
  await seen(['tokens', 'revoke-subject', 'ada'], { kind: 'subject-revoked', about: { subject: 'jwt:ada' } })
  await seen(['tokens', 'revoke-key', id], { kind: 'key-revoked', keyId: id })
  await seen(['unlock', '192.0.2.7'], { kind: 'address-unlocked', about: { address: '192.0.2.7' } })
  await seen(['freeze', '--all'], { kind: 'frozen', about: { target: 'all' } })
  await seen(['thaw', '--all'], { kind: 'thawed', about: { target: 'all' } })
  await seen(['clients', 'add', '-n', 'App', '-r', 'app://back', '-i', 'app'], {
    kind: 'client-created',
    oauthClient: 'app',
    about: { name: 'App', redirectUris: ['app://back'] }
  })
  await seen(['clients', 'remove', 'app'], { kind: 'client-revoked', oauthClient: 'app' })
  const text = readFileSync(join(cwd, 'audit.jsonl'), 'utf8')
  for (const secret of [key, audited.AUDIT_KEY, audited.JWT_SECRET]) t.notMatch(text, secret)
  t.match((await run('audit', 'show', '--principal', 'cli')).stdout, /cli .* client-revoked/)
  t.match(await run('audit', 'verify'), { code: 0 })
})

t.test('a command that changes nothing writes no record', async t => {
  const { cwd, run } = await setUp(t)
  await run('freeze', '--all')
  const before = linesIn(cwd).length
  t.match(await run('freeze', '--all'), { code: 0 })
  t.match(await run('keys', 'revoke', 'k3vd81qmx0aa'), { code: 1 })
  t.match(await run('clients', 'remove', 'nobody'), { code: 1 })
  t.match(await run('tokens', 'revoke', 'unknown'), { code: 1 })
  for (const command of ['keys', 'tokens', 'grants', 'clients']) await run(command, 'list')
  t.equal(linesIn(cwd).length, before)
})

t.test('a command writes no audit without AUDIT_FILE', async t => {
  const { AUDIT_FILE: _, ...silent } = audited
  const { run } = await setUp(t, silent)
  t.match(await run('freeze', '--all'), { code: 0, stderr: '' })
})

t.test('a full disk gives a warning, and the change still takes effect', async t => {
  const { run } = await setUp(t, { ...audited, AUDIT_FILE: '/dev/full' })
  t.match(await run('freeze', '--all'), {
    code: 0,
    stdout: /Switched off: all/,
    stderr: /^Warning: the change applies, but is not in the audit file\. .*ENOSPC/
  })
})

for (const [what, env] of [
  ['a missing directory', { AUDIT_FILE: 'missing/audit.jsonl' }],
  ['a weak AUDIT_KEY', { AUDIT_KEY: 'short' }]
] as const) {
  t.test(`${what} of the audit gives a warning, and the change still takes effect`, async t => {
    const { run } = await setUp(t, { ...audited, ...env })
    t.match(await run('freeze', '--all'), { code: 0, stdout: /Switched off: all/, stderr: /^Warning: .*not in the audit/ })
  })
}

t.test('a command repairs a torn line and appends after it', async t => {
  const { cwd, run } = await setUp(t)
  await run('freeze', '--tool', 'search')
  writeFileSync(join(cwd, 'audit.jsonl'), '{"audit":1,"at":"2026', { flag: 'a' })
  chmodSync(join(cwd, 'audit.jsonl'), 0o600)
  t.match(await run('thaw', '--tool', 'search'), { code: 0 })
  t.match(await run('audit', 'verify'), { code: 0, stdout: /in 2 chains/ })
})
