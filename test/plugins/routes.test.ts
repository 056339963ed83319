/** Routes of a host as tools. */
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import t, { type Test } from 'tap'
import { z } from 'zod'
import routes from '../../plugins/routes.js'
import { type McpAuthOptions, mcpAuth } from '../../src/index.js'
import { createTestClient, type TestClient } from '../../src/testing/test-client.js'
import { logSink } from '../support/log-sink.js'
import { adaKey } from '../support/service.js'

interface Built { readonly app: FastifyInstance, readonly client: TestClient }

/** Builds an app with the routes of `add`, and a client of its endpoint. */
async function host (t: Test, add: (app: FastifyInstance) => unknown, options: McpAuthOptions = {}): Promise<Built> {
  const app = Fastify({ logger: { stream: logSink() } })
  t.teardown(() => app.close())
  await app.register(routes)
  await add(app)
  await app.register(mcpAuth, { apiKeys: [adaKey], builtIns: false, ...options })
  return { app, client: createTestClient(app, { key: adaKey }) }
}

const named = (name = 'it') => ({ mcp: { name } })

t.test('a route with config.mcp is a tool, and others are not', async t => {
  const { client } = await host(t, app => {
    app.get('/hidden', async () => 'hidden')
    app.get('/off', { config: { other: true } as object }, async () => 'off')
    app.get('/orders/:id', {
      config: { mcp: { name: 'get-order', description: 'One order.', tags: ['orders'] } }
    }, async request => ({ id: (request.params as { id: string }).id }))
  })
  t.same(await client.listTools(), [{
    name: 'get-order',
    description: 'One order.',
    inputSchema: {
      type: 'object', properties: { id: { type: 'string' } }, required: ['id'], additionalProperties: false
    },
    annotations: { readOnlyHint: true }
  }])
  t.match(await client.callTool('get-order', { id: '7' }), { structuredContent: { id: '7' }, text: '{"id":"7"}' })
  t.match(await client.callTool('get-order', {}), { isError: true, text: /id/ })
  t.match(await client.callTool('get-order', { id: '7', more: 1 }), { isError: true, text: /more/ })
})

t.test('the endpoint can be registered before its routes, in a scope, and twice', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(routes)
  await app.register(mcpAuth, { prefix: '/one', apiKeys: [adaKey], toolPolicies: { tools: { ping: { cost: 2 } } } })
  await app.register(async scope => {
    scope.get('/ping', { config: named('ping') }, async () => 'pong')
  }, { prefix: '/in' })
  await app.register(async scope => { await scope.register(mcpAuth, { prefix: '/two', apiKeys: [adaKey] }) })
  for (const url of ['/one/mcp', '/two/mcp']) {
    const client = createTestClient(app, { url, key: adaKey })
    t.equal((await client.callTool('ping')).text, 'pong')
  }
  for (const era of ['legacy', 'modern'] as const) {
    t.equal((await createTestClient(app, { url: '/two/mcp', key: adaKey, era }).callTool('ping')).text, 'pong')
  }
})

t.test('path, query and body become flat arguments', async t => {
  const seen = ({ params, query, body }: FastifyRequest) => ({ params, query, body })
  const { client } = await host(t, app => {
    app.put('/shops/:shop/items/:id', {
      config: named(),
      schema: {
        params: { type: 'object', properties: { shop: { type: 'string' }, id: { type: 'integer' } } },
        querystring: {
          type: 'object',
          properties: { tag: { type: 'array', items: { type: 'string' } }, dry: { type: 'boolean' } }
        },
        body: {
          type: 'object',
          required: ['count'],
          properties: { count: { type: 'integer' }, note: { type: 'string' } }
        }
      }
    }, async request => seen(request))
  })
  t.match(await client.listTools(), [{
    inputSchema: {
      properties: { shop: {}, id: { type: 'integer' }, tag: {}, dry: {}, count: {}, note: {} },
      required: ['shop', 'id', 'count']
    },
    annotations: { readOnlyHint: false, idempotentHint: true }
  }])
  const args = { shop: 'a/b?c=d#e&f%2F é\\', id: 7, tag: ['x', 'y&z=1'], dry: true, count: 2, note: '"' }
  t.same((await client.callTool('it', args)).structuredContent, {
    params: { shop: 'a/b?c=d#e&f%2F é\\', id: 7 },
    query: { tag: ['x', 'y&z=1'], dry: true },
    body: { count: 2, note: '"' }
  })
})

t.test('a body that is not an object is one argument', async t => {
  for (const [body, given] of [
    [{ type: 'array', items: { type: 'integer' } }, [1, 2]],
    [{ type: 'object', additionalProperties: { type: 'integer' } }, { any: 1 }],
    [{ oneOf: [{ type: 'object', required: ['a'] }, { type: 'object', required: ['b'] }] }, { b: 1 }],
    [{ type: 'string' }, 'text']
  ] as const) {
    const { client } = await host(t, app => {
      app.post('/', { config: named(), schema: { body } }, async request => ({ got: request.body }))
    })
    t.same((await client.callTool('it', { body: given })).structuredContent, { got: given })
    t.match(await client.callTool('it', {}), { isError: true })
  }
})

t.test('shared schemas, references and zod schemas are supported', async t => {
  const { client } = await host(t, async app => {
    app.addSchema({
      $id: 'order',
      type: 'object',
      required: ['item'],
      properties: {
        item: { $ref: '#/definitions/item' }, next: { $ref: 'order#' }, by: { $ref: 'who#/properties/name' }
      },
      definitions: { item: { type: 'string', minLength: 2 } }
    })
    app.addSchema({ $id: 'who', type: 'object', properties: { name: { type: 'string', maxLength: 3 } } })
    const schema = { body: { $ref: 'order#' } }
    app.post('/shared', { config: named('shared'), schema }, async ({ body }) => ({ body }))
    await app.register(async scope => {
      scope.setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler)
      scope.post('/zod/:id', {
        config: named('zod'),
        schema: { params: z.object({ id: z.coerce.number() }), body: z.object({ list: z.array(z.string()) }) }
      }, async ({ body, params }) => ({ body, params }))
    })
  })
  t.match(await client.callTool('shared', { item: 'ab', next: { item: 'cd' }, by: 'ada' }), {
    structuredContent: { body: { item: 'ab', next: { item: 'cd' }, by: 'ada' } }
  })
  for (const bad of [{ item: 'a' }, { item: 'ab', next: { item: 'c' } }, { item: 'ab', by: 'adam' }]) {
    t.match(await client.callTool('shared', bad), { isError: true, text: /^Invalid arguments/ })
  }
  t.match(await client.callTool('zod', { id: 1, list: ['x'] }), {
    structuredContent: { params: { id: 1 }, body: { list: ['x'] } }
  })
})

t.test('the route runs its hooks with the caller, without the credential', async t => {
  let headers: object = {}
  const { app, client } = await host(t, app => {
    app.addHook('onRequest', async (request, reply) => {
      if (request.mcp.principal === null && request.url.startsWith('/mine')) return await reply.code(401).send('no')
    })
    app.get('/mine', { config: named() }, async request => {
      headers = request.headers
      return { id: request.mcp.principal?.id, ip: request.ip }
    })
  })
  t.equal((await app.inject('/mine')).statusCode, 401)
  const { structuredContent } = await client.callTool('it')
  t.match(structuredContent, { id: /^apikey:/, ip: '127.0.0.1' })
  t.notMatch(JSON.stringify(headers), /api-key|authorization|in-process/)
})

t.test('the route sees the address of the caller', async t => {
  const { app } = await host(t, app => {
    app.get('/', { config: named() }, async ({ ip }) => ip)
  }, { loopback: false })
  await app.ready()
  const { body } = await app.inject({
    method: 'POST',
    url: '/mcp',
    remoteAddress: '203.0.113.9',
    headers: { 'x-api-key': adaKey },
    payload: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'it', arguments: {} } }
  })
  t.match(body, '203.0.113.9')
})

t.test('access rules and limits apply, and a call is charged once', async t => {
  const { app } = await host(t, app => {
    app.get('/admin', { config: { mcp: { name: 'admin', access: { roles: ['admin'] } } } }, async () => 'admin')
    app.get('/once', { config: { mcp: { name: 'once', rate: { max: 1, windowMs: 60_000 } } } }, async () => 'once')
  })
  const [user, admin] = [{ id: 'app:u' }, { id: 'app:a', role: 'admin' }].map(principal =>
    createTestClient(app, { principal })
  )
  await t.rejects(async () => await user?.callTool('admin'), { code: 'MCP_ERR_UNKNOWN_TOOL' })
  t.equal((await admin?.callTool('admin'))?.text, 'admin')
  t.equal((await user?.callTool('once'))?.text, 'once')
  t.match(await user?.callTool('once'), { isError: true })
  const scoped = Fastify()
  t.teardown(() => scoped.close())
  await scoped.register(routes)
  await scoped.register(async inner => {
    await inner.register(mcpAuth, { apiKeys: [adaKey], rateLimit: { max: 2 } })
    inner.get('/behind', { config: named() }, async request => request.mcp.principal?.method)
  })
  const client = createTestClient(scoped, { key: adaKey })
  t.equal((await client.callTool('it')).text, 'api-key')
  t.equal((await client.callTool('it')).text, 'api-key')
  await t.rejects(client.callTool('it'), { name: 'TestClientError', status: 429 })
})
