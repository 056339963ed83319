/** The auth and limit plugins next to a host's own JWT plugin, limiter and routes, and registered twice. */
import fastifyJwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { guard, limitsOf } from '../support/guarded-app.js'
import { forge, secret } from '../support/tokens.js'

const otherSecret = 'another-secret-of-the-tests-of-32-bytes'

function hostApp (t: Test): FastifyInstance {
  const app = Fastify()
  t.teardown(() => app.close())
  return app
}

function bearer (key: string): { authorization: string } {
  return { authorization: `Bearer ${forge({ key })}` }
}

t.test("the host's JWTs and ours are not valid for each other", async (t) => {
  const app = hostApp(t)
  await app.register(fastifyJwt, { secret: 'the secret of the host itself' })
  await app.register(async (scope) => { await guard(scope, { auth: { jwt: { secret } } }) }, { prefix: '/one' })
  await app.register(
    async scope => {
      await guard(scope, { auth: { jwt: { secret: otherSecret } } })
    },
    { prefix: '/two' }
  )
  app.get('/host', async (request) => await request.jwtVerify())
  const status = async (url: string, key: string): Promise<number> =>
    (await app.inject({ url, headers: bearer(key) })).statusCode
  t.same([await status('/one/private', secret), await status('/one/private', otherSecret)], [200, 401])
  t.same([await status('/two/private', secret), await status('/two/private', otherSecret)], [401, 200])
  t.same([await status('/host', 'the secret of the host itself'), await status('/host', secret)], [200, 401])
  t.same(Object.keys(app.jwt).filter((name) => name.includes('mcp')), [])
})

t.test('the host can register its JWT plugin after ours, in the same scope', async (t) => {
  const app = hostApp(t)
  await guard(app, { auth: { jwt: { secret } } })
  await app.register(fastifyJwt, { secret: otherSecret })
  t.equal((await app.inject({ url: '/private', headers: bearer(secret) })).statusCode, 200)
  t.equal((await app.inject({ url: '/private', headers: bearer(otherSecret) })).statusCode, 401)
})

t.test("the host's rate limiter shares neither its store nor its limit with ours", async (t) => {
  const app = hostApp(t)
  class BrokenStore {
    incr (): never { throw new Error('the host\'s store was used') }
    read (): never { throw new Error('the host\'s store was used') }
    child (): BrokenStore { return this }
  }
  await app.register(rateLimit, { global: false, max: 1, store: BrokenStore })
  await guard(app, { auth: { apiKeys: ['key'] }, user: { max: 50 } })
  for (let i = 1; i <= 3; i++) {
    const response = await app.inject({ url: '/private', headers: { 'x-api-key': 'key' } })
    t.equal(response.statusCode, 200)
    t.match(limitsOf(response), { limit: '50', remaining: String(50 - i) })
  }
  t.equal((await app.inject('/private')).statusCode, 401)
})

t.test("the host's rate limiter applies to its own routes, and not to ours", async (t) => {
  const app = hostApp(t)
  await app.register(async (scope) => { await guard(scope, { auth: { apiKeys: ['key'] } }) }, { prefix: '/mcp' })
  await app.register(rateLimit, { max: 1 })
  app.get('/host', async () => 'host')
  t.equal((await app.inject('/host')).statusCode, 200)
  t.equal((await app.inject('/host')).statusCode, 429)
  for (let i = 0; i < 3; i++) {
    t.equal((await app.inject({ url: '/mcp/private', headers: { 'x-api-key': 'key' } })).statusCode, 200)
  }
})

t.test('a route with its own limiter group gets no second bucket', async (t) => {
  const app = hostApp(t)
  await guard(app, { auth: { apiKeys: ['key'] }, address: { max: 2 }, user: { max: 2 } })
  app.get('/grouped', { config: { rateLimit: { groupId: 'elsewhere' } } }, async () => 'grouped')
  await app.inject('/private')
  await app.inject('/private')
  t.equal((await app.inject('/grouped')).statusCode, 429)
})

t.test('two registrations share no bucket, key or headers', async (t) => {
  const app = hostApp(t)
  await app.register(
    async scope => {
      await guard(scope, { auth: { apiKeys: ['one'] }, address: { max: 1 }, user: { max: 1 } })
    },
    { prefix: '/one' }
  )
  await app.register(
    async scope => {
      await guard(scope, { auth: { apiKeys: ['two'] }, address: { max: 9 }, user: { max: 9 } })
    },
    { prefix: '/two' }
  )
  app.get('/host', async () => 'host')
  await app.inject({ url: '/one/private', headers: { 'x-api-key': 'two' } })
  t.equal((await app.inject({ url: '/one/private', headers: { 'x-api-key': 'one' } })).statusCode, 429)
  const other = await app.inject({ url: '/two/private', headers: { 'x-api-key': 'two' } })
  t.equal(other.statusCode, 200)
  t.match(limitsOf(other), { limit: '9', remaining: '8' })
  const host = await app.inject('/host')
  t.equal(host.statusCode, 200)
  t.match(limitsOf(host), { limit: undefined, policy: undefined })
})

t.test('the plugins name themselves and the missing dependency', async (t) => {
  const app = hostApp(t)
  await guard(app, { auth: { apiKeys: ['key'] } })
  for (const name of ['mcp-preauth-limit', 'mcp-auth', 'mcp-principal-limit']) t.ok(app.hasPlugin(name), name)
  const alone = hostApp(t)
  const { default: principalLimit } = await import('../../plugins/principal-limit.js')
  await t.rejects(async () => { await alone.register(principalLimit) }, /mcp-auth/)
})
