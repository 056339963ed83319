/** The health plugin: `/health` and `/ready`. */
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import cors from '../../plugins/cors.js'
import errors from '../../plugins/errors.js'
import health, { type HealthOptions } from '../../plugins/health.js'
import type { ReadinessProblem } from '../../src/http/readiness.js'
import { service } from '../support/service.js'

async function build (t: Test, options: HealthOptions = {}): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(errors)
  await app.register(cors)
  await app.register(health, options)
  return app
}

t.test('/health answers without a credential, with the time', async t => {
  const app = await build(t)
  const before = Date.now()
  const reply = await app.inject({ url: '/health', headers: { host: '10.0.0.1:3000', origin: 'https://evil.example' } })
  t.equal(reply.statusCode, 200)
  t.strictSame(Object.keys(reply.json()), ['status', 'timestamp'])
  t.equal(reply.json().status, 'ok')
  const timestamp = Date.parse(reply.json().timestamp)
  t.ok(timestamp >= before && timestamp <= Date.now())
})

t.test('/health is not cached', async t => {
  const app = await build(t)
  t.equal((await app.inject('/health')).headers['cache-control'], 'no-store')
})

t.test('HEAD answers without a body', async t => {
  const app = await build(t)
  const reply = await app.inject({ method: 'HEAD', url: '/health' })
  t.equal(reply.statusCode, 200)
  t.equal(reply.body, '')
})

t.test('the paths are configurable on a bare server', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(health, { path: '/live' })
  t.equal((await app.inject('/live')).statusCode, 200)
  t.equal((await app.inject('/health')).statusCode, 404)
})

t.test('/ready reports ready without problems', async t => {
  const app = await build(t)
  const reply = await app.inject('/ready')
  t.equal(reply.statusCode, 200)
  t.strictSame(reply.json(), { status: 'ready', reasons: [] })
})

t.test('/ready reports degraded with constant reasons', async t => {
  const problems: ReadinessProblem[] = [{ reason: 'keys' }, { reason: 'state' }, { reason: 'keys' }]
  const app = await build(t, { problems: () => problems })
  const reply = await app.inject('/ready')
  t.equal(reply.statusCode, 200)
  t.strictSame(reply.json(), { status: 'degraded', reasons: ['keys', 'state'] })
  problems.length = 0
  t.strictSame((await app.inject('/ready')).json(), { status: 'ready', reasons: [] })
})

t.test('/ready reports not ready for a blocking problem', async t => {
  const app = await build(t, { problems: () => [{ reason: 'state' }, { reason: 'keys', isFatal: true }] })
  const reply = await app.inject('/ready')
  t.equal(reply.statusCode, 503)
  t.strictSame(reply.json(), { status: 'not ready', reasons: ['state', 'keys'] })
})

t.test('announceStop makes /ready fail while requests are served', async t => {
  const app = await build(t, { problems: () => [{ reason: 'keys' }] })
  app.announceStop()
  const reply = await app.inject('/ready')
  t.equal(reply.statusCode, 503)
  t.strictSame(reply.json(), { status: 'not ready', reasons: ['stopping', 'keys'] })
  t.equal((await app.inject('/health')).statusCode, 200)
})

for (const url of ['/health', '/ready']) {
  t.test(`other methods of ${url} get 405 and charge nobody`, async t => {
    const app = await service(t)
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
      const reply = await app.inject({ method, url, headers: { 'content-type': 'application/json' }, payload: '{' })
      t.equal(reply.statusCode, 405)
      t.equal(reply.headers.allow, 'GET, HEAD')
      t.equal(reply.json().code, 'MCP_ERR_METHOD_NOT_ALLOWED')
      t.notOk('x-ratelimit-limit' in reply.headers)
    }
  })
}
