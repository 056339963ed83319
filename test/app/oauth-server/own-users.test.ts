/** Keys that the host app verifies itself: they sign clients in only if `stillGood` can check them later. */
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { mcpAuth } from '../../../src/mcp-auth.js'
import type { McpAuthOptions } from '../../../src/chain/options.js'
import { authorizeUrl, open, pkce, press, register, signIn, token } from '../../support/sign-in.js'
import { callOf, post } from '../../support/service.js'
import { secret } from '../../support/tokens.js'
import { secretOfTests } from '../../support/witness.js'

const appKey = secretOfTests('a-key-of-the-apps-own-users-0001')

interface Users { app: FastifyInstance, good: boolean | Error, asked: string[] }

async function withUsers (t: Test, options: Partial<McpAuthOptions> = {}): Promise<Users> {
  const users: Users = { app: Fastify(), good: true, asked: [] }
  t.teardown(() => users.app.close())
  await users.app.register(mcpAuth, {
    publicUrl: 'https://mcp.example.com',
    jwtSecret: secret,
    oauthServer: true,
    verifyKey: key =>
      key === appKey
        ? { id: 'tenant-7', scopes: ['files:read'], keyId: 'k1', attributes: { tenant: 'acme' } }
        : null,
    verifyKeyTtlMs: 0,
    // Longer than a busy machine needs.
    verifyKeyTimeoutMs: 120_000,
    stillGood: principal => {
      users.asked.push(`${principal.id} ${principal.keyId} ${String(principal.attributes.tenant)}`)
      if (users.good instanceof Error) throw users.good
      return users.good
    },
    ...options
  })
  return users
}

t.test('a key of verifyKey signs a client in, and stillGood is then called', async t => {
  const users = await withUsers(t)
  const { bearer, clientId, refreshToken, scope } = await signIn(users.app, { key: appKey })
  t.equal(scope, 'files:read')
  t.match((await post(users.app, callOf('whoami'), bearer)).body.result.structuredContent, {
    id: 'tenant-7',
    scopes: ['files:read'],
    client: { id: clientId }
  })
  t.ok(users.asked.every(asked => asked === 'tenant-7 k1 acme'))
  users.good = false
  t.equal((await post(users.app, callOf('whoami'), bearer)).status, 401)
  t.match(
    await token(users.app, { grant_type: 'refresh_token', client_id: clientId, refresh_token: refreshToken }),
    { status: 400, body: { error: 'invalid_grant' } }
  )
})

t.test('a failing stillGood does not end the grant', async t => {
  const users = await withUsers(t)
  const { bearer, clientId, refreshToken } = await signIn(users.app, { key: appKey })
  users.good = new Error('the database is away')
  t.equal((await post(users.app, callOf('whoami'), bearer)).status, 503)
  t.match(
    await token(users.app, { grant_type: 'refresh_token', client_id: clientId, refresh_token: refreshToken }),
    { status: 503, body: { error: 'temporarily_unavailable' } }
  )
  users.good = true
  t.equal((await post(users.app, callOf('whoami'), bearer)).status, 200)
  t.equal(
    (
      await token(users.app, {
        grant_type: 'refresh_token',
        client_id: clientId,
        refresh_token: refreshToken
      })
    ).status,
    200
  )
})

t.test('the answer of stillGood is cached for verifyKeyTtlMs', async t => {
  const users = await withUsers(t, { verifyKeyTtlMs: 60_000 })
  const { bearer } = await signIn(users.app, { key: appKey })
  users.asked.length = 0
  for (let calls = 0; calls < 3; calls++) t.equal((await post(users.app, callOf('whoami'), bearer)).status, 200)
  t.equal(users.asked.length, 0)
})

t.test('a key of verifyKey cannot sign in without stillGood', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(mcpAuth, {
    publicUrl: 'https://mcp.example.com',
    jwtSecret: secret,
    oauthServer: true,
    verifyKey: () => ({ id: 'tenant-7' })
  })
  const page = await press(
    app,
    await open(app, authorizeUrl(await register(app), pkce().challenge)),
    'continue',
    { key: appKey }
  )
  t.equal(page.status, 403)
})

t.test('an unknown key is refused at the sign-in', async t => {
  const { app } = await withUsers(t)
  const page = await press(
    app,
    await open(app, authorizeUrl(await register(app), pkce().challenge)),
    'continue',
    { key: 'another' }
  )
  t.equal(page.status, 401)
})
