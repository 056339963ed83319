/** Callers of a failing route get only a code and a request id. */
import Fastify from 'fastify'
import t from 'tap'
import errors from '../../plugins/errors.js'
import { BodyTooLargeError, RateLimitedError, UnavailableError } from '../../src/errors.js'
import { logSink } from '../support/log-sink.js'
import { build, secret } from '../support/errors-plugin.js'

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
    'an error with the code constructor',
    () => Object.assign(new Error(secret), { code: 'constructor' })
  ],
  [
    'an error with the code __proto__',
    () => Object.assign(new Error(secret), { code: '__proto__' })
  ],
  ['a function whose toString throws', () => Object.assign(() => secret, { toString: trap })],
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
  t.test(`an error of ${hook} is a masked 500`, async t => {
    const app = await build(t)
    app.addHook(hook, async () => { throw new Error(secret) })
    app.get('/', async () => ({ fine: true }))
    const reply = await app.inject('/')
    t.equal(reply.statusCode, 500)
    t.equal(reply.json().code, 'MCP_ERR_INTERNAL')
    t.notMatch(reply.body, secret)
  })
}

t.test('an answer that is not valid JSON is a masked 500', async t => {
  const app = await build(t)
  app.get('/', async () => ({ toJSON () { throw new Error(secret) } }))
  const reply = await app.inject('/')
  t.equal(reply.statusCode, 500)
  t.notMatch(reply.body, secret)
})

t.test('an invalid header is a masked 500', async t => {
  const app = await build(t)
  app.get('/', async (_request, reply) => { reply.header('x-good', 'a').header('x-bad', `${secret}\nb`) })
  const reply = await app.inject('/')
  t.equal(reply.statusCode, 500)
  t.equal(reply.json().code, 'MCP_ERR_INTERNAL')
  t.equal(reply.headers['x-good'], 'a')
  t.notMatch(JSON.stringify(reply.headers) + reply.body, /x-bad|hunter/)
})

t.test('a refusal keeps its status, data and headers, and earlier headers', async t => {
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

t.test('a refusal is logged at info with its reason', async t => {
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

t.test('refusals are not logged twice if the request has a line', async t => {
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
