/** `tokens` lists and revokes the tokens that `token` records. */
import { existsSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { mintKey } from '../../../../src/api-keys/format.js'
import { commandLine } from '../../../../src/ledger/records.js'
import { keyFile, newKey } from '../../../support/keys.js'
import { openState, mintedRecord, statePath } from '../../../support/state.js'
import { say } from '../../../support/terminal.js'
import { secret } from '../../../support/tokens.js'
import { until } from '../../../support/until.js'

const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())

t.test('token records its user, and stores no token', async t => {
  const STATE_DIR = await statePath(t)
  const env = { STATE_DIR, JWT_SECRET: secret }
  const { stdout: token } = await say(
    ['token', '--user', 'ada', '--role', 'admin', '--scopes', 'files:read,mail'],
    dirname(STATE_DIR),
    env
  )
  const { stdout, code } = await say(['tokens', 'list', '--json'], dirname(STATE_DIR), env)
  t.equal(code, 0)
  const claims = claimsOf(token)
  t.equal(claims.scope, 'files:read mail')
  t.match(JSON.parse(stdout), [
    {
      id: claims.jti,
      subject: 'ada',
      role: 'admin',
      scopes: ['files:read', 'mail'],
      mintedBy: 'cli',
      mintedWith: null,
      revoked: false
    }
  ])
  const journal = await readFile(join(STATE_DIR, 'journal'), 'utf8')
  for (const part of token.split('.')) t.notOk(journal.includes(part))
})

t.test('token with PUBLIC_URL sets iss and aud', async t => {
  const { stdout } = await say(['token', '--user', 'ada'], t.testdir({}), {
    JWT_SECRET: secret,
    PUBLIC_URL: 'https://mcp.example.com/base'
  })
  t.match(claimsOf(stdout), { iss: 'https://mcp.example.com/base', aud: 'https://mcp.example.com/base/mcp' })
})

t.test('token works without a state and creates none', async t => {
  const directory = t.testdir({})
  const { code, stdout, stderr } = await say(['token', '--user', 'ada'], directory, { JWT_SECRET: secret })
  t.same({ code, stderr }, { code: 0, stderr: '' })
  t.match(stdout, /^eyJ/)
  t.notOk(existsSync(join(directory, '.state')))
})

t.test('token creates the state next to the .env with the secret', async t => {
  const parent = dirname(await statePath(t))
  writeFileSync(join(parent, '.env'), `JWT_SECRET=${secret}\n`)
  await say(['token', '--user', 'ada'], parent)
  t.ok(existsSync(join(parent, '.state', 'journal')))
})

t.test('token works with an unusable state and warns', async t => {
  const STATE_DIR = join(t.testdir({ file: '' }), 'file')
  const { code, stdout, stderr } = await say(['token', '--user', 'ada'], t.testdirName, {
    JWT_SECRET: secret,
    STATE_DIR
  })
  t.equal(code, 0)
  t.match(stdout, /^eyJ\S+$/)
  t.match(stderr, /^Warning: the token is valid, but not on record\. The state directory .*STATE_DIR/)
})

t.test('tokens list is a table with the status of each token', async t => {
  const STATE_DIR = await statePath(t)
  const state = await openState(t, { directory: STATE_DIR })
  await state.mint(mintedRecord({ id: 'first', subject: 'ada' }))
  await state.mint(mintedRecord({ id: 'second', subject: 'bob', by: { principal: 'jwt:root', tokenId: 'r' } }))
  await say(['tokens', 'revoke', 'first'], '.', { STATE_DIR })
  const { stdout } = await say(['tokens', 'list'], '.', { STATE_DIR })
  t.match(stdout, /^ID +SUBJECT.* STATUS\nfirst +ada .* cli +revoked\nsecond +bob .* jwt:root +valid$/)
  const { stdout: some } = await say(['tokens', 'list', '--subject', 'bob'], '.', { STATE_DIR })
  t.notMatch(some, 'first')
})

t.test('tokens list reports an empty list', async t => {
  const STATE_DIR = await statePath(t)
  await openState(t, { directory: STATE_DIR })
  t.match((await say(['tokens', 'list'], '.', { STATE_DIR })).stdout, /^There are no valid tokens/)
  t.same(JSON.parse((await say(['tokens', 'list', '--json'], '.', { STATE_DIR })).stdout), [])
})

t.test('tokens revoke --with-minted also revokes minted tokens', async t => {
  const STATE_DIR = await statePath(t)
  const state = await openState(t, { directory: STATE_DIR })
  await state.mint(mintedRecord({ id: 'root' }))
  await state.mint(mintedRecord({ id: 'child', by: { principal: 'jwt:ada', tokenId: 'root' } }))
  const { stdout } = await say(['tokens', 'revoke', 'root', '--with-minted', '--json'], '.', { STATE_DIR })
  t.same(JSON.parse(stdout), { id: 'root', onRecord: true, revoked: ['root', 'child'] })
})

t.test('tokens revoke-subject revokes up to now or a given time', async t => {
  const STATE_DIR = await statePath(t)
  await openState(t, { directory: STATE_DIR })
  const early = await say(
    ['tokens', 'revoke-subject', 'ada', '--before', '2026-01-31T12:00:00+01:00', '--json'],
    '.',
    { STATE_DIR }
  )
  t.same(JSON.parse(early.stdout), {
    principal: 'jwt:ada',
    before: '2026-01-31T11:00:00.000Z',
    onRecord: false,
    revoked: []
  })
  const now = await say(['tokens', 'revoke-subject', '--principal', 'oauth:ada', '--json'], '.', { STATE_DIR })
  t.match(JSON.parse(now.stdout), { principal: 'oauth:ada' })
})

for (const [what, damage] of [
  ['an altered line', (text: string) => text.replace('key-revoked', 'key-revokes')],
  ['another heading', (text: string) => `x${text}`],
  ['no content', () => '']
] as const) {
  t.test(`keys commands warn if the journal has ${what}`, async t => {
    const STATE_DIR = await statePath(t)
    const { record, key } = newKey()
    const env = { STATE_DIR, API_KEYS_FILE: await keyFile(t, [record]) }
    // Polling would repair the journal before the commands read it.
    const state = await openState(t, { directory: STATE_DIR, pollMs: 3_600_000 })
    await state.revokeKey(record.id, commandLine)
    const journal = join(STATE_DIR, 'journal')
    writeFileSync(journal, damage(await readFile(journal, 'utf8')))
    for (const command of ['list', 'verify']) {
      t.match(await say(['keys', command], dirname(STATE_DIR), env, key), {
        code: 0,
        stderr: /^Warning: .*cannot be read here\. The state in .* is damaged/
      })
    }
  })
}

const aToken = 'eyJhbGciOiJIUzI1NiJ9.e30.c2ln'
const aKey = mintKey().key

for (const [what, args, complaint] of [
  ['a token instead of its id', ['revoke', aToken], /a credential, not an id/],
  ['a token with white space before it', ['revoke', ` ${aToken}`], /a credential, not an id/],
  ['a whole header', ['revoke', `Bearer ${aToken}`], /a credential, not an id/],
  ['a key instead of a token id', ['revoke', aKey], /a credential, not an id/],
  ['a claim code', ['revoke', `mcp_claim_${'A-'.repeat(21)}A`], /a credential, not an id/],
  ['a token instead of a user', ['revoke-subject', aToken], /a credential, not an id/],
  ['a token as a principal', ['revoke-subject', '--principal', `oauth:${aToken}`], /a credential, not an id/],
  ['a key instead of its id', ['revoke-key', aKey], /not a key id/],
  ['another form of key instead of its id', ['revoke-key', 'ab'.repeat(32)], /not a key id/],
  ['the name of a key instead of its id', ['revoke-key', 'laptop'], /not a key id/],
  ['an empty id', ['revoke', ''], /is not an id/],
  ['an id of white space', ['revoke', '  '], /is not an id/],
  ['an empty user', ['revoke-subject', ''], /is not an id/],
  ['an empty key id', ['revoke-key', 'apikey:'], /not a key id/],
  ['no id', ['revoke'], /missing required argument/],
  ['an invalid time', ['revoke-subject', 'ada', '--before', 'yesterday'], /a time with a zone/],
  ['an invalid day', ['revoke-subject', 'ada', '--before', '2026-02-31T12:00:00Z'], /a time with a zone/],
  ['a time without a zone', ['revoke-subject', 'ada', '--before', '2026-01-31T12:00:00'], /a time with a zone/],
  ['a day alone', ['revoke-subject', 'ada', '--before', '2026-01-31'], /a time with a zone/],
  ['an invalid hour', ['revoke-subject', 'ada', '--before', '2026-01-31T25:00:00Z'], /a time with a zone/],
  ['a future time', ['revoke-subject', 'ada', '--before', '2999-01-01T00:00:00Z'], /future/]
] as const) {
  t.test(`${what} is refused, not repeated and not stored`, async t => {
    const STATE_DIR = await statePath(t)
    await openState(t, { directory: STATE_DIR })
    const { code, stdout, stderr } = await say(['tokens', ...args], '.', { STATE_DIR })
    t.equal(code, 1)
    t.match(stderr, complaint)
    const given = args.at(-1)?.trim() ?? ''
    if (given.length > 12 && args.at(-2) !== '--before') t.notOk((stdout + stderr).includes(given))
    t.notMatch(await readFile(join(STATE_DIR, 'journal'), 'utf8'), /revoked/)
  })
}

t.test('revoke-subject accepts sub or the id from whoami', async t => {
  const STATE_DIR = await statePath(t)
  await openState(t, { directory: STATE_DIR })
  for (const [given, principal] of [
    ['ada', 'jwt:ada'],
    ['jwt:ada', 'jwt:ada'],
    ['jwt:user:ada', 'jwt:user:ada'],
    ['https://a', 'jwt:https://a']
  ] as const) {
    t.match(
      JSON.parse((await say(['tokens', 'revoke-subject', given, '--json'], '.', { STATE_DIR })).stdout),
      { principal }
    )
  }
})

for (const id of ['user:ada', 'oauth:ada', 'apikey:0123456789ab']) {
  t.test(`${id} is not a user id and needs --principal`, async t => {
    const STATE_DIR = await statePath(t)
    const state = await openState(t, { directory: STATE_DIR })
    const { code, stdout, stderr } = await say(['tokens', 'revoke-subject', id], '.', { STATE_DIR })
    t.same({ code, stdout }, { code: 1, stdout: '' })
    t.match(stderr, /^Nothing was revoked: .*--principal/)
    t.notMatch(await readFile(join(STATE_DIR, 'journal'), 'utf8'), 'revoked')
    t.equal((await say(['tokens', 'revoke-subject', '-p', id], '.', { STATE_DIR })).code, 0)
    await until(() => state.isRevoked({ id, issuedAt: 0 }))
  })
}

t.test('revoke-subject reports that a user has no tokens on record', async t => {
  const STATE_DIR = await statePath(t)
  const state = await openState(t, { directory: STATE_DIR })
  await state.mint(mintedRecord({ id: 'first', subject: 'ada' }))
  const revoke = async (...args: string[]) =>
    (await say(['tokens', 'revoke-subject', ...args], '.', { STATE_DIR })).stdout
  t.match(await revoke('adda'), /is revoked\. No token on record/)
  t.match(await revoke('ada', '--before', '2020-01-01T00:00:00Z'), /is revoked\. No token on record/)
  t.match(await revoke('ada'), /is revoked\.$/)
  t.match(JSON.parse(await revoke('ada', '--json')), { onRecord: true })
  t.match(await revoke('-p', 'oauth:ada'), /is revoked\.$/)
})

t.test('a faulty .env stops a revocation that could use another state', async t => {
  const STATE_DIR = await statePath(t)
  const cwd = dirname(STATE_DIR)
  await openState(t, { directory: join(cwd, '.state') })
  writeFileSync(join(cwd, '.env'), 'STATE_DIR=state\nstray\n')
  const { code, stdout, stderr } = await say(['tokens', 'revoke', 'x'], cwd)
  t.match({ code, stdout }, { code: 1, stdout: '' })
  t.match(stderr, /^\.env has a line that is not NAME=value \(line 2\); /)
  t.notMatch(await readFile(join(cwd, '.state', 'journal'), 'utf8'), /revoked/)
  t.equal((await say(['tokens', 'revoke', 'x', '--force'], cwd, { STATE_DIR: join(cwd, '.state') })).code, 0)
})

t.test('a hostile subject is escaped on the terminal', async t => {
  const STATE_DIR = await statePath(t)
  const state = await openState(t, { directory: STATE_DIR })
  await state.mint(mintedRecord({ subject: 'a\u202eb', by: { principal: 'oauth:\u001b[2Jeve\r\n' } }))
  const { stdout } = await say(['tokens', 'list'], '.', { STATE_DIR })
  t.match(stdout, 'a\ufffdb')
  t.match(stdout, 'oauth:\ufffd[2Jeve')
  for (const character of ['\u001b', '\r', '\u202e']) t.notOk(stdout.includes(character))
})

for (const args of [['list'], ['revoke', 'x'], ['revoke-subject', 'x'], ['revoke-key', '3f2a9c1be07d']]) {
  t.test(`${args[0]} without a state reports so and creates none`, async t => {
    const directory = t.testdir({})
    const { code, stderr } = await say(['tokens', ...args], directory)
    t.equal(code, 1)
    t.match(stderr, /^There is no state in .*STATE_DIR.*\.$/)
    t.notOk(existsSync(join(directory, '.state')))
  })
}
