/** Errors of a host's hooks keep their status and reveal nothing else. */
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import errors from '../../../plugins/errors.js'
import { mcpAuth } from '../../../src/mcp-auth.js'
import { logSink } from '../../support/log-sink.js'
import { adaKey, post, rpc, withKey } from '../../support/service.js'

const secret = 'hunter2-in-a-message'
type Hook = 'onRequest' | 'preParsing' | 'preValidation' | 'preHandler'

/** Builds an app with the endpoint and a hook that throws. */
async function host (t: Test, hook: Hook, make: () => unknown, log = logSink()): Promise<FastifyInstance> {
  const app = Fastify({ logger: { stream: log } })
  t.teardown(() => app.close())
  app.addHook(hook as 'onRequest', async () => { throw make() })
  await app.register(mcpAuth, { apiKeys: [adaKey] })
  return app
}

const withStatus = (statusCode: number, more = {}): Error =>
  Object.assign(new Error(secret), { statusCode, code: 'HOST_ERR', ...more })

const kept: Array<[number, string, number]> = [
  [401, 'MCP_ERR_UNAUTHENTICATED', 401],
  [403, 'MCP_ERR_FORBIDDEN', 403],
  [404, 'MCP_ERR_NOT_FOUND', 404],
  [405, 'MCP_ERR_METHOD_NOT_ALLOWED', 405],
  [413, 'MCP_ERR_BODY_TOO_LARGE', 413],
  [429, 'MCP_ERR_RATE_LIMITED', 429],
  [503, 'MCP_ERR_UNAVAILABLE', 503],
  [402, 'MCP_ERR_FORBIDDEN', 402],
  [418, 'MCP_ERR_FORBIDDEN', 418],
  [502, 'MCP_ERR_UNAVAILABLE', 502]
]
for (const hook of ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const) {
  for (const [status, code, rpcCode] of kept) {
    t.test(`${status} of the host's ${hook} hook stays ${status}, as our JSON-RPC error`, async t => {
      const app = await host(t, hook, () => withStatus(status))
      const reply = await post(app, rpc('ping', undefined, 7))
      t.equal(reply.status, status)
      t.match(reply.body, { jsonrpc: '2.0', error: { code: rpcCode, data: { code, requestId: String } } })
      t.notMatch(reply.text, /hunter2|HOST_ERR/)
    })
  }
}

t.test('the id is echoed if the hook ran after the body was parsed', async t => {
  t.equal((await post(await host(t, 'preHandler', () => withStatus(403)), rpc('ping', undefined, 7))).body.id, 7)
  t.notOk('id' in (await post(await host(t, 'onRequest', () => withStatus(403)), rpc('ping', undefined, 7))).body)
})

t.test("status, statusCode and the reply's status are read from any object", async t => {
  t.equal(
    (
      await post(
        await host(t, 'onRequest', () => Object.assign(new Error(secret), { status: 429 })),
        rpc('ping')
      )
    ).status,
    429
  )
  t.equal(
    (await post(await host(t, 'onRequest', () => ({ statusCode: 403, message: secret })), rpc('ping')))
      .status,
    403
  )
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('onRequest', async (_request, reply) => { reply.code(403); throw new Error(secret) })
  await app.register(mcpAuth, { apiKeys: [adaKey] })
  t.equal((await post(app, rpc('ping'))).status, 403)
})

t.test('Retry-After is kept from the error or the reply', async t => {
  const fromError = await post(
    await host(t, 'onRequest', () => withStatus(429, { headers: { 'retry-after': 17, 'x-leak': secret } })),
    rpc('ping')
  )
  t.match(fromError, {
    status: 429,
    headers: { 'retry-after': '17' },
    body: { error: { data: { retryAfterMs: 17_000 } } }
  })
  t.notOk('x-leak' in fromError.headers)
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('onRequest', async (_request, reply) => { reply.header('retry-after', 5); throw withStatus(503) })
  await app.register(mcpAuth, { apiKeys: [adaKey] })
  t.match(await post(app, rpc('ping')), {
    status: 503,
    headers: { 'retry-after': '5' },
    body: { error: { data: { retryAfterMs: 5000 } } }
  })
})

t.test('an invalid or date Retry-After is not in the body', async t => {
  for (const value of ['Wed, 21 Oct 2026 07:28:00 GMT', '-1', '1e9', 'soon', '', '99999999', NaN, {}]) {
    const { status, body } = await post(
      await host(t, 'onRequest', () => withStatus(429, { headers: { 'retry-after': value } })),
      rpc('ping')
    )
    t.equal(status, 429)
    t.notOk('retryAfterMs' in body.error.data)
  }
})

for (const value of [200, 302, 399, 500, 600, 401.5, NaN, '401', null, -1]) {
  t.test(`a status of ${JSON.stringify(value)} becomes 500`, async t => {
    const log = logSink()
    const { status, body, text } = await post(
      await host(t, 'onRequest', () => Object.assign(new Error(secret), { statusCode: value }), log),
      rpc('ping')
    )
    t.equal(status, 500)
    t.equal(body.error.data.code, 'MCP_ERR_INTERNAL')
    t.notMatch(text, /hunter2/)
    t.match(log.lines().find(({ level }) => level === 50), { err: { message: secret } })
  })
}

t.test('an error with throwing getters is a 500', async t => {
  const error = Object.defineProperty(new Error('x'), 'statusCode', { get () { throw new Error(secret) } })
  t.equal((await post(await host(t, 'onRequest', () => error), rpc('ping'))).status, 500)
})

t.test("the hook's error is logged at info", async t => {
  const log = logSink()
  await post(await host(t, 'onRequest', () => withStatus(403), log), rpc('ping'))
  t.match(
    log.lines().find(({ code }) => code === 'MCP_ERR_FORBIDDEN'),
    { level: 30, reason: 'a hook of the host refused the request', err: { message: secret } }
  )
})

t.test('a hook that does not throw changes nothing', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('preHandler', async () => {})
  await app.register(mcpAuth, { apiKeys: [adaKey] })
  t.equal((await post(app, rpc('ping'), withKey)).status, 200)
})

t.test('a status on an error of a handler is ignored', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(errors)
  app.get('/handler', async () => { throw withStatus(403) })
  app.get('/behind', { preSerialization: async () => { throw withStatus(403) } }, async () => ({}))
  app.get('/own', { preHandler: [async () => { throw withStatus(403) }] }, async () => ({}))
  t.equal((await app.inject('/handler')).statusCode, 500)
  t.equal((await app.inject('/behind')).statusCode, 500)
  t.equal((await app.inject('/own')).statusCode, 403)
})

t.test("a hook's status also applies to an unknown path", async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(async scope => {
    scope.addHook('onRequest', async () => { throw withStatus(429) })
    await scope.register(errors)
  }, { prefix: '/ours' })
  t.match((await app.inject('/ours/nowhere')).json(), { code: 'MCP_ERR_RATE_LIMITED' })
})
