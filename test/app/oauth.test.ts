/** A protected resource with a real identity provider: discovery, and which tokens are accepted. */
import { randomUUID } from 'node:crypto'
import {
  Client as ModernClient, StreamableHTTPClientTransport as ModernTransport
} from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import t from 'tap'
import { buildApp } from '../../src/app.js'
import { generateToken } from '../../src/tokens/generate.js'
import { claimsOf, fakeIssuer, sign, signingKey } from '../support/issuer.js'
import { logSink } from '../support/log-sink.js'
import { OAuthMemory } from '../support/oauth-client.js'
import { runningProvider } from '../support/provider.js'
import {
  bearer, both, isUnauthorized, key, metadataUrl, proxyTo, publicUrl, resource, resourceServer,
  thrownBy
} from '../support/resource-server.js'
import { adaKey, callOf, listening, post, withKey, withToken } from '../support/service.js'
import { secret } from '../support/tokens.js'

const otherKey = await signingKey('ES256', 'second')
const whoami = callOf('whoami')

for (const [what, connect] of [
  ['of the 2025 revisions', async (authProvider: OAuthMemory, fetch: never) => {
    const client = new Client({ name: 'tests', version: '1' })
    const transport = new StreamableHTTPClientTransport(new URL(resource), { authProvider, fetch })
    return { client, transport, connected: client.connect(transport as never) }
  }],
  ['of 2026-07-28', async (authProvider: OAuthMemory, fetch: never) => {
    const client = new ModernClient({ name: 'tests', version: '1' }, { versionNegotiation: { mode: 'auto' } })
    const transport = new ModernTransport(new URL(resource), { authProvider: authProvider as never, fetch })
    return { client, transport, connected: client.connect(transport) }
  }]
] as const) {
  t.test(`a client ${what} discovers the provider from a 401, gets a token and calls a tool`, async (t) => {
    const { provider, app } = await both(t, {}, { env: { OAUTH_SCOPES: 'mcp:tools' } })
    const proxy = await proxyTo(app) as never
    const memory = new OAuthMemory()
    const stranger = await connect(memory, proxy)
    t.ok(isUnauthorized(await thrownBy(stranger.connected)))
    const [asked] = memory.redirects
    t.match(Object.fromEntries(asked?.searchParams ?? []), {
      response_type: 'code',
      code_challenge_method: 'S256',
      resource,
      scope: /\bmcp:tools\b/
    })
    const back = await provider.consent(asked ?? new URL(resource))
    const code = back.searchParams.get('code') ?? ''
    await stranger.transport.finishAuth(what.includes('2026') ? back.searchParams as never : code)

    const { client, connected } = await connect(memory, proxy)
    await connected
    t.teardown(() => client.close())
    t.match(await client.callTool({ name: 'whoami', arguments: {} }), {
      structuredContent: { id: 'oauth:ada', role: 'user', scopes: ['mcp:tools'], method: 'jwt' }
    })
  })
}

t.test('the resource metadata is public and built only from settings', async (t) => {
  const app = await resourceServer(t, 'https://id.example.com/')
  for (const path of ['', '/mcp']) {
    const response = await app.inject({
      url: `/.well-known/oauth-protected-resource${path}`,
      headers: { host: 'evil.example.com', origin: 'https://evil.example.com' }
    })
    t.equal(response.statusCode, 200)
    t.equal(response.headers['access-control-allow-origin'], '*')
    t.same(response.json(), {
      resource,
      authorization_servers: ['https://id.example.com/'],
      bearer_methods_supported: ['header']
    })
    t.notOk('x-ratelimit-limit' in response.headers)
  }
})

t.test(
  'a challenge has an error only if a credential was sent',
  async t => {
    const app = await resourceServer(t, 'https://id.example.com', {
      env: { OAUTH_SCOPES: 'mcp:tools,mcp:read' }
    })
    const rest = `scope="mcp:tools mcp:read", resource_metadata="${metadataUrl}"`
    t.equal((await post(app, whoami, {})).headers['www-authenticate'], `Bearer realm="mcp", ${rest}`)
    t.equal(
      (await post(app, whoami, bearer('abc'))).headers['www-authenticate'],
      `Bearer realm="mcp", error="invalid_token", ${rest}`
    )
  }
)

t.test('a path in PUBLIC_URL is part of all URLs', async (t) => {
  const app = await resourceServer(t, 'https://id.example.com', { env: { PUBLIC_URL: 'https://example.com/team' } })
  const { headers } = await post(app, whoami, {})
  t.match(
    headers['www-authenticate'],
    'resource_metadata="https://example.com/team/.well-known/oauth-protected-resource/mcp"'
  )
  for (const path of ['', '/mcp', '/team/mcp']) {
    t.match((await app.inject(`/.well-known/oauth-protected-resource${path}`)).json(), {
      resource: 'https://example.com/team/mcp'
    })
  }
})

for (const [what, env] of [
  ['without an issuer', { API_KEYS: adaKey, PUBLIC_URL: publicUrl }],
  ['without a public address', { JWT_ISSUER: 'https://id.example.com', JWT_AUDIENCE: 'team' }]
] as const) {
  t.test(`${what} the metadata is a free 404, and challenges do not mention it`, async (t) => {
    const app = await buildApp({ env, logStream: logSink() })
    t.teardown(() => app.close())
    for (const path of ['', '/mcp']) {
      const response = await app.inject(`/.well-known/oauth-protected-resource${path}`)
      t.equal(response.statusCode, 404)
      t.equal(response.json().code, 'MCP_ERR_NOT_FOUND')
    }
    const refused = await post(app, whoami, {})
    t.equal(refused.headers['www-authenticate'], 'Bearer realm="mcp"')
    t.equal(refused.headers['x-ratelimit-remaining'], '29')
  })
}

for (const [what, name, isGood] of [
  ['the endpoint', resource, true],
  ['the endpoint with a trailing slash', `${resource}/`, true],
  ['a name from the settings', 'urn:team', true],
  ['only the base URL', publicUrl, false],
  ['the base URL with a trailing slash', `${publicUrl}/`, false],
  ['another path', `${publicUrl}/mcp2`, false],
  ['another server', 'https://other.example.com/mcp', false]
] as const) {
  t.test(`a token that the provider issued for ${what} is ${isGood ? '' : 'not '}accepted`, async t => {
    const { provider, app } = await both(t, {}, { env: { JWT_AUDIENCE: 'urn:team' } })
    t.equal((await post(app, whoami, bearer(await provider.token(name)))).status, isGood ? 200 : 401)
  })
}

t.test('a token of another issuer with the same keys is refused', async (t) => {
  const { app } = await both(t)
  const other = await runningProvider(t, { key })
  t.equal((await post(app, whoami, bearer(await other.token(resource)))).status, 401)
})

t.test('a token signed with JWT_SECRET that names the provider is refused', async (t) => {
  const { provider, app } = await both(t, {}, { env: { JWT_SECRET: secret } })
  const token = generateToken('ada', 'admin', '1h', { secret, issuer: provider.issuer, audience: resource })
  t.equal((await post(app, whoami, bearer(token))).status, 401)
  t.equal((await post(app, whoami, withToken('ada'))).body.result.structuredContent.id, 'jwt:ada')
})

t.test('a provider token signed with JWT_SECRET is refused', async (t) => {
  const { provider, app } = await both(
    t,
    { tokens: { jwt: { sign: { alg: 'HS256', key: Buffer.from(secret) } } } },
    { env: { JWT_SECRET: secret } }
  )
  const token = await provider.token(resource)
  t.match(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()), { alg: 'HS256' })
  t.equal((await post(app, whoami, bearer(token))).status, 401)
})

t.test('a token with many groups is accepted if the headers fit', async (t) => {
  const fake = await fakeIssuer(t, key)
  const app = await resourceServer(t, fake.issuer)
  const url = await listening(app)
  const call = async (groups: number): Promise<number> =>
    (
      await fetch(`${url}/mcp`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...bearer(
            await sign(
              key,
              claimsOf(fake.issuer, { groups: Array.from({ length: groups }, () => randomUUID()) })
            )
          )
        },
        body: JSON.stringify(whoami)
      })
    ).status
  // Each group takes 52 characters.
  t.same([await call(200), await call(280), await call(300), await call(320)], [200, 200, 401, 431])
})

t.test('a provider subject, a token subject and a key are separate callers', async (t) => {
  const fake = await fakeIssuer(t, key)
  const app = await resourceServer(t, fake.issuer, { env: { JWT_SECRET: secret, API_KEYS: adaKey } })
  const ids = new Set<string>()
  for (const credential of [
    bearer(await sign(key, claimsOf(fake.issuer))),
    withToken('ada'),
    withKey,
    bearer(await sign(key, claimsOf(fake.issuer, { sub: 'jwt:ada' })))
  ]) {
    ids.add((await post(app, whoami, credential)).body.result.structuredContent.id)
  }
  t.equal(ids.size, 4)
})

t.test("JWT_ROLES_CLAIM and JWT_ADMIN_ROLE map the provider's roles", async (t) => {
  const { provider, app } = await both(
    t,
    { claims: { realm_access: { roles: ['staff'] } } },
    { env: { JWT_ROLES_CLAIM: 'realm_access.roles', JWT_ADMIN_ROLE: 'staff' } }
  )
  t.equal((await post(app, whoami, bearer(await provider.token(resource)))).body.result.structuredContent.role, 'admin')
})

t.test(
  'a new provider key works at once, a removed one until the next fetch',
  async t => {
    const { provider, app } = await both(t, {}, { env: { PREAUTH_KNOWN_TTL_MS: '0' } })
    const old = await provider.token(resource)
    t.equal((await post(app, whoami, bearer(old))).status, 200)
    await provider.rotate(otherKey)
    t.equal((await post(app, whoami, bearer(await provider.token(resource)))).status, 200)
    t.equal((await post(app, whoami, bearer(old))).status, 401)
  }
)
