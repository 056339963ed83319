/** Two registrations in one host app share nothing with each other or with the host. */
import t from 'tap'
import { mcpAuth } from '../../src/index.js'
import { adaKey, callOf, modern, post, rpc } from '../support/service.js'
import { secretA, secretB, a, b, ada, bob, bare, twice, bearer } from '../support/embedded.js'

t.test('each registration accepts only its own credentials', async t => {
  const app = await twice(t)
  for (const [headers, url, status] of [
    [ada, '/a/mcp', 200],
    [bob, '/b/mcp', 200],
    [ada, '/b/mcp', 401],
    [bob, '/a/mcp', 401],
    [bearer(secretA), '/a/mcp', 200],
    [bearer(secretB), '/b/mcp', 200],
    [bearer(secretA), '/b/mcp', 401],
    [bearer(secretB), '/a/mcp', 401]
  ] as const) { t.equal((await post(app, rpc('ping'), headers, url)).status, status) }
})

t.test('each registration serves its own tools', async t => {
  const app = await twice(t)
  t.equal((await post(app, callOf('tool-a'), ada, '/a/mcp')).body.result.content[0].text, 'tool-a was here')
  t.equal((await post(app, callOf('tool-a'), bob, '/b/mcp')).body.error.data.code, 'MCP_ERR_UNKNOWN_TOOL')
  const { headers, payload } = modern('tools/list')
  t.match((await post(app, payload, { ...bob, ...headers }, '/b/mcp')).text, /"tool-b"/)
})

t.test('a caller has a separate budget in each registration', async t => {
  const app = bare(t)
  await app.register(mcpAuth, { ...a, rateLimit: { max: 1 } })
  await app.register(mcpAuth, { ...b, apiKeys: [adaKey] })
  t.equal((await post(app, rpc('ping'), ada, '/a/mcp')).status, 200)
  t.equal((await post(app, rpc('ping'), ada, '/a/mcp')).status, 429)
  t.equal((await post(app, rpc('ping'), ada, '/b/mcp')).headers['x-ratelimit-remaining'], '49')
})

t.test('an address locked in one registration is not locked in others', async t => {
  const app = await twice(t)
  for (let i = 0; i < 3; i++) await post(app, rpc('ping'), {}, '/a/mcp')
  t.equal((await post(app, rpc('ping'), ada, '/a/mcp')).status, 429)
  t.equal((await post(app, rpc('ping'), bob, '/b/mcp')).status, 200)
  t.equal((await app.inject('/')).statusCode, 200)
  t.equal((await app.inject('/unknown')).statusCode, 404)
})

t.test('a credential verified by one registration is unknown to the other', async t => {
  const app = await twice(t)
  const carol = bearer(secretA)
  for (let i = 0; i < 3; i++) t.equal((await post(app, rpc('ping'), carol, '/a/mcp')).status, 200)
  t.equal((await post(app, rpc('ping'), carol, '/b/mcp')).status, 401)
})

t.test('a token minted by one registration is valid only there', async t => {
  const app = await twice(t)
  const { token } = (
    await post(app, callOf('generate-token', { userId: 'dan' }), bearer(secretA, 'admin'), '/a/mcp')
  ).body.result.structuredContent
  const dan = { authorization: `Bearer ${String(token)}` }
  t.equal((await post(app, callOf('whoami'), dan, '/a/mcp')).body.result.structuredContent.id, 'jwt:dan')
  t.equal((await post(app, callOf('whoami'), dan, '/b/mcp')).status, 401)
})

t.test('concurrent calls reach the tools of their own registration', async t => {
  const app = await twice(t)
  const calls = Array.from({ length: 40 }, (_, n) => n % 2 === 0 ? bob : bearer(secretB))
  const answers = await Promise.all([
    ...calls.map(async headers => await post(app, callOf('tool-b'), headers, '/b/mcp')),
    ...[1, 2, 3, 4].map(async () => await post(app, callOf('tool-a'), ada, '/a/mcp'))
  ])
  t.same(
    answers.map(({ body }) => body.result.content[0].text),
    [...calls.map(() => 'tool-b was here'), ...Array(4).fill('tool-a was here')]
  )
})

t.test('routes of the host get none of our headers, limits, checks or error shapes', async t => {
  const app = await twice(t)
  app.get('/fails', async () => { throw Object.assign(new Error('of the host'), { statusCode: 418 }) })
  for (let i = 0; i < 60; i++) await app.inject({ url: '/', headers: { 'x-api-key': 'nobody-s-key-at-all' } })
  const { statusCode, headers } = await app.inject({
    url: '/',
    headers: { host: 'shop.example', origin: 'https://evil.example' }
  })
  t.equal(statusCode, 200)
  t.same(Object.keys(headers).filter(name => /ratelimit|retry|vary|access-control|www-auth/.test(name)), [])
  t.match((await app.inject('/fails')).json(), { statusCode: 418, message: 'of the host' })
  t.match((await app.inject('/unknown')).json(), { error: 'Not Found', statusCode: 404 })
  t.equal(
    (await app.inject({ method: 'POST', url: '/', headers: { 'content-type': 'text/plain' }, payload: 'x' }))
      .statusCode,
    404
  )
})

t.test('the host keeps its parsers, and the endpoint parses only JSON', async t => {
  const app = bare(t)
  app.addContentTypeParser('text/csv', { parseAs: 'string' }, async (_request: unknown, body: string) =>
    body.split(',')
  )
  app.post('/csv', async ({ body }) => body)
  await app.register(mcpAuth, a)
  t.same(
    (
      await app.inject({
        method: 'POST',
        url: '/csv',
        headers: { 'content-type': 'text/csv' },
        payload: 'x,y'
      })
    ).json(),
    ['x', 'y']
  )
  t.equal((await post(app, 'x,y', { ...ada, 'content-type': 'text/csv' }, '/a/mcp')).status, 415)
})

t.test('two endpoints in one scope have their own OAuth metadata', async t => {
  const app = bare(t)
  const common = { oauth: { issuer: 'https://id.example.com' }, publicUrl: 'https://mcp.example.com' }
  await app.register(mcpAuth, { ...common, path: '/one' })
  await app.register(mcpAuth, { ...common, path: '/two' })
  for (const [path, endpoint] of [['/one', '/one'], ['/two', '/two'], ['', '/one']]) {
    t.equal(
      (await app.inject(`/.well-known/oauth-protected-resource${path}`)).json().resource,
      `https://mcp.example.com${endpoint}`
    )
  }
})

t.test('mcpAuth on an unsupported Fastify says what to install', async t => {
  const old = Object.create(bare(t), { version: { value: '4.29.1' } })
  await t.rejects(Promise.resolve(mcpAuth(old, a)), {
    message: 'fastify-mcp-auth needs Fastify 5, and this app uses 4.29.1: run `npm install fastify@5`'
  })
})
