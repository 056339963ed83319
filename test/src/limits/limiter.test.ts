/** A limiter: its counts, its response headers and its refusals. */
import Fastify from 'fastify'
import t from 'tap'
import { createLimiter } from '../../../src/limits/limiter.js'
import { heldBy } from '../../support/heap.js'

t.test('take lets exactly its maximum through concurrently', async (t) => {
  const limiter = await createLimiter({ policy: 'user', max: 7, windowMs: 60_000 })
  const readings = await Promise.all(Array.from({ length: 60 }, () => limiter.take('ada')))
  t.equal(readings.filter((reading) => !reading.isExceeded).length, 7)
  t.equal(limiter.peek('ada').remaining, 0)
})

t.test('two limiters share no bucket', async (t) => {
  const first = await createLimiter({ policy: 'user', max: 1, windowMs: 60_000 })
  const second = await createLimiter({ policy: 'user', max: 1, windowMs: 60_000 })
  await first.take('ada')
  t.equal((await first.take('ada')).isExceeded, true)
  t.equal((await second.take('ada')).isExceeded, false)
})

t.test('take charges a cost completely or not at all', async (t) => {
  const limiter = await createLimiter({ policy: 'user', max: 10, windowMs: 60_000 })
  t.match(await limiter.take('ada', 8), { isExceeded: false, remaining: 2 })
  t.match(await limiter.take('ada', 3), { isExceeded: true, remaining: 2 })
  t.match(await limiter.take('ada', 2), { isExceeded: false, remaining: 0 })
})

t.test('take accepts a maximum for one key', async (t) => {
  const limiter = await createLimiter({ policy: 'user', max: 1, windowMs: 60_000 })
  t.match(await limiter.take('ada', 1, 3), { isExceeded: false, max: 3, remaining: 2 })
  t.match(await limiter.take('ada', 2, 3), { isExceeded: false, max: 3, remaining: 0 })
  t.match(await limiter.take('ada', 1, 3), { isExceeded: true, max: 3 })
  t.match(limiter.peek('ada', 3), { isExceeded: false, max: 3, remaining: 0 })
})

t.test('a key above a lowered maximum has nothing left', async (t) => {
  const limiter = await createLimiter({ policy: 'user', max: 10, windowMs: 60_000 })
  await limiter.take('ada', 8)
  t.match(limiter.peek('ada', 3), { max: 3, remaining: 0 })
  t.match(await limiter.take('ada', 2, 3), { isExceeded: true, remaining: 0 })
})

t.test('many different maximums use few counters', async (t) => {
  const limiter = await createLimiter({ policy: 'user', max: 10, windowMs: 60_000 })
  const held = await heldBy(async () => { for (let max = 1; max <= 5000; max++) await limiter.take('ada', 1, max) })
  t.ok(held < 8, `holds ${held} MB`)
  t.match(await limiter.take('ada', 1, 5000), { isExceeded: true })
})

t.test('writeHeaders sends both header formats', async (t) => {
  const limiter = await createLimiter({ policy: 'user', max: 100, windowMs: 60_000 })
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/', async (_request, reply) => {
    limiter.writeHeaders(reply, await limiter.take('ada'))
    return {}
  })
  const { headers } = await app.inject('/')
  t.equal(headers['x-ratelimit-limit'], '100')
  t.equal(headers['x-ratelimit-remaining'], '99')
  t.equal(headers['x-ratelimit-reset'], '60')
  t.equal(headers['ratelimit-policy'], '"user";q=100;w=60')
  t.equal(headers.ratelimit, '"user";r=99;t=60')
})

t.test('a window under a second is sent as one second', async (t) => {
  const limiter = await createLimiter({ policy: 'address', max: 1, windowMs: 5 })
  const headers: Record<string, unknown> = {}
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/', async (_request, reply) => {
    limiter.writeHeaders(reply, await limiter.take('ada'))
    return {}
  })
  Object.assign(headers, (await app.inject('/')).headers)
  t.equal(headers['ratelimit-policy'], '"address";q=1;w=1')
  t.equal(headers.ratelimit, '"address";r=0;t=1')
})

t.test('a refusal has a Retry-After of at least one second', async (t) => {
  const limiter = await createLimiter({ policy: 'user', max: 1, windowMs: 60_000 })
  const late = limiter.refusal({ max: 1, remaining: 0, ttlMs: 1500.4, isExceeded: true })
  t.match(late, { statusCode: 429, data: { retryAfterMs: 1501 }, headers: { 'retry-after': '2' } })
  const soon = limiter.refusal({ max: 1, remaining: 0, ttlMs: 0, isExceeded: true })
  t.match(soon, { data: { retryAfterMs: 1 }, headers: { 'retry-after': '1' } })
})

for (const value of [0, -1, 1.5, Number.NaN, Infinity]) {
  t.test(`a limit of ${value}, or a window of ${value} ms, is refused`, async (t) => {
    await t.rejects(createLimiter({ policy: 'user', max: value, windowMs: 60_000 }), RangeError)
    await t.rejects(createLimiter({ policy: 'user', max: 1, windowMs: value }), RangeError)
  })
}
