/** The oauth-server plugin on a bare Fastify, with the auth plugin after it. */
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import auth from '../../plugins/auth.js'
import oauthServer, { type OAuthServerOptions } from '../../plugins/oauth-server.js'
import preauthLimit from '../../plugins/preauth-limit.js'
import { ManagedKeys } from '../../src/api-keys/ring.js'
import { approve, authorizeUrl, open, pkce, press, register, signIn, token } from '../support/sign-in.js'
import { adaKey } from '../support/service.js'
import { newKey } from '../support/keys.js'
import { secret } from '../support/tokens.js'

const options: OAuthServerOptions = { publicUrl: 'https://mcp.example.com', jwtSecret: secret, apiKeys: [adaKey] }

async function bare (t: Test, more: Partial<OAuthServerOptions> = {}): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  const all = { ...options, ...more }
  await app.register(preauthLimit, { max: 3 })
  await app.register(oauthServer, all)
  await app.register(auth, { apiKeys: [adaKey], ...(all.keyRing === undefined ? {} : { keyRing: all.keyRing }) })
  app.get('/private', async ({ principal }) => principal)
  return app
}

t.test('a signed-in client authenticates as the owner of the key', async t => {
  const app = await bare(t)
  const { bearer, clientId } = await signIn(app)
  const response = await app.inject({ url: '/private', headers: bearer })
  t.equal(response.statusCode, 200)
  t.match(response.json(), {
    id: /^apikey:/,
    client: { id: clientId, name: 'Tests' },
    issuer: 'https://mcp.example.com'
  })
})

for (const [publicUrl, resource] of [
  ['https://mcp.example.com', 'HTTPS://MCP.EXAMPLE.COM/mcp'],
  ['https://MCP.example.com:443/', 'https://mcp.example.com/mcp'],
  ['https://mcp.example.com', 'https://mcp.example.com:443/mcp/']
] as const) {
  t.test(`the resource ${resource} is the endpoint of ${publicUrl}`, async t => {
    const app = await bare(t, { publicUrl })
    const { redeem } = await approve(app, { fields: { resource } })
    const { body } = await token(app, { ...redeem, resource })
    const headers = { authorization: `Bearer ${body.access_token}` }
    t.equal((await app.inject({ url: '/private', headers })).statusCode, 200)
  })
}

t.test('wrong keys charge the address until no key is checked', async t => {
  const app = await bare(t)
  const page = await open(app, authorizeUrl(await register(app), pkce().challenge))
  for (let tries = 0; tries < 3; tries++) t.equal((await press(app, page, 'continue', { key: 'wrong' })).status, 401)
  const locked = await press(app, page, 'continue', { key: adaKey })
  t.equal(locked.status, 429)
  t.ok(locked.headers['retry-after'])
  t.match(locked.headers['content-type'], /^text\/html/)
})

t.test('a managed key signs in for its owner', async t => {
  const { key, record } = newKey({ owner: 'ada', scopes: ['files:*'] })
  const app = await bare(t, { apiKeys: [], keyRing: new ManagedKeys([record]) })
  const { bearer, scope } = await signIn(app, { key, fields: { scope: 'files:read notes:read' } })
  t.equal(scope, 'files:read')
  t.match((await app.inject({ url: '/private', headers: bearer })).json(), {
    id: 'user:ada',
    keyId: record.id,
    scopes: ['files:read']
  })
})

for (const [what, bad] of [
  ['a public address over http', { publicUrl: 'http://mcp.example.com' }],
  ['a public address with a query', { publicUrl: 'https://mcp.example.com?a=b' }],
  ['no keys', { apiKeys: [] }],
  ['an empty secret', { jwtSecret: ' ' }],
  ['a weak secret', { jwtSecret: 'short' }]
] as const) {
  t.test(`the plugin refuses ${what}`, async t => {
    await t.rejects(bare(t, bad))
  })
}

t.test('dynamic registration can be disabled and is then not announced', async t => {
  const app = await bare(t, { clients: ['documents', 'registered'] })
  t.equal((await app.inject({ method: 'POST', url: '/oauth/register', payload: {} })).statusCode, 404)
  t.notOk('registration_endpoint' in (await app.inject('/.well-known/oauth-authorization-server')).json())
})
