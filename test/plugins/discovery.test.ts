/** The server card, the AI Catalog and the domain check of ChatGPT: alone, in the service, and in a host. */
import Fastify from 'fastify'
import t from 'tap'
import discovery from '../../plugins/discovery.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import { defineTool } from '../../src/tools/tool.js'
import { adaKey, rpc, service, withKey } from '../support/service.js'

const env = {
  PUBLIC_URL: 'https://mcp.example.com',
  SERVER_CARD: 'on',
  SERVER_NAME: 'com.example/notes',
  SERVER_TITLE: 'Notes',
  SERVER_DESCRIPTION: 'Reads and writes notes.',
  SERVER_VERSION: '1.2.0'
}
const documents = [
  ['/mcp/server-card', 'application/mcp-server-card+json'],
  ['/.well-known/ai-catalog.json', 'application/ai-catalog+json']
] as const
const challenge = '/.well-known/openai-apps-challenge'
const secretTool = defineTool({ name: 'secret-tool', description: 'Not listed.', handler: async () => 'ok' })

for (const [url, type] of documents) {
  t.test(`${url} is public and cacheable for an hour, with an ETag`, async t => {
    const app = await service(t, { env, tools: [secretTool] })
    const headers = { host: 'mcp.example.com', origin: 'https://any.example.org' }
    const first = await app.inject({ url, headers })
    t.match(first, {
      statusCode: 200,
      headers: {
        'content-type': new RegExp(`^${type.replace(/[+/]/g, '.')}`),
        'cache-control': 'public, max-age=3600',
        etag: /^"[0-9a-f]{32}"$/,
        'access-control-allow-origin': '*',
        'access-control-expose-headers': /ETag/
      }
    })
    t.notOk('access-control-allow-credentials' in first.headers)
    t.notOk('set-cookie' in first.headers)
    for (const known of [first.headers.etag, `W/${first.headers.etag}`, `"other", ${first.headers.etag}`, '*']) {
      const again = await app.inject({ url, headers: { ...headers, 'if-none-match': String(known) } })
      t.match(again, { statusCode: 304, body: '', headers: { etag: first.headers.etag } }, String(known))
    }
    const other = await app.inject({ url, headers: { ...headers, 'if-none-match': '"other"' } })
    t.equal(other.statusCode, 200)
    const head = await app.inject({ method: 'HEAD', url, headers })
    t.match(head, { statusCode: 200, body: '', headers: { etag: first.headers.etag } })
  })

  t.test(`${url} does not mention tools or depend on the caller`, async t => {
    const app = await service(t, { env, tools: [secretTool] })
    const plain = await app.inject({ url, headers: { host: 'mcp.example.com' } })
    for (const word of ['secret-tool', 'whoami', 'generate-token', 'tool', 'scope', 'role', adaKey]) {
      t.notOk(plain.body.includes(word), word)
    }
    const forged = await app.inject({
      url, headers: { ...withKey, host: 'evil.example.org', 'x-forwarded-host': 'evil.example.org' }
    })
    t.equal(forged.body, plain.body)
  })

  t.test(`${url} allows any page to send If-None-Match`, async t => {
    const app = await service(t, { env })
    const asked = await app.inject({
      method: 'OPTIONS',
      url,
      headers: {
        origin: 'https://any.example.org',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'if-none-match'
      }
    })
    t.match(asked, {
      statusCode: 204,
      headers: { 'access-control-allow-origin': '*', 'access-control-allow-headers': /If-None-Match/ }
    })
  })

  t.test(`${url} is unknown by default`, async t => {
    const app = await service(t, { env: { PUBLIC_URL: 'https://mcp.example.com' } })
    t.equal((await app.inject({ url, headers: { host: 'mcp.example.com' } })).statusCode, 404)
  })
}

t.test('the server card matches the serverInfo of initialize', async t => {
  const app = await service(t, { env })
  const headers = { ...withKey, host: 'mcp.example.com' }
  const card = (await app.inject({ url: '/mcp/server-card', headers })).json()
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } }
  const { result } = (
    await app.inject({ method: 'POST', url: '/mcp', headers, payload: rpc('initialize', params) })
  ).json()
  for (const key of ['name', 'version', 'title', 'description']) t.equal(card[key], result.serverInfo[key], key)
  t.ok(card.remotes[0].supportedProtocolVersions.includes(result.protocolVersion))
})

t.test('mcpAuth in a host serves the card below its prefix', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const publicUrl = 'https://example.com/team'
  await app.register(mcpAuth, { prefix: '/team', apiKeys: [adaKey], publicUrl, serverCard: true })
  const card = (await app.inject('/team/mcp/server-card')).json()
  t.equal(card.remotes[0].url, 'https://example.com/team/mcp')
  t.equal((await app.inject('/team/.well-known/ai-catalog.json')).json().entries[0].url,
    'https://example.com/team/mcp/server-card')
})

t.test('a card without publicUrl stops the start', async t => {
  await t.rejects(Promise.resolve(Fastify().register(mcpAuth, { apiKeys: [adaKey], serverCard: true })),
    { message: '`serverCard` requires `publicUrl`' })
  await t.rejects(service(t, { env: { SERVER_CARD: 'on' } }), { message: /SERVER_CARD.*PUBLIC_URL/ })
})

t.test('two endpoints in one scope have separate cards, and the first has the catalog', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const facts = { accepted: { apiKeys: true, tokens: false, oauth: false }, info: { name: 'n', version: '1' } }
  for (const path of ['/a', '/b']) {
    await app.register(discovery, { card: { ...facts, url: `https://example.com${path}` }, path, appsChallenge: path })
  }
  t.equal((await app.inject(challenge)).body, '/a')
  t.equal((await app.inject('/b/server-card')).json().remotes[0].url, 'https://example.com/b')
  t.match((await app.inject('/.well-known/ai-catalog.json')).body, /example\.com\/a\/server-card/)
})

t.test('the challenge token is served publicly and not cached', async t => {
  const app = await service(t, { env: { OPENAI_APPS_CHALLENGE: 'AbC-123_x.y' } })
  t.match(await app.inject(challenge), {
    statusCode: 200,
    body: 'AbC-123_x.y',
    headers: { 'content-type': /^text\/plain/, 'cache-control': 'no-store' }
  })
})

t.test('without a challenge token the path is 404 and free', async t => {
  const app = await service(t, { env: { PREAUTH_RATE_LIMIT_MAX: '1' } })
  for (let i = 0; i < 3; i += 1) t.equal((await app.inject(challenge)).statusCode, 404)
})

for (const token of ['', 'a b', 'a\nb', 'é', 'x'.repeat(513)]) {
  t.test(`the challenge ${JSON.stringify(token).slice(0, 20)} is refused`, async t => {
    await t.rejects(Promise.resolve(Fastify().register(discovery, { appsChallenge: token })), TypeError)
  })
}
