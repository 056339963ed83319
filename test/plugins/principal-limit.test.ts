/** The limit of an authenticated caller: its costs and headers. */
import Fastify from 'fastify'
import t from 'tap'
import auth from '../../plugins/auth.js'
import principalLimit from '../../plugins/principal-limit.js'
import { guardedApp, limitsOf } from '../support/guarded-app.js'
import { forgeClaims, secret } from '../support/tokens.js'

const credentials = { apiKeys: ['key', 'other-key'], jwt: { secret } }
const ada = { 'x-api-key': 'key' }
const bob = { 'x-api-key': 'other-key' }

t.test('concurrent requests pass exactly up to the limit', async (t) => {
  const app = await guardedApp(t, { auth: credentials, user: { max: 13 } })
  const responses = await Promise.all(Array.from({ length: 60 }, () => app.inject({ url: '/private', headers: ada })))
  const statuses = responses.map(({ statusCode }) => statusCode).sort()
  t.same(statuses, [...Array(13).fill(200), ...Array(47).fill(429)])
})

t.test('each caller has its own bucket, from any address', async (t) => {
  const app = await guardedApp(t, { auth: credentials, user: { max: 1 } })
  const status = async (headers: Record<string, string>, remoteAddress: string): Promise<number> => (
    (await app.inject({ url: '/private', headers, remoteAddress })).statusCode
  )
  t.equal(await status(ada, '192.0.2.1'), 200)
  t.equal(await status(ada, '192.0.2.2'), 429)
  t.equal(await status(bob, '192.0.2.1'), 200)
})

t.test('tokens of one subject share a bucket, separate from keys', async (t) => {
  const app = await guardedApp(t, { auth: credentials, user: { max: 1 } })
  const { id } = (await app.inject({ url: '/private', headers: ada })).json()
  const status = async (claims: Record<string, unknown>): Promise<number> => (
    (await app.inject({ url: '/private', headers: { authorization: `Bearer ${forgeClaims(claims)}` } })).statusCode
  )
  t.same([await status({ sub: 'ada', jti: '1' }), await status({ sub: 'ada', jti: '2' })], [200, 429])
  t.same([await status({ sub: 'bob' }), await status({ sub: id }), await status({ sub: 'jwt:ada' })], [200, 200, 200])
})

t.test('headers count down, and a refusal says how long to wait', async (t) => {
  t.intercept(performance, 'now', { value: () => 1000 })
  const app = await guardedApp(t, { auth: credentials, user: { max: 2 } })
  const answers = []
  for (let i = 0; i < 3; i++) answers.push(await app.inject({ url: '/private', headers: ada }))
  const [first, second, third] = answers.map((answer) => limitsOf(answer))
  t.match(first, { limit: '2', remaining: '1', policy: '"user";q=2;w=60', retryAfter: undefined })
  t.match(second, { limit: '2', remaining: '0', retryAfter: undefined })
  t.match(third, { limit: '2', remaining: '0', retryAfter: '60' })
  t.equal(answers[2]?.headers.ratelimit, '"user";r=0;t=60')
  t.equal(answers[2]?.headers['x-ratelimit-reset'], '60')
})

t.test('errors and unknown paths have limit headers and are charged', async (t) => {
  const app = await guardedApp(t, { auth: credentials, user: { max: 9 } })
  app.post('/broken', async () => { throw new Error('broken') })
  const failed = await app.inject({ method: 'POST', url: '/broken', headers: ada })
  t.equal(failed.statusCode, 500)
  t.match(limitsOf(failed), { limit: '9', remaining: '8' })
  const malformed = await app.inject({
    method: 'POST',
    url: '/broken',
    headers: { ...ada, 'content-type': 'application/json' },
    payload: '{'
  })
  t.equal(malformed.statusCode, 400)
  t.match(limitsOf(malformed), { remaining: '7' })
  const unknown = await app.inject({ url: '/unknown', headers: ada })
  t.equal(unknown.statusCode, 404)
  t.match(limitsOf(unknown), { remaining: '6' })
})

t.test('public and uncharged routes are not charged', async (t) => {
  const app = await guardedApp(t, { auth: credentials, user: { max: 9 } })
  app.get('/uncharged', { config: { uncharged: true } }, async () => 'free')
  t.match(limitsOf(await app.inject({ url: '/public', headers: ada })), { limit: undefined, policy: undefined })
  t.equal((await app.inject({ url: '/uncharged', headers: ada })).statusCode, 200)
  t.match(limitsOf(await app.inject({ url: '/private', headers: ada })), { remaining: '8' })
})

t.test('a cost that does not fit leaves the bucket unchanged', async (t) => {
  const app = await guardedApp(t, { auth: credentials, user: { max: 10 } })
  app.get('/cost/:cost', async (request, reply) => {
    await app.chargePrincipal(request, reply, Number((request.params as { cost: string }).cost))
    return await app.budgetOf(request)
  })
  const cost = async (amount: number) => await app.inject({ url: `/cost/${amount}`, headers: ada })
  const taken = await cost(5)
  t.match(taken.json(), { limit: 10, remaining: 4, resetSeconds: 60 })
  t.match(limitsOf(taken), { remaining: '4' })
  const refused = await cost(4)
  t.equal(refused.statusCode, 429)
  t.match(limitsOf(refused), { limit: '10', remaining: '3' })
  t.match(refused.headers, { 'retry-after': /^[1-9]\d*$/ })
  t.match((await cost(0)).json(), { remaining: 2 })
})

for (const cost of [-1, 1.5, Number.NaN, Infinity]) {
  t.test(`a cost of ${cost} is a fault and takes nothing`, async (t) => {
    const app = await guardedApp(t, { auth: credentials, user: { max: 10 } })
    app.get('/cost', async (request, reply) => { await app.chargePrincipal(request, reply, cost) })
    t.equal((await app.inject({ url: '/cost', headers: ada })).statusCode, 500)
    t.match(limitsOf(await app.inject({ url: '/private', headers: ada })), { remaining: '8' })
  })
}

t.test('budgetOf takes nothing and is null without a caller', async (t) => {
  const app = await guardedApp(t, { auth: credentials, user: { max: 10 } })
  app.get('/budget', async (request) => [await app.budgetOf(request), await app.budgetOf(request)])
  app.get('/open', { config: { public: true } }, async (request, reply) => {
    await app.chargePrincipal(request, reply, 1)
    return { budget: await app.budgetOf(request) }
  })
  const [first, second] = (await app.inject({ url: '/budget', headers: ada })).json()
  t.match(first, { limit: 10, remaining: 9, resetSeconds: 60 })
  t.same(second, first)
  t.same((await app.inject('/open')).json(), { budget: null })
})

t.test('the plugin works without the address limit', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(auth, { ...credentials, allowWeakSecrets: true })
  await app.register(principalLimit, { max: 1 })
  app.get('/', async () => 'reached')
  t.equal((await app.inject({ url: '/', headers: ada })).statusCode, 200)
  t.equal((await app.inject({ url: '/', headers: ada })).statusCode, 429)
  t.equal((await app.inject({ url: '/' })).statusCode, 401)
})

for (const options of [{ max: 0 }, { max: Number.NaN }, { windowMs: 0 }]) {
  t.test(`the options ${JSON.stringify(options)} stop the start`, async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(auth, { ...credentials, allowWeakSecrets: true })
    await t.rejects(async () => { await app.register(principalLimit, options) }, RangeError)
  })
}
