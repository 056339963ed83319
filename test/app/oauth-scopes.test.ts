/** Scopes of provider tokens: challenges for missing scopes, and how clients step up. */
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import t from 'tap'
import { definePrompt } from '../../src/tools/prompt.js'
import { defineResource } from '../../src/tools/resource.js'
import { defineTool } from '../../src/tools/tool.js'
import { claimsOf, fakeIssuer, sign } from '../support/issuer.js'
import { OAuthMemory } from '../support/oauth-client.js'
import { registered } from '../support/provider.js'
import {
  bearer,
  both,
  isUnauthorized,
  key,
  metadataUrl,
  proxyTo,
  resource,
  resourceServer,
  thrownBy
} from '../support/resource-server.js'
import { adaKey, callOf, modern, post, rpc, withKey, withToken } from '../support/service.js'
import { secret } from '../support/tokens.js'

const writeFile = defineTool({
  name: 'write-file',
  access: { scopes: ['files:write'], denied: 'challenge' },
  handler: (_args, { principal }) => `written by ${principal.id}`
})

const readFile = defineTool({
  ...writeFile,
  name: 'read-file',
  access: { scopes: ['files:read'], denied: 'challenge' }
})

for (const [what, connectTo] of [
  ['of the 2025 revisions', async (authProvider: OAuthMemory, fetch: never) => {
    const client = new Client({ name: 'tests', version: '1' })
    const transport = new StreamableHTTPClientTransport(new URL(resource), { authProvider, fetch })
    return {
      client,
      connected: client.connect(transport as never),
      finish: async (back: URL) => {
        await transport.finishAuth(back.searchParams.get('code') ?? '')
      }
    }
  }],
  ['of 2026-07-28', async (authProvider: OAuthMemory, fetch: never) => {
    const client = new ModernClient({ name: 'tests', version: '1' }, { versionNegotiation: { mode: 'auto' } })
    const transport = new ModernTransport(new URL(resource), { authProvider: authProvider as never, fetch })
    return {
      client,
      connected: client.connect(transport),
      finish: async (back: URL) => {
        await transport.finishAuth(back.searchParams)
      }
    }
  }]
] as const) {
  t.test(`a client ${what} steps up once per required scope and keeps its scopes`, async (t) => {
    const { provider, app } = await both(t, {}, { env: { OAUTH_SCOPES: 'mcp:tools' }, tools: [writeFile, readFile] })
    const proxy = await proxyTo(app) as never
    const memory = new OAuthMemory({ client_id: registered.client_id })
    const consent = async (): Promise<URL> => await provider.consent(memory.redirects.at(-1) ?? new URL(resource))
    const stranger = await connectTo(memory, proxy)
    t.ok(isUnauthorized(await thrownBy(stranger.connected)))
    await stranger.finish(await consent())
    const { client, connected, finish } = await connectTo(memory, proxy)
    await connected
    t.teardown(() => client.close())
    for (const name of ['write-file', 'read-file']) {
      t.ok(isUnauthorized(await thrownBy(client.callTool({ name, arguments: {} }))), `${name} asks for more`)
      await finish(await consent())
      t.match(await client.callTool({ name, arguments: {} }), { content: [{ text: 'written by oauth:ada' }] })
    }
    for (const name of ['write-file', 'read-file']) await client.callTool({ name, arguments: {} })
    t.equal(memory.redirects.length, 3)
    t.match(memory.redirects.at(-1)?.searchParams.get('scope')?.split(' ').sort(), [
      'files:read',
      'files:write',
      'mcp:tools'
    ])
  })
}

t.test('denied: challenge lists the tool and challenges tokens of the provider', async (t) => {
  const { provider, app } = await both(t, {}, { tools: [writeFile] })
  const token = bearer(await provider.token(resource))
  t.match((await post(app, rpc('tools/list'), token)).body.result.tools, [{ name: 'whoami' }, { name: 'write-file' }])
  for (const { headers, payload, scope } of [
    // A 2025 client requests only the scopes of the challenge, so the challenge repeats the granted ones.
    { headers: {}, payload: callOf('write-file', {}, 7), scope: 'mcp:tools files:write' },
    { ...modern('tools/call', { name: 'write-file' }, 7), scope: 'files:write' }
  ]) {
    const answer = await post(app, payload, { ...token, ...headers })
    t.match(answer, { status: 403, body: { id: 7, error: { data: { code: 'MCP_ERR_INSUFFICIENT_SCOPE', scope } } } })
    t.equal(
      answer.headers['www-authenticate'],
      `Bearer realm="mcp", error="insufficient_scope", scope="${scope}", resource_metadata="${metadataUrl}"`
    )
  }
  t.match(await post(app, callOf('write-file'), bearer(await provider.token(resource, 'files:write'))), {
    status: 200,
    body: { result: { content: [{ text: 'written by oauth:machine' }] } }
  })
})

t.test('every method that names a guarded item gets the same challenge', async (t) => {
  const access = { scopes: ['files:write'], denied: 'challenge' } as const
  const { provider, app } = await both(t, {}, {
    prompts: [definePrompt({ name: 'ask', access, complete: { topic: () => ['one'] }, handler: () => 'asked' })],
    resources: [defineResource({ name: 'note', uri: 'notes://one', access, read: () => 'read' })]
  })
  const token = bearer(await provider.token(resource))
  const completion = { ref: { type: 'ref/prompt', name: 'ask' }, argument: { name: 'topic', value: '' } }
  for (const [method, params] of [
    ['prompts/get', { name: 'ask' }],
    ['completion/complete', completion],
    ['resources/read', { uri: 'notes://one' }]
  ] as const) {
    for (const { headers, payload } of [
      { headers: {}, payload: rpc(method, params) },
      modern(method, params)
    ]) {
      const answer = await post(app, payload, { ...token, ...headers })
      t.match(
        answer,
        {
          status: 403,
          headers: { 'www-authenticate': /error="insufficient_scope", scope="[^"]*files:write"/ }
        },
        `${method} ${JSON.stringify(headers)}`
      )
    }
    t.equal(
      (await post(app, rpc(method, params), bearer(await provider.token(resource, 'files:write')))).status,
      200
    )
  }
})

t.test(
  'a challenge omits offline_access and too many scopes',
  async t => {
    const fake = await fakeIssuer(t, key)
    const app = await resourceServer(t, fake.issuer, { tools: [writeFile] })
    const scopeFor = async (scope: string): Promise<unknown> =>
      (await post(app, callOf('write-file'), bearer(await sign(key, claimsOf(fake.issuer, { scope }))))).body
        .error.data.scope
    t.equal(await scopeFor('openid offline_access a:*'), 'openid a:* files:write')
    t.equal(await scopeFor(Array.from({ length: 300 }, (_, i) => `scope:${i}`).join(' ')), 'files:write')
  }
)

t.test('a tool that no scope would open is hidden', async (t) => {
  const adminOnly = defineTool({
    name: 'admin-only',
    access: { roles: ['admin'], scopes: ['files:write'], denied: 'challenge' },
    handler: () => 'done'
  })
  const { provider, app } = await both(t, {}, { tools: [adminOnly] })
  const token = bearer(await provider.token(resource))
  t.same(
    (await post(app, rpc('tools/list'), token)).body.result.tools.map(({ name }: { name: string }) => name),
    ['whoami']
  )
  t.match(await post(app, callOf('admin-only'), token), {
    status: 200,
    body: { error: { data: { code: 'MCP_ERR_UNKNOWN_TOOL' } } }
  })
})

t.test('callers without a provider get no scope challenge', async (t) => {
  const { app } = await both(t, {}, { env: { JWT_SECRET: secret, API_KEYS: adaKey }, tools: [writeFile] })
  for (const credential of [withKey, withToken('ada')]) {
    t.match(await post(app, callOf('write-file'), credential), {
      status: 200,
      body: { error: { data: { code: 'MCP_ERR_UNKNOWN_TOOL' } } }
    })
  }
})
