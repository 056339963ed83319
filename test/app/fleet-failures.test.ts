/** Answers, logs and readiness of a server while Redis is down. */
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../../src/app.js'
import { freePort } from '../support/ports.js'
import { ask, redisServer, withoutRedis } from '../support/redis.js'
import { openSession } from '../support/session.js'
import { callOf, post, withKey, withToken, credentials } from '../support/service.js'
import { until } from '../support/until.js'

interface Service { readonly app: FastifyInstance, readonly lines: Array<Record<string, unknown>> }

async function service (t: Test, url: string, env: Record<string, string> = {}): Promise<Service> {
  const lines: Array<Record<string, unknown>> = []
  const app = await buildApp({
    env: { ...credentials, REDIS_URL: url, REDIS_TIMEOUT_MS: '60000', TRUST_PROXY: 'loopback', ...env },
    logStream: { write: line => { lines.push(JSON.parse(line)) } }
  })
  t.teardown(() => app.close())
  return { app, lines }
}

function told (lines: Service['lines'], pattern: RegExp): Service['lines'] {
  return lines.filter(({ msg }) => typeof msg === 'string' && pattern.test(msg))
}

t.test('a server whose Redis is down', { skip: withoutRedis }, async (t) => {
  t.test('REDIS_START=wait stops the start and says what to check', async (t) => {
    await t.rejects(service(t, `redis://127.0.0.1:${await freePort()}`), {
      message: /^Redis cannot be reached \(ECONNREFUSED\): check REDIS_URL/
    })
  })

  t.test('REDIS_START=degraded starts, serves, and connects once Redis is up', async (t) => {
    const redis = await redisServer(t)
    await redis.kill()
    const { app, lines } = await service(t, redis.url, { REDIS_START: 'degraded' })
    t.equal((await post(app, callOf('whoami'))).status, 200)
    const ready = await app.inject('/ready')
    t.equal(ready.statusCode, 200)
    t.same(ready.json(), { status: 'degraded', reasons: ['redis'] })
    t.match(told(lines, /^Redis/), [{ level: 40, reason: 'ECONNREFUSED' }])
    await redis.restart()
    await until(() => told(lines, /^Redis can be used again/).length === 1)
    t.same((await app.inject('/ready')).json(), { status: 'ready', reasons: [] })
  })

  t.test('an outage logs one line at its start and one at its end, with counts', async (t) => {
    const redis = await redisServer(t)
    const { app, lines } = await service(t, redis.url)
    t.equal((await post(app, callOf('whoami'))).status, 200)
    await redis.kill()
    for (let n = 0; n < 20; n++) t.equal((await post(app, callOf('whoami'))).status, 200)
    await redis.restart()
    await until(() => told(lines, /^Redis/).length === 2)
    const [begin, end] = told(lines, /^Redis/)
    t.match(begin, { level: 40, msg: /^Redis cannot be used/ })
    t.match(end, { level: 30, msg: 'Redis can be used again' })
    t.ok(Number(end?.answersByPolicy) >= 19, String(end?.answersByPolicy))
  })

  t.test(
    'a revocation that cannot be shared gives 503, and is shared later',
    async t => {
      const redis = await redisServer(t)
      const [{ app, lines }, other] = [await service(t, redis.url), await service(t, redis.url)]
      await redis.kill()
      await until(() => told(lines, /^Redis/).length === 1)
      const { body } = await post(app, callOf('revoke-token', { id: 'the-jti' }), withToken('root', 'admin'))
      t.match(JSON.stringify(body), /MCP_ERR_UNAVAILABLE/)
      const minted = await post(app, callOf('generate-token', { userId: 'ada' }), withToken('root', 'admin'))
      t.match(JSON.stringify(minted.body), /MCP_ERR_UNAVAILABLE/)
      await redis.restart()
      await until(
        () =>
          told(other.lines, /^Redis can be used again/).length === 1 ||
          told(other.lines, /^Redis/).length === 0
      )
      await until(async () =>
        (await ask(redis.port, 'HKEYS mcp:/mcp:{bus}:state')).includes('token-revoked:the-jti'))
    }
  )

  t.test('REDIS_DOWN_REVOCATIONS=refuse refuses every caller', async (t) => {
    const redis = await redisServer(t)
    const { app, lines } = await service(t, redis.url, { REDIS_DOWN_REVOCATIONS: 'refuse' })
    t.equal((await post(app, callOf('whoami'))).status, 200)
    await redis.kill()
    await until(() => told(lines, /^Redis/).length === 1)
    for (const headers of [withKey, withToken('ada')]) {
      const { status, body, headers: sent } = await post(app, callOf('whoami'), headers)
      t.equal(status, 503)
      t.match(body, { error: { data: { code: 'MCP_ERR_UNAVAILABLE', retryAfterMs: 1000 } } })
      t.equal(sent['retry-after'], '1')
    }
    t.equal((await post(app, callOf('whoami'), { 'x-api-key': 'wrong' })).status, 503)
    await redis.restart()
    await until(() => told(lines, /^Redis can be used again/).length === 1)
    t.equal((await post(app, callOf('whoami'))).status, 200)
  })

  t.test('the permissions in docs/scaling.md are sufficient and necessary', async (t) => {
    const redis = await redisServer(t)
    const [user = ''] = /ACL SETUSER .+/.exec(readFileSync(new URL('../../docs/scaling.md', import.meta.url), 'utf8')) ?? []
    await ask(redis.port, user)
    const { app, lines } = await service(t, `redis://mcp:password@127.0.0.1:${redis.port}`, {
      MCP_SESSIONS: 'on', API_KEYS_IN: 'redis'
    })
    const admin = withToken('root', 'admin')
    const calls = [['whoami', {}], ['generate-token', { userId: 'ada' }], ['revoke-token', { id: 'x' }]] as const
    for (const [name, args] of calls) {
      const { status, body } = await post(app, callOf(name, args), admin)
      t.equal(status, 200)
      t.notMatch(JSON.stringify(body), /isError":true/)
    }
    t.equal((await post(app, callOf('whoami'), { 'x-api-key': 'wrong' })).status, 401)
    const session = await openSession(app)
    t.equal((await post(app, callOf('whoami'), session)).status, 200)
    t.equal((await app.inject({ method: 'DELETE', url: '/mcp', headers: session })).statusCode, 200)
    t.match(await ask(redis.port, 'ACL LOG'), /^\*0\r/)
    t.same(told(lines, /^Redis cannot/), [])
  })

  t.test('an eviction policy logs a warning', async (t) => {
    const redis = await redisServer(t, ['--maxmemory-policy', 'allkeys-lru'])
    const { lines } = await service(t, redis.url)
    await until(() => told(lines, /noeviction/).length === 1)
  })

  t.test('an eviction policy that is found after an outage logs a warning', async (t) => {
    const redis = await redisServer(t, ['--maxmemory-policy', 'allkeys-lru'])
    await redis.kill()
    const { lines } = await service(t, redis.url, { REDIS_START: 'degraded' })
    await redis.restart()
    await until(() => told(lines, /noeviction/).length === 1)
  })
})
