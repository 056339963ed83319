/** Errors outside of handlers: malformed bodies, echoed ids, unknown paths, and scopes of a host. */
import Fastify from 'fastify'
import t from 'tap'
import errors from '../../plugins/errors.js'
import { registerJsonBody } from '../../src/http/request/json-body.js'
import { build, secret } from '../support/errors-plugin.js'
import { post } from '../support/service.js'

const ids: Array<[string, unknown, unknown]> = [
  ['a string', 'abc', 'abc'],
  ['a number', 7, 7],
  ['zero', 0, 0],
  ['an empty string', '', ''],
  ['null', null, undefined],
  ['an object', { a: 1 }, undefined],
  ['a boolean', true, undefined]
]
for (const [what, id, echoed] of ids) {
  t.test(`on an MCP route an id that is ${what} is ${echoed === undefined ? 'omitted' : 'echoed'}`, async t => {
    const app = await build(t)
    app.post('/mcp', { config: { jsonRpc: true } }, async () => { throw new Error(secret) })
    const reply = await app.inject({ method: 'POST', url: '/mcp', payload: { jsonrpc: '2.0', id } })
    t.equal(reply.statusCode, 500)
    t.strictSame(reply.json().id, echoed)
    t.equal('id' in reply.json(), echoed !== undefined)
    t.match(reply.json(), {
      jsonrpc: '2.0',
      error: {
        code: -32603,
        message: 'Internal error',
        data: { code: 'MCP_ERR_INTERNAL', requestId: String }
      }
    })
  })
}

t.test('an id too large for a number is omitted, not null', async t => {
  const app = await build(t)
  app.post('/mcp', { config: { jsonRpc: true } }, async () => { throw new Error(secret) })
  const { status, body } = await post(app, '{"id":1e999}', {})
  t.equal(status, 500)
  t.notOk('id' in body)
})

const unread: Array<[string, { headers?: Record<string, string>; payload: string }, number, string]> = [
  [
    'no JSON',
    { headers: { 'content-type': 'application/json' }, payload: '{' },
    400,
    'MCP_ERR_MALFORMED_BODY'
  ],
  ['empty', { headers: { 'content-type': 'application/json' }, payload: '' }, 400, 'MCP_ERR_MALFORMED_BODY'],
  [
    'over the limit',
    { headers: { 'content-type': 'application/json' }, payload: '"'.padEnd(200) },
    413,
    'MCP_ERR_BODY_TOO_LARGE'
  ],
  [
    'of another type',
    { headers: { 'content-type': 'text/html' }, payload: '{}' },
    415,
    'MCP_ERR_UNSUPPORTED_MEDIA_TYPE'
  ],
  [
    'of an unreadable type',
    { headers: { 'content-type': ';;;' }, payload: '{}' },
    415,
    'MCP_ERR_UNSUPPORTED_MEDIA_TYPE'
  ],
  ['of no type', { payload: '{}' }, 415, 'MCP_ERR_UNSUPPORTED_MEDIA_TYPE']
]
for (const [what, request, status, code] of unread) {
  t.test(`a body that is ${what} is refused with ${status} in JSON-RPC`, async t => {
    const app = await build(t)
    await app.register(async scope => {
      registerJsonBody(scope, { bodyLimit: 100 })
      scope.post('/mcp', { config: { jsonRpc: true } }, async () => ({ fine: true }))
    })
    const reply = await app.inject({ method: 'POST', url: '/mcp', ...request })
    t.equal(reply.statusCode, status)
    t.equal(reply.json().error.data.code, code)
    t.notOk('id' in reply.json())
  })
}

t.test('an unknown path is a 404 that does not repeat the path', async t => {
  const app = await build(t)
  const reply = await app.inject(`/${secret}`)
  t.equal(reply.statusCode, 404)
  t.equal(reply.json().code, 'MCP_ERR_NOT_FOUND')
  t.notMatch(reply.body, secret)
})

t.test('the body of a request to an unknown path is not parsed', async t => {
  const app = await build(t)
  t.equal((await post(app, '{', {}, '/nowhere')).status, 404)
})

t.test('callNotFound in a handler gives the same 404', async t => {
  const app = await build(t)
  app.get('/gone', (_request, reply) => { reply.callNotFound() })
  const reply = await app.inject('/gone')
  t.equal(reply.statusCode, 404)
  t.equal(reply.json().code, 'MCP_ERR_NOT_FOUND')
})

t.test('an unknown path below a prefix runs the hooks of that scope only', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.setNotFoundHandler(async (_request, reply) => reply.code(404).send('the host'))
  app.setErrorHandler(async (_error, _request, reply) => reply.code(500).send('the host'))
  app.get('/broken', async () => { throw new Error('x') })
  const ran: string[] = []
  await app.register(async scope => {
    await scope.register(errors)
    scope.addHook('onRequest', async request => { ran.push(request.url) })
  }, { prefix: '/inside' })
  t.equal((await app.inject('/inside/nowhere')).json().code, 'MCP_ERR_NOT_FOUND')
  t.equal((await app.inject('/nowhere')).body, 'the host')
  t.equal((await app.inject('/broken')).body, 'the host')
  t.strictSame(ran, ['/inside/nowhere'])
})

t.test('without a prefix the host can keep its not-found handler', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.setNotFoundHandler(async (_request, reply) => reply.code(404).send('the host'))
  await app.register(async scope => {
    await scope.register(errors, { notFound: false })
    scope.get('/broken', async () => { throw new Error(secret) })
  })
  t.equal((await app.inject('/nowhere')).body, 'the host')
  t.equal((await app.inject('/broken')).json().code, 'MCP_ERR_INTERNAL')
})

t.test('a nested scope keeps its own not-found handler', async t => {
  const app = await build(t)
  await app.register(async scope => {
    scope.setNotFoundHandler(async (_request, reply) => reply.code(404).send('the scope'))
  }, { prefix: '/own' })
  t.equal((await app.inject('/own/nowhere')).body, 'the scope')
  t.equal((await app.inject('/nowhere')).json().code, 'MCP_ERR_NOT_FOUND')
})

t.test('the plugin registers in two scopes of one host', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  for (const prefix of ['/a', '/b']) await app.register(async scope => { await scope.register(errors) }, { prefix })
  t.equal((await app.inject('/a/x')).json().code, 'MCP_ERR_NOT_FOUND')
  t.equal((await app.inject('/b/x')).json().code, 'MCP_ERR_NOT_FOUND')
})
