/** Revoked credentials are refused permanently, from the next request on. */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { mcpAuth } from '../../src/mcp-auth.js'
import { generateToken } from '../../src/tokens/generate.js'
import { newKey } from '../support/keys.js'
import { openState, statePath } from '../support/state.js'
import { adaKey, callOf, post, rpc, service, withKey } from '../support/service.js'
import { secret } from '../support/tokens.js'
import { type Headers, root, bearer, mint, revoke } from '../support/revocation.js'
import { openSession } from '../support/session.js'
import { until } from '../support/until.js'

async function statusOf (app: FastifyInstance, headers: Headers): Promise<number> {
  return (await post(app, rpc('tools/list'), headers)).status
}

t.test('a revoked token is refused like any invalid one from the next request on', async t => {
  const app = await service(t)
  const { id, headers } = await mint(app)
  // Verified and cached.
  for (let i = 0; i < 3; i++) t.equal(await statusOf(app, headers), 200)
  t.same(await revoke(app, { id }), { revoked: [id], onRecord: true })
  const refused = await post(app, rpc('tools/list'), headers)
  const unknown = await post(
    app,
    rpc('tools/list'),
    bearer('eyJhbGciOiJIUzI1NiJ9.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')
  )
  t.equal(refused.status, 401)
  t.equal(refused.headers['www-authenticate'], unknown.headers['www-authenticate'])
  t.same(refused.body.error.message, unknown.body.error.message)
  t.equal(await statusOf(app, root), 200)
  const { tokens } = await revoke(app, {}, 'list-tokens')
  t.match(tokens, [{ id, revoked: true }])
})

t.test('revoke-token accepts the id of a token that is not on record', async t => {
  const app = await service(t)
  const token = generateToken('eve', 'user', '1h', { secret })
  const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  t.same(await revoke(app, { id: jti }), { revoked: [jti], onRecord: false })
  t.equal(await statusOf(app, bearer(token)), 401)
})

t.test('revoke-token refuses a credential as id without repeating it', async t => {
  const directory = await statePath(t)
  const app = await service(t, { stateDir: directory })
  const credential = generateToken('eve', 'user', '1h', { secret })
  for (const [tool, args] of [
    ['revoke-token', { id: credential }],
    ['revoke-token', { id: credential.slice(0, 200) }],
    ['revoke-token', { id: `Bearer ${credential.slice(0, 200)}` }],
    ['revoke-token', { id: newKey().key }],
    ['revoke-token', { id: ' ' }],
    ['revoke-subject', { subject: credential }],
    ['revoke-subject', { principal: credential }],
    ['revoke-subject', { principal: '' }]
  ] as const) {
    const { text, body } = await post(app, callOf(tool, args), root)
    t.equal(body.result.isError, true)
    t.notOk(Object.values(args).some(value => value.length > 1 && text.includes(value)))
  }
  t.equal(await statusOf(app, bearer(credential)), 200)
  t.notMatch(await readFile(join(directory, 'journal'), 'utf8'), 'revoked')
})

t.test('revoke-subject accepts a subject in the form that whoami shows', async t => {
  const app = await service(t)
  t.match(await revoke(app, { subject: 'jwt:new' }, 'revoke-subject'), { principal: 'jwt:new' })
})

t.test('revoke-subject requires principal for other kinds of callers', async t => {
  const app = await service(t)
  for (const id of ['user:ada', 'oauth:ada', 'apikey:0123456789ab']) {
    const { text, body } = await post(app, callOf('revoke-subject', { subject: id }), root)
    t.equal(body.result.isError, true)
    t.match(text, /subject.*as principal/)
    t.match(await revoke(app, { principal: id }, 'revoke-subject'), { principal: id })
  }
})

t.test('revoke-subject refuses all earlier tokens and accepts later ones', async t => {
  const app = await service(t)
  const [one, other, stranger] = [await mint(app), await mint(app), await mint(app, { userId: 'newer' })]
  t.match(await revoke(app, { subject: 'new' }, 'revoke-subject'), { principal: 'jwt:new', revoked: [] })
  t.same(
    [
      await statusOf(app, one.headers),
      await statusOf(app, other.headers),
      await statusOf(app, stranger.headers)
    ],
    [401, 401, 200]
  )
  const next = await mint(app)
  t.equal(await statusOf(app, next.headers), 200)
})

t.test('revoke-subject accepts a time that is not in the future, and one name', async t => {
  const app = await service(t)
  const { headers } = await mint(app)
  await revoke(app, { subject: 'new', before: '2020-01-01T00:00:00Z' }, 'revoke-subject')
  t.equal(await statusOf(app, headers), 200)
  for (const args of [
    { subject: 'new', before: '2999-01-01T00:00:00Z' },
    { subject: 'new', before: 'soon' },
    {},
    { subject: 'new', principal: 'jwt:new' },
    { subject: '' }
  ]) {
    t.equal((await post(app, callOf('revoke-subject', args), root)).body.result.isError, true)
  }
  await revoke(app, { principal: 'jwt:new' }, 'revoke-subject')
  t.equal(await statusOf(app, headers), 401)
})

t.test('tokens minted by a revoked admin stay valid unless withMinted is set', async t => {
  const app = await service(t)
  const admin = await mint(app, { userId: 'second', role: 'admin' })
  const child = await mint(app, { userId: 'third' }, admin.headers)
  await revoke(app, { id: admin.id })
  t.equal(await statusOf(app, child.headers), 200)
  t.same((await revoke(app, { id: admin.id, withMinted: true })).revoked, [admin.id, child.id])
  t.equal(await statusOf(app, child.headers), 401)
})

for (const [where, inSession] of [['without a session', false], ['in a session', true]] as const) {
  t.test(`an admin can revoke itself ${where} and gets the result`, async t => {
    const app = await service(t, { sessions: inSession })
    const admin = await mint(app, { userId: 'second', role: 'admin' })
    const session = inSession ? await openSession(app, { credential: admin.headers }) : {}
    t.same(await revoke(app, { id: admin.id }, 'revoke-token', { ...session, ...admin.headers }), {
      revoked: [admin.id],
      onRecord: true
    })
    t.equal(await statusOf(app, admin.headers), 401)
  })
}

t.test('a revoked token is refused even with a valid key', async t => {
  const app = await service(t)
  const { id, headers } = await mint(app)
  t.equal(await statusOf(app, { ...withKey, ...headers }), 200)
  await revoke(app, { id })
  t.equal(await statusOf(app, { ...withKey, ...headers }), 401)
  t.equal(await statusOf(app, withKey), 200)
})

t.test('a revoked token cannot pass a locked address', async t => {
  const app = await service(t, { env: { PREAUTH_RATE_LIMIT_MAX: '2' } })
  const { id, headers } = await mint(app)
  t.equal(await statusOf(app, headers), 200)
  for (let i = 0; i < 3; i++) await statusOf(app, { 'x-api-key': 'a-wrong-key-of-some-length' })
  t.equal(await statusOf(app, headers), 200)
  await revoke(app, { id })
  t.equal(await statusOf(app, headers), 429)
  t.equal(await statusOf(app, root), 200)
})

t.test('a revocation by another process applies within a second', async t => {
  const directory = await statePath(t)
  const app = await service(t, { env: { STATE_DIR: directory } })
  const { id, headers } = await mint(app)
  const cli = await openState(t, { directory })
  t.equal(cli.find(id)?.subject, 'new')
  await cli.revokeToken(id, { principal: 'cli' })
  const { structuredContent: { id: keyName } } = (await post(app, callOf('whoami'))).body.result
  await cli.revokeKey(keyName.replace('apikey:', ''), { principal: 'cli' })
  await until(async () => await statusOf(app, headers) === 401)
  await until(async () => await statusOf(app, { 'x-api-key': adaKey }) === 401)
})

t.test('a revocation survives a restart', async t => {
  const directory = await statePath(t)
  const first = await service(t, { env: { STATE_DIR: directory } })
  const { id, headers } = await mint(first)
  await revoke(first, { id })
  await first.close()
  const second = await service(t, { env: { STATE_DIR: directory } })
  t.equal(await statusOf(second, headers), 401)
  t.match(await revoke(second, {}, 'list-tokens'), { tokens: [{ id, revoked: true }] })
})

t.test(
  'a revoked token is refused within a session, and another token continues it',
  async t => {
    const app = await service(t, { sessions: {} })
    const [one, other] = [await mint(app), await mint(app)]
    const session = await openSession(app, { credential: one.headers })
    t.equal((await post(app, callOf('whoami'), session)).status, 200)
    await revoke(app, { id: one.id })
    t.equal((await post(app, callOf('whoami'), session)).status, 401)
    t.equal((await post(app, callOf('whoami'), { ...session, ...other.headers })).status, 200)
  }
)

t.test('a read-only state stops minting, but revocations still apply', async t => {
  const directory = await statePath(t)
  const app = await service(t, { env: { STATE_DIR: directory } })
  const { id, headers } = await mint(app)
  await rm(directory, { recursive: true })
  const refused = await post(app, callOf('generate-token', { userId: 'late' }), root)
  t.equal(refused.status, 200)
  t.match(refused.body.result, { isError: true, content: [{ text: /code: MCP_ERR_UNAVAILABLE/ }] })
  t.notMatch(refused.text, /eyJ|state-/)
  t.match((await post(app, callOf('revoke-token', { id }), root)).body.result, {
    isError: true,
    content: [{ text: /code: MCP_ERR_UNAVAILABLE/ }]
  })
  t.equal(await statusOf(app, headers), 401)
})

t.test('two registrations have separate revocations', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  for (const prefix of ['/one', '/two']) await app.register(mcpAuth, { prefix, jwtSecret: secret })
  const token = generateToken('new', 'user', '1h', { secret })
  const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  await post(app, callOf('revoke-token', { id: jti }), root, '/one/mcp')
  t.equal((await post(app, rpc('tools/list'), bearer(token), '/one/mcp')).status, 401)
  t.equal((await post(app, rpc('tools/list'), bearer(token), '/two/mcp')).status, 200)
})
