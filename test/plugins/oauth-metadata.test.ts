/** The oauth-metadata plugin alone: what clients learn about the identity provider. */
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import cors from '../../plugins/cors.js'
import oauthMetadata, { type OAuthMetadataOptions } from '../../plugins/oauth-metadata.js'

const metadata: OAuthMetadataOptions = {
  resource: 'https://mcp.example.com/team/mcp',
  authorizationServers: ['https://id.example.com']
}
const base = '/.well-known/oauth-protected-resource'

async function metadataApp (t: Test, options = metadata): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(oauthMetadata, options)
  return app
}

for (const url of [base, `${base}/mcp`, `${base}/team/mcp`].flatMap(path => [path, `${path}/`])) {
  t.test(`${url} returns the resource and its issuer for any Host`, async (t) => {
    const app = await metadataApp(t)
    const response = await app.inject({
      url,
      headers: { host: 'evil.example.com', 'x-forwarded-host': 'evil.example.com' }
    })
    t.equal(response.statusCode, 200)
    t.match(response.headers['content-type'], /^application\/json/)
    t.equal(
      response.body,
      '{"resource":"https://mcp.example.com/team/mcp","authorization_servers":["https://id.example.com"],"bearer_methods_supported":["header"]}'
    )
  })
}

t.test('scopes_supported lists the configured scopes', async (t) => {
  const app = await metadataApp(t, { ...metadata, scopes: ['mcp:tools'] })
  t.same((await app.inject(base)).json().scopes_supported, ['mcp:tools'])
})

t.test("the metadata path follows the endpoint's path", async (t) => {
  const app = await metadataApp(t, { ...metadata, path: '/tools' })
  t.equal((await app.inject(`${base}/tools`)).statusCode, 200)
  t.equal((await app.inject(`${base}/mcp`)).statusCode, 404)
})

t.test('the metadata of a prefixed scope is below the prefix', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(async scope => { await scope.register(oauthMetadata, metadata) }, { prefix: '/team' })
  t.equal((await app.inject(`/team${base}/mcp`)).statusCode, 200)
})

t.test('any page may read the metadata without a credential', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(cors, { origins: ['https://app.example.com'] })
  await app.register(oauthMetadata, metadata)
  const headers = { origin: 'https://any.example.com', host: 'evil.example.com' }
  const read = await app.inject({ url: `${base}/mcp`, headers })
  t.match(read, { statusCode: 200, headers: { 'access-control-allow-origin': '*' } })
  t.notOk('access-control-allow-credentials' in read.headers)
  const asked = await app.inject({
    method: 'OPTIONS',
    url: `${base}/mcp`,
    headers: {
      ...headers,
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'mcp-protocol-version'
    }
  })
  t.match(asked, {
    statusCode: 204,
    headers: { 'access-control-allow-origin': '*', 'access-control-allow-headers': /MCP-Protocol-Version/ }
  })
})

t.test('without an issuer there is no metadata', async (t) => {
  await t.rejects(async () => await Fastify().register(oauthMetadata, { ...metadata, authorizationServers: [] }), Error)
})
