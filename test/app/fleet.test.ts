/** Several instances with one Redis behave as one. */
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../../src/app.js'
import { ask, redisServer, type RedisServer, withoutRedis } from '../support/redis.js'
import { forgeClaims, inSeconds, secret } from '../support/tokens.js'
import { until } from '../support/until.js'

const key = 'key-of-the-fleet-tests'
const headers = { 'x-api-key': key, 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
const ping = { method: 'POST', url: '/mcp', payload: { jsonrpc: '2.0', id: 1, method: 'ping' } } as const

/** Starts `size` instances, with a timeout that is long enough for a busy machine. */
async function fleet (
  t: Test,
  redis: RedisServer,
  size: number,
  env: Record<string, string> = {}
): Promise<FastifyInstance[]> {
  return await Promise.all(
    Array.from({ length: size }, async () => {
      const app = await buildApp({
        env: {
          API_KEYS: key,
          JWT_SECRET: secret,
          REDIS_URL: redis.url,
          REDIS_TIMEOUT_MS: '60000',
          LOG_LEVEL: 'silent',
          ...env
        }
      })
      t.teardown(() => app.close())
      return app
    })
  )
}

function nth<T> (list: readonly T[], n: number): T {
  const one = list[n % list.length]
  if (one === undefined) throw new Error('an empty list')
  return one
}

t.test('a fleet with Redis', { skip: withoutRedis }, async (t) => {
  const redis = await redisServer(t)

  t.test('a caller gets exactly its limit across all instances', async (t) => {
    const apps = await fleet(t, redis, 3, { REDIS_PREFIX: 'exact:', RATE_LIMIT_MAX: '50' })
    const replies = await Promise.all(Array.from({ length: 150 }, (_, n) => nth(apps, n).inject({ ...ping, headers })))
    t.equal(replies.filter(({ statusCode }) => statusCode === 200).length, 50)
    t.equal(replies.filter(({ statusCode }) => statusCode === 429).length, 100)
    const after = await nth(apps, 1).inject({ ...ping, headers })
    t.match(after.headers, { 'x-ratelimit-limit': '50', 'x-ratelimit-remaining': '0' })
  })

  t.test('an allowed request needs one round trip, a limited one none', async (t) => {
    const [app] = await fleet(t, redis, 1, { REDIS_PREFIX: 'trips:', RATE_LIMIT_MAX: '20' })
    const trips = async (): Promise<number> =>
      Number(/cmdstat_evalsha:calls=(\d+)/.exec(await ask(redis.port, 'INFO commandstats'))?.[1] ?? 0)
    await app?.inject({ ...ping, headers })
    const before = await trips()
    for (let n = 0; n < 19; n++) t.equal((await app?.inject({ ...ping, headers }))?.statusCode, 200)
    const spent = await trips()
    for (let n = 0; n < 50; n++) t.equal((await app?.inject({ ...ping, headers }))?.statusCode, 429)
    const refused = await trips()
    // Allows for heartbeats, one per second.
    t.ok(spent - before >= 19 && spent - before <= 19 + 10, `${spent - before} trips`)
    t.ok(refused - spent <= 10, `${refused - spent} trips`)
  })

  t.test('an address is locked on every instance, except for known credentials', async (t) => {
    const [a, b, c] = await fleet(t, redis, 3, { REDIS_PREFIX: 'locks:', PREAUTH_RATE_LIMIT_MAX: '5' })
    const status = async (
      app: FastifyInstance | undefined,
      given: string,
      remoteAddress: string
    ): Promise<number | undefined> =>
      (await app?.inject({ ...ping, headers: { ...headers, 'x-api-key': given }, remoteAddress }))?.statusCode
    t.equal(await status(a, key, '192.0.2.1'), 200)
    for (let n = 0; n < 5; n++) t.equal(await status(n % 2 === 0 ? a : b, 'wrong', '192.0.2.1'), 401)
    t.equal(await status(c, 'wrong', '192.0.2.1'), 429)
    t.equal(await status(c, key, '192.0.2.1'), 200, 'known at this address, on an instance that never saw it')
    for (let n = 0; n < 5; n++) t.equal(await status(a, 'wrong', '192.0.2.2'), 401)
    for (let n = 0; n < 3; n++) t.equal(await status(b, key, '192.0.2.2'), 429, 'not known at this address')
    t.equal(await status(b, key, '192.0.2.3'), 200)
  })

  t.test('a revocation applies on every instance, including new ones', async (t) => {
    const [a, b] = await fleet(t, redis, 2, { REDIS_PREFIX: 'revoked:' })
    const { 'x-api-key': _, ...bare } = headers
    const admin = {
      ...bare,
      authorization: `Bearer ${forgeClaims({ sub: 'root', role: 'admin', exp: inSeconds(600) })}`
    }
    const ada = {
      ...admin,
      authorization: `Bearer ${forgeClaims({ sub: 'ada', jti: 'token-of-ada', exp: inSeconds(600) })}`
    }
    const status = async (app: FastifyInstance | undefined): Promise<number | undefined> =>
      (await app?.inject({ ...ping, headers: ada }))?.statusCode
    t.same([await status(a), await status(b)], [200, 200])
    const call = {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'revoke-token', arguments: { id: 'token-of-ada' } }
    }
    const reply = await a?.inject({ ...ping, payload: call, headers: admin })
    t.equal(reply?.statusCode, 200)
    t.notMatch(reply?.body, /isError":true/)
    t.equal(await status(a), 401)
    let seen: number | undefined = 200
    await until(() => {
      status(b).then(code => { seen = code }, () => {})
      return seen === 401
    })
    const [c] = await fleet(t, redis, 1, { REDIS_PREFIX: 'revoked:' })
    t.equal(await status(c), 401)
  })
})
