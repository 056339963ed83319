/** Whatever goes wrong, the caller learns a code and a request id, and nothing else. */
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import errors from '../../plugins/errors.js'
import { BodyTooLargeError, RateLimitedError, UnavailableError } from '../../src/errors.js'
import { registerJsonBody } from '../../src/http/request/json-body.js'
import { logSink } from '../support/log-sink.js'

const secret = 'hunter2-in-a-message'

async function build (t: Test, sink = logSink()): Promise<FastifyInstance> {
  const app = Fastify({ logger: { stream: sink, level: 'trace' } })
  t.teardown(() => app.close())
  await app.register(errors)
  return app
}

function hostileError (): Error {
  const error = new Error('x')
  for (const key of ['message', 'code', 'stack', 'statusCode', 'name', 'cause', 'headers']) {
    Object.defineProperty(error, key, { get () { throw new Error(secret) } })
  }
  return error
}

const trap = (): never => { throw new Error(secret) }

const thrown: Array<[string, () => unknown]> = [
  ['an error', () => new Error(secret)],
  ['a string', () => secret],
  ['null', () => null],
  ['undefined', () => undefined],
  ['a number', () => 42],
  ['a symbol', () => Symbol(secret)],
  [
    'an error that claims status 400',
    () => Object.assign(new Error(secret), { statusCode: 400, code: 'MY_ERR', data: secret })
  ],
  ['an error that claims status 200', () => Object.assign(new Error(secret), { statusCode: 200 })],
  [
    'an error with headers',
    () => Object.assign(new Error(secret), { statusCode: 401, headers: { 'x-leak': secret } })
  ],
  [
    'an error with one of our codes',
    () => Object.assign(new Error(secret), { code: 'MCP_ERR_NOT_FOUND', statusCode: 404 })
  ],
  [
    'an error whose code is a name that every object has',
    () => Object.assign(new Error(secret), { code: 'constructor' })
  ],
  [
    'an error whose code is that of the prototype',
    () => Object.assign(new Error(secret), { code: '__proto__' })
  ],
  ['a function whose text throws', () => Object.assign(() => secret, { toString: trap })],
  [
    'an error with a validation property',
    () => Object.assign(new Error(secret), { validation: [{ message: secret }], statusCode: 400 })
  ],
  ['an object that looks like an error', () => ({ message: secret, statusCode: 418, code: 'TEAPOT' })],
  ['an object with a then that throws', () => Object.defineProperty({}, 'then', { get: trap })],
  ['an object with toJSON', () => ({ toJSON: () => secret })],
  ['an error whose getters throw', hostileError],
  [
    'a proxy whose traps throw',
    () =>
      new Proxy(
        {},
        { get: trap, has: trap, getPrototypeOf: trap, ownKeys: trap, getOwnPropertyDescriptor: trap }
      )
  ],
  ['an error with a cause', () => new Error(secret, { cause: new Error(secret) })],
  [
    'an error that is its own cause',
    () => {
      const error = new Error(secret)
      error.cause = error
      return error
    }
  ],
  ['an aggregate', () => new AggregateError([new Error(secret)], secret)]
]

for (const [what, make] of thrown) {
  for (const how of ['thrown at once', 'rejected later'] as const) {
    t.test(`${what}, ${how}, is a masked 500`, async t => {
      const sink = logSink()
      const app = await build(t, sink)
      app.get('/', how === 'thrown at once'
        ? () => { throw make() }
        : async () => { await new Promise(resolve => setImmediate(resolve)); throw make() })
      const reply = await app.inject('/')
      t.equal(reply.statusCode, 500)
      t.strictSame(reply.json(), {
        code: 'MCP_ERR_INTERNAL',
        message: 'Internal error',
        requestId: reply.json().requestId
      })
      t.notMatch(JSON.stringify(reply.headers) + reply.body, secret)
      t.match(
        sink.lines().find(line => line.level === 50),
        { reqId: reply.json().requestId, code: 'MCP_ERR_INTERNAL', err: { type: String } }
      )
    })
  }
}

for (const hook of ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'preSerialization'] as const) {
  t.test(`what ${hook} throws is a masked 500`, async t => {
    const app = await build(t)
    app.addHook(hook, async () => { throw new Error(secret) })
    app.get('/', async () => ({ fine: true }))
    const reply = await app.inject('/')
    t.equal(reply.statusCode, 500)
    t.equal(reply.json().code, 'MCP_ERR_INTERNAL')
    t.notMatch(reply.body, secret)
  })
}

t.test('an answer that cannot be written as JSON is a masked 500', async t => {
  const app = await build(t)
  app.get('/', async () => ({ toJSON () { throw new Error(secret) } }))
  const reply = await app.inject('/')
  t.equal(reply.statusCode, 500)
  t.notMatch(reply.body, secret)
})

t.test('a header that cannot be sent is a masked 500', async t => {
  const app = await build(t)
  app.get('/', async (_request, reply) => { reply.header('x-good', 'a').header('x-bad', `${secret}\nb`) })
  const reply = await app.inject('/')
  t.equal(reply.statusCode, 500)
  t.equal(reply.json().code, 'MCP_ERR_INTERNAL')
  t.equal(reply.headers['x-good'], 'a')
  t.notMatch(JSON.stringify(reply.headers) + reply.body, /x-bad|hunter/)
})

t.test('a refusal keeps its status, data and headers, and those that were set before', async t => {
  const app = await build(t)
  app.get('/', async (_request, reply) => {
    reply.header('access-control-allow-origin', 'https://app.example.com').header('x-ratelimit-limit', '7')
    throw new RateLimitedError({ data: { retryAfterMs: 1500 }, headers: { 'retry-after': '2' }, reason: secret })
  })
  const reply = await app.inject('/')
  t.equal(reply.statusCode, 429)
  t.match(reply.json(), { code: 'MCP_ERR_RATE_LIMITED', retryAfterMs: 1500 })
  t.match(reply.headers, {
    'access-control-allow-origin': 'https://app.example.com',
    'x-ratelimit-limit': '7',
    'retry-after': '2',
    'cache-control': 'no-store',
    'content-type': 'application/json; charset=utf-8'
  })
  t.notMatch(reply.body, secret)
})

t.test('a refusal is logged at info with its reason, not as a fault', async t => {
  const sink = logSink()
  const app = await build(t, sink)
  app.get('/', async () => { throw new UnavailableError({ reason: 'store down', cause: new Error('ECONNREFUSED') }) })
  const reply = await app.inject('/')
  const line = sink.lines().find(line => line.code === 'MCP_ERR_UNAVAILABLE')
  t.match(line, {
    level: 30,
    reason: 'store down',
    statusCode: 503,
    reqId: reply.json().requestId,
    err: { message: 'ECONNREFUSED' }
  })
  t.notMatch(sink.text(), '"level":50')
})

t.test('refusals are left to the line of the request where that names them', async t => {
  const sink = logSink()
  const app = Fastify({ logger: { stream: sink } })
  t.teardown(() => app.close())
  await app.register(errors, { logRefusals: false })
  let seen: unknown
  app.addHook('onResponse', async request => { seen = request.refusal?.code })
  app.get('/', async () => { throw new BodyTooLargeError({ reason: 'only here' }) })
  await app.inject('/')
  t.equal(seen, 'MCP_ERR_BODY_TOO_LARGE')
  t.notMatch(sink.text(), 'only here')
})

t.test('HEAD is refused like GET, without a body', async t => {
  const app = await build(t)
  app.get('/', async () => { throw new Error(secret) })
  const reply = await app.inject({ method: 'HEAD', url: '/' })
  t.equal(reply.statusCode, 500)
  t.equal(reply.body, '')
})

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
  t.test(`on an MCP route an id that is ${what} is ${echoed === undefined ? 'left out' : 'echoed'}`, async t => {
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

t.test('an id too large for a number is left out, not echoed as null', async t => {
  const app = await build(t)
  app.post('/mcp', { config: { jsonRpc: true } }, async () => { throw new Error(secret) })
  const reply = await app.inject({
    method: 'POST',
    url: '/mcp',
    headers: { 'content-type': 'application/json' },
    payload: '{"id":1e999}'
  })
  t.equal(reply.statusCode, 500)
  t.notOk('id' in reply.json())
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

t.test('the body sent to an unknown path is not parsed', async t => {
  const app = await build(t)
  const reply = await app.inject({
    method: 'POST',
    url: '/nowhere',
    headers: { 'content-type': 'application/json' },
    payload: '{'
  })
  t.equal(reply.statusCode, 404)
})

t.test('a handler that gives up on a path ends in the same 404', async t => {
  const app = await build(t)
  app.get('/gone', (_request, reply) => { reply.callNotFound() })
  const reply = await app.inject('/gone')
  t.equal(reply.statusCode, 404)
  t.equal(reply.json().code, 'MCP_ERR_NOT_FOUND')
})

t.test('an unknown path under a prefix runs the hooks of that scope, and the host keeps its own', async t => {
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

t.test('without a prefix the not-found handler can be left to the host', async t => {
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

t.test('a scope inside keeps its own not-found handler', async t => {
  const app = await build(t)
  await app.register(async scope => {
    scope.setNotFoundHandler(async (_request, reply) => reply.code(404).send('the scope'))
  }, { prefix: '/own' })
  t.equal((await app.inject('/own/nowhere')).body, 'the scope')
  t.equal((await app.inject('/nowhere')).json().code, 'MCP_ERR_NOT_FOUND')
})

t.test('it registers in two scopes of one host', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  for (const prefix of ['/a', '/b']) await app.register(async scope => { await scope.register(errors) }, { prefix })
  t.equal((await app.inject('/a/x')).json().code, 'MCP_ERR_NOT_FOUND')
  t.equal((await app.inject('/b/x')).json().code, 'MCP_ERR_NOT_FOUND')
})
