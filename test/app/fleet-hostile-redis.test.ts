/** Foreign and malformed values in Redis do not affect a server. */
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../../src/app.js'
import { ask, redisServer, type RedisServer, withoutRedis } from '../support/redis.js'
import { callOf, credentials, post, withToken } from '../support/service.js'
import { openSession } from '../support/session.js'
import { until } from '../support/until.js'

interface Service { readonly app: FastifyInstance, readonly said: () => string }

async function service (t: Test, { url }: RedisServer, env: Record<string, string> = {}): Promise<Service> {
  const lines: string[] = []
  const app = await buildApp({
    env: {
      ...credentials,
      REDIS_URL: url,
      REDIS_TIMEOUT_MS: '60000',
      TRUST_PROXY: 'loopback',
      LOG_LEVEL: 'trace',
      MCP_SESSIONS: 'on',
      PREAUTH_RATE_LIMIT_MAX: '1000',
      ...env
    },
    logStream: { write: line => { lines.push(line) } }
  })
  t.teardown(() => app.close())
  return { app, said: () => lines.join('') }
}

/** Values that an attacker or a later version could write. */
const values = [
  'null', '1', '"x"', '[]', '{}', '{{{', '\\x00\\xff', '1 {"endsAt":null,"value":1}', '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}', '['.repeat(5000), `"${'x'.repeat(60_000)}"`,
  '{"kind":"token-revoked","id":{"a":1},"until":"x","at":-1,"by":null}', '{"session":7,"name":null,"requestId":{},"rights":1}',
  '{"sessions":[1,null,{"__proto__":1}]}', '{"kind":"tools","name":{},"access":{"roles":1}}'
]
const topics = [
  'record', 'taken', 'keys', 'settings', 'change', 'key-forgotten', 'session-ended', 'session-cancel', 'session-change',
  'session-listens', 'session-answer', 'session-follow', 'session-event', '__proto__', 'constructor'
]

t.test('a Redis with hostile values', { skip: withoutRedis, timeout: 120_000 }, async t => {
  const quote = (text: string): string => `'${text.replaceAll('\\', '').replaceAll("'", '')}'`
  const isUnhurt = async (t: Test, apps: readonly FastifyInstance[]): Promise<void> => {
    for (const app of apps) t.equal((await post(app, callOf('whoami'), withToken('ada'))).status, 200)
    t.equal(Reflect.get({}, 'polluted'), undefined)
  }

  t.test('news and messages with arbitrary content are ignored', async t => {
    const redis = await redisServer(t)
    const [a, b] = [await service(t, redis), await service(t, redis)]
    const session = await openSession(a.app)
    await post(b.app, callOf('whoami'), session)
    const inboxes = [...(await ask(redis.port, 'ZRANGE mcp:/mcp:{bus}:alive 0 -1')).matchAll(/[0-9a-f-]{36}/g)].map(([id]) => id)
    t.equal(inboxes.length, 2)
    const streams = ['news', ...inboxes.map(id => `in:${id}`)].map(name => `mcp:/mcp:{bus}:${name}`)
    for (const stream of streams) {
      for (const topic of topics) {
        await ask(redis.port, values.map(value => `XADD ${stream} * t ${topic} m ${quote(value)} f x`).join('\r\n'))
      }
      await ask(redis.port, `XADD ${stream} * m\r\nXADD ${stream} * t record\r\nXADD ${stream} * f record t record m`)
    }
    // Entries are read in order: once this revocation is applied, everything before it was read.
    const before = b.said().length
    const revoked = await post(a.app, callOf('revoke-token', { id: 'after-all-of-it' }), withToken('root', 'admin'))
    t.notMatch(revoked.text, /isError":true/)
    await until(async () => (await ask(redis.port, streams.slice(1).map(name => `XLEN ${name}`).join('\r\n'))).match(/^:0/gm)?.length === 2)
    await isUnhurt(t, [a.app, b.app])
    t.notMatch(b.said().slice(before), /"level":[56]0/)
  })

  t.test('arbitrary values under any key affect no other caller', async t => {
    const redis = await redisServer(t)
    const [a, b] = [await service(t, redis), await service(t, redis)]
    const session = await openSession(a.app)
    for (const value of values) {
      await post(a.app, callOf('whoami'), session)
      await post(a.app, callOf('whoami'), { 'x-api-key': 'a-guess' })
      await ask(redis.port, 'EVAL "for _, k in ipairs(redis.call(\'KEYS\', \'mcp:*\')) do ' +
        'local t = redis.call(\'TYPE\', k).ok ' +
        "if string.find(k, '{bus}:alive') or string.find(k, '{bus}:epoch') or string.find(k, '{bus}:beat') then " +
        "elseif t == 'string' then redis.call('SET', k, ARGV[1]) " +
        "elseif t == 'hash' then for _, f in ipairs(redis.call('HKEYS', k)) do redis.call('HSET', k, f, ARGV[1]) end " +
        `elseif t == 'zset' then redis.call('ZADD', k, 1, ARGV[1]) end end" 0 ${quote(value)}`)
      const reply = await post(b.app, callOf('whoami'), session)
      t.ok([200, 404, 503].includes(reply.status), `${value.slice(0, 30)}: ${reply.status}`)
      t.equal((await post(b.app, callOf('whoami'), { 'x-api-key': 'another-guess' })).status, 401)
      t.equal((await post(b.app, callOf('whoami'), withToken('ada'))).status, 200)
    }
    await isUnhurt(t, [a.app, b.app])
    t.notMatch(a.said() + b.said(), /"level":[56]0/)
    t.equal((await post((await service(t, redis)).app, callOf('whoami'))).status, 200, 'a new instance')
  })
})
