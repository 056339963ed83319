/** Clients that try OAuth after a wrong key get an OAuth error that says that the key was refused. */
import { auth } from '@modelcontextprotocol/sdk/client/auth.js'
import { AccessDeniedError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import Fastify from 'fastify'
import t from 'tap'
import { mcpAuth } from '../../src/mcp-auth.js'
import { OAuthMemory } from '../support/oauth-client.js'
import { adaKey, listening, post, rpc, service } from '../support/service.js'

for (const [method, url] of [
  ['POST', '/register'],
  ['POST', '/token'],
  ['GET', '/authorize?client_id=x&redirect_uri=y'],
  ['GET', '/register']
] as const) {
  t.test(`${method} ${url} returns a message for OAuth clients and charges nobody`, async t => {
    const app = await service(t, { env: { PREAUTH_RATE_LIMIT_MAX: '1' } })
    for (let i = 0; i < 3; i++) {
      const reply = await app.inject({
        method,
        url,
        headers: { 'x-api-key': 'a-wrong-key-of-nobody', 'content-type': 'application/json' },
        ...(method === 'POST' ? { payload: '{' } : {})
      })
      t.equal(reply.statusCode, 404)
      t.match(reply.json(), {
        error: 'access_denied',
        error_description: /^The API key was refused/,
        code: 'MCP_ERR_NOT_FOUND',
        requestId: String
      })
      t.equal(reply.headers['cache-control'], 'no-store')
      t.notOk('x-ratelimit-limit' in reply.headers)
    }
    t.equal((await post(app, rpc('ping'), {})).status, 401)
  })
}

t.test("the SDK's client reports that the key was refused", async t => {
  const url = await listening(await service(t))
  await t.rejects(auth(new OAuthMemory(), { serverUrl: `${url}/mcp` }), {
    constructor: AccessDeniedError,
    message: /The API key was refused/
  })
})

for (const [what, env] of [
  ['the OAuth server', { OAUTH_SERVER: 'on', PUBLIC_URL: 'https://mcp.example.com' }],
  ['an identity provider', { JWT_ISSUER: 'https://id.example.com', PUBLIC_URL: 'https://mcp.example.com' }]
] as Array<[string, Record<string, string>]>) {
  t.test(`POST /register of a server with ${what} names the location of the metadata`, async t => {
    const app = await service(t, { env })
    const reply = await app.inject({ method: 'POST', url: '/register' })
    t.equal(reply.statusCode, 404)
    const { error, error_description: words } = reply.json()
    t.equal(error, 'access_denied')
    const [, path = ''] = /metadata of this server, at (\S+)\.$/.exec(words) ?? []
    t.equal((await app.inject(path)).statusCode, 200)
  })
}

t.test('other unknown paths are unchanged', async t => {
  const app = await service(t)
  for (const url of ['/oauth/register', '/x/register', '/register/x', '/registers']) {
    const reply = await app.inject({ method: 'POST', url })
    t.equal(reply.statusCode, 404)
    t.notOk('error' in reply.json())
    t.equal('x-ratelimit-limit' in reply.headers, true, 'charged to the address')
  }
})

t.test("a host's own routes for these paths take precedence", async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.post('/register', async () => 'the host')
  await app.register(mcpAuth, { apiKeys: [adaKey] })
  t.equal((await app.inject({ method: 'POST', url: '/register' })).body, 'the host')
  t.equal((await app.inject({ method: 'POST', url: '/token' })).json().error, 'Not Found')
})
