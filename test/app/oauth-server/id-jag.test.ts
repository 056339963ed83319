/** Enterprise-managed authorization: which assertions of an identity provider give access, and how much. */
import { SignJWT } from 'jose'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { type FakeIssuer, fakeIssuer, json, patient, signingKey } from '../../support/issuer.js'
import { callOf, post } from '../../support/service.js'
import { publicUrl, register, resource, signInService, token } from '../../support/sign-in.js'
import { credentialOfTests } from '../../support/witness.js'

const key = await signingKey('ES256', 'idp')
const stranger = await signingKey('ES256', 'idp')
const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

interface Vouching {
  readonly app: FastifyInstance
  readonly issuer: string
  readonly clientId: string
  readonly answer: FakeIssuer['answer']
  readonly assertion: (change?: Record<string, unknown>, typ?: string, by?: typeof key) => Promise<string>
}

let made = 0
const now = (): number => Math.floor(Date.now() / 1000)

async function vouching (
  t: Test,
  env: (issuer: string) => Record<string, string> = issuer => ({
    JWT_ISSUER: issuer,
    JWT_ROLES_CLAIM: 'roles'
  })
): Promise<Vouching> {
  const { issuer, publish, answer } = await fakeIssuer(t)
  publish(key)
  const app = await signInService(t, { env: { ...patient, ...env(issuer) } })
  const clientId = await register(app)
  return {
    app,
    issuer,
    clientId,
    answer,
    assertion: async (change = {}, typ = undefined, by = key) => await assertionOf(issuer, clientId, change, typ, by)
  }
}

async function assertionOf (
  issuer: string,
  clientId: string,
  change: Record<string, unknown> = {},
  typ = 'oauth-id-jag+jwt',
  by = key
): Promise<string> {
  const claims = {
    iss: issuer,
    sub: 'ada',
    aud: publicUrl,
    resource,
    client_id: clientId,
    jti: `jag-${made++}`,
    iat: now(),
    exp: now() + 300,
    scope: 'files:read notes:*',
    ...change
  }
  return credentialOfTests(
    await new SignJWT(claims).setProtectedHeader({ alg: by.alg, typ, kid: 'idp' }).sign(by.privateKey)
  )
}

t.test('an assertion of a trusted issuer gives an access token, but no refresh token', async t => {
  const { app, clientId, assertion } = await vouching(t)
  const { status, body } = await token(app, {
    grant_type: grantType,
    client_id: clientId,
    assertion: await assertion(),
    scope: 'files:read notes:read admin:all'
  })
  t.equal(status, 200)
  t.notOk('refresh_token' in body)
  t.equal(body.scope, 'files:read notes:read')
  const bearer = { authorization: `Bearer ${body.access_token}` }
  t.match((await post(app, callOf('whoami'), bearer)).body.result.structuredContent, {
    id: 'oauth:ada',
    role: 'user',
    scopes: ['files:read', 'notes:read'],
    method: 'jwt',
    client: { id: clientId }
  })
  t.match((await app.inject('/.well-known/oauth-authorization-server')).json(), {
    authorization_grant_profiles_supported: ['urn:ietf:params:oauth:grant-profile:id-jag']
  })
})

t.test("an assertion's roles come from the issuer's roles claim", async t => {
  const { app, clientId, assertion } = await vouching(t)
  const { body } = await token(app, {
    grant_type: grantType,
    client_id: clientId,
    assertion: await assertion({ roles: ['admin'] })
  })
  t.equal(
    (await post(app, callOf('whoami'), { authorization: `Bearer ${body.access_token}` })).body.result
      .structuredContent.role,
    'admin'
  )
})

t.test('callers of a trusted issuer have separate ids', async t => {
  const { app, issuer, clientId, assertion } = await vouching(t, issuer => ({ OAUTH_TRUSTED_ISSUERS: issuer }))
  const { body } = await token(app, { grant_type: grantType, client_id: clientId, assertion: await assertion() })
  t.equal(
    (await post(app, callOf('whoami'), { authorization: `Bearer ${body.access_token}` })).body.result
      .structuredContent.id,
    `oauth@${encodeURIComponent(issuer)}:ada`
  )
})

t.test('slow keys of a trusted issuer are waited for up to JWT_JWKS_TIMEOUT_MS', async t => {
  const { app, clientId, assertion, answer } = await vouching(t, issuer => ({ OAUTH_TRUSTED_ISSUERS: issuer }))
  // Slower than the default timeout.
  answer('/jwks', (...reply) => { setTimeout(() => { json({ keys: [key.jwk] })(...reply) }, 2500) })
  const { status } = await token(app, { grant_type: grantType, client_id: clientId, assertion: await assertion() })
  t.equal(status, 200)
})

for (const [what, change, error] of [
  ['another issuer', { iss: 'https://other.example.com' }, 'invalid_grant'],
  ['another audience', { aud: 'https://other.example.com' }, 'invalid_grant'],
  ['our audience among others', { aud: [publicUrl, 'https://other.example.com'] }, 'invalid_grant'],
  ['the endpoint as audience', { aud: resource }, 'invalid_grant'],
  ['another resource', { resource: 'https://other.example.com/mcp' }, 'invalid_target'],
  ['no resource', { resource: undefined }, 'invalid_target'],
  ['another client', { client_id: 'another' }, 'invalid_grant'],
  ['no jti', { jti: undefined }, 'invalid_grant'],
  ['no subject', { sub: undefined }, 'invalid_grant'],
  ['an old expiry', { exp: now() - 60 }, 'invalid_grant'],
  ['a life of two hours', { exp: now() + 7200 }, 'invalid_grant'],
  ['a proof-of-possession key', { cnf: { jkt: 'x' } }, 'invalid_grant']
] as const) {
  t.test(`an assertion with ${what} is refused`, async t => {
    const { app, clientId, assertion } = await vouching(t)
    t.match(
      await token(app, { grant_type: grantType, client_id: clientId, assertion: await assertion(change) }),
      { status: 400, body: { error } }
    )
  })
}

t.test('an assertion of another kind or key, or used twice, is refused', async t => {
  const { app, clientId, assertion } = await vouching(t)
  const send = async (text: string) => await token(app, { grant_type: grantType, client_id: clientId, assertion: text })
  t.match(await send(await assertion({}, 'at+jwt')), { status: 400, body: { error: 'invalid_grant' } })
  t.match(await send(await assertion({}, 'oauth-id-jag+jwt', stranger)), {
    status: 400,
    body: { error: 'invalid_grant' }
  })
  t.match(await send('garbage'), { status: 400, body: { error: 'invalid_grant' } })
  const once = await assertion()
  t.same((await Promise.all([send(once), send(once)])).map(({ status }) => status).sort(), [200, 400])
})

t.test('unavailable keys of the issuer give 503', async t => {
  const { issuer, stop } = await fakeIssuer(t, key)
  const app = await signInService(t, { env: { OAUTH_TRUSTED_ISSUERS: issuer } })
  const clientId = await register(app)
  await stop()
  const assertion = await assertionOf(issuer, clientId)
  const refused = await token(app, { grant_type: grantType, client_id: clientId, assertion })
  t.match(refused, { status: 503, body: { error: 'temporarily_unavailable' } })
  t.ok(refused.headers['retry-after'])
})

t.test('an assertion is not accepted as an access token', async t => {
  const { app, assertion } = await vouching(t)
  t.equal(
    (await post(app, callOf('whoami'), { authorization: `Bearer ${await assertion({ aud: resource })}` }))
      .status,
    401
  )
})

t.test('jwt-bearer is unsupported without trusted issuers', async t => {
  const { app, clientId, assertion } = await vouching(t, () => ({}))
  t.match(await token(app, { grant_type: grantType, client_id: clientId, assertion: await assertion() }), {
    status: 400,
    body: { error: 'unsupported_grant_type' }
  })
})
