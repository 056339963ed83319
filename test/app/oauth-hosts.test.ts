/** Settings of a protected resource: clock tolerance, previous secrets, audiences, and two registrations. */
import Fastify from 'fastify'
import t from 'tap'
import { buildApp } from '../../src/app.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import { generateToken } from '../../src/tokens/generate.js'
import { claimsOf, fakeIssuer, jwksTimeoutMs, sign } from '../support/issuer.js'
import { logSink } from '../support/log-sink.js'
import { succeeds } from '../support/play.js'
import { bearer, both, key, publicUrl, resource, resourceServer } from '../support/resource-server.js'
import { callOf, listening, modern, post, withToken } from '../support/service.js'
import { inSeconds, secret } from '../support/tokens.js'

const whoami = callOf('whoami')

t.test("a stream ends when the provider's token expires", async (t) => {
  const endsWithToken = async (factor: number): Promise<boolean> => {
    const { provider, app } = await both(t, { tokens: { accessTokenTTL: 2 * factor } })
    const url = await listening(app)
    const token = await provider.token(resource)
    const { headers, payload } = modern('subscriptions/listen', { notifications: { toolsListChanged: true } })
    const response = await fetch(`${url}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
        ...bearer(token)
      },
      body: JSON.stringify(payload)
    })
    await response.text()
    const { exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { exp: number }
    t.ok(Date.now() >= exp * 1000)
    t.equal((await post(app, whoami, bearer(token))).status, 401, 'although it was verified a moment ago')
    return response.status === 200 && response.headers.get('content-type')?.startsWith('text/event-stream') === true
  }
  t.ok(await succeeds(endsWithToken))
})

t.test('JWT_CLOCK_TOLERANCE accepts a clock that is behind', async (t) => {
  const fake = await fakeIssuer(t, key)
  const token = bearer(await sign(key, claimsOf(fake.issuer, { exp: inSeconds(-2) })))
  t.equal((await post(await resourceServer(t, fake.issuer), whoami, token)).status, 401)
  t.equal(
    (await post(await resourceServer(t, fake.issuer, { env: { JWT_CLOCK_TOLERANCE: '60' } }), whoami, token))
      .status,
    200
  )
})

t.test('JWT_SECRET_PREVIOUS accepts old tokens after a rotation', async (t) => {
  const env = { JWT_SECRET: 'the-secret-of-today-of-32-bytes-or-more', JWT_SECRET_PREVIOUS: secret }
  const app = await buildApp({ env, logStream: logSink() })
  t.teardown(() => app.close())
  t.equal((await post(app, whoami, withToken('ada'))).status, 200)
  const minted = await post(app, callOf('generate-token', { userId: 'bob' }), withToken('root', 'admin'))
  const { token } = minted.body.result.structuredContent
  t.equal((await post(app, whoami, bearer(token))).status, 200)
  const rotated = await buildApp({ env: { JWT_SECRET: env.JWT_SECRET }, logStream: logSink() })
  t.teardown(() => rotated.close())
  t.equal((await post(rotated, whoami, bearer(token))).status, 200)
  t.equal((await post(rotated, whoami, withToken('ada'))).status, 401)
})

t.test('a token for another server is refused despite our signature', async (t) => {
  const app = await buildApp({ env: { JWT_SECRET: secret, PUBLIC_URL: publicUrl }, logStream: logSink() })
  t.teardown(() => app.close())
  t.equal(
    (
      await post(
        app,
        whoami,
        bearer(generateToken('ada', 'user', '1h', { secret, audience: 'https://other.example.com/mcp' }))
      )
    ).status,
    401
  )
  t.equal(
    (await post(app, whoami, bearer(generateToken('ada', 'user', '1h', { secret, audience: resource }))))
      .status,
    200
  )
  t.equal((await post(app, whoami, withToken('ada'))).status, 200)
})

t.test('two mcpAuth registrations trust only their own issuers', async (t) => {
  const [one, two] = [await fakeIssuer(t, key), await fakeIssuer(t, key)]
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(mcpAuth, {
    prefix: '/one',
    publicUrl: `${publicUrl}/one`,
    loopback: true,
    oauth: { issuer: one.issuer },
    jwksTimeoutMs
  })
  await app.register(mcpAuth, {
    prefix: '/two',
    publicUrl: `${publicUrl}/two`,
    loopback: true,
    oauth: { issuer: two.issuer },
    jwksTimeoutMs
  })
  const token = async (issuer: string, name: string): Promise<{ authorization: string }> =>
    bearer(await sign(key, claimsOf(issuer, { aud: `${publicUrl}/${name}/mcp` })))
  t.equal((await post(app, whoami, await token(one.issuer, 'one'), '/one/mcp')).status, 200)
  t.equal((await post(app, whoami, await token(two.issuer, 'two'), '/two/mcp')).status, 200)
  t.equal((await post(app, whoami, await token(two.issuer, 'one'), '/one/mcp')).status, 401)
  t.equal((await post(app, whoami, await token(two.issuer, 'two'), '/one/mcp')).status, 401)
  t.match((await app.inject('/two/.well-known/oauth-protected-resource/mcp')).json(), {
    resource: `${publicUrl}/two/mcp`,
    authorization_servers: [two.issuer]
  })
})

t.test('an issuer without an audience stops the start', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(
    async () => await app.register(mcpAuth, { prefix: '/one', oauth: { issuer: 'https://id.example.com' } }),
    /publicUrl/
  )
})
