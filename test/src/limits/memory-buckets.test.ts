/** The store behind both limits is exact and bounded, and never loses a live bucket. */
import fc from 'fast-check'
import t from 'tap'
import { createMemoryBuckets } from '../../../src/limits/memory-buckets.js'
import { heldBy } from '../../support/heap.js'

t.test('take allows exactly the limit', async (t) => {
  const store = createMemoryBuckets({ windowMs: 3_600_000 })
  const results = Array.from({ length: 10 }, () => store.take('ada', 1, 7).current)
  t.same(results, [1, 2, 3, 4, 5, 6, 7, 8, 8, 8])
  t.equal(store.read('ada').current, 7)
})

t.test('take refuses a cost that does not fit and takes nothing', async (t) => {
  const store = createMemoryBuckets({ windowMs: 3_600_000 })
  store.take('ada', 6, 10)
  t.ok(store.take('ada', 5, 10).current > 10)
  t.equal(store.read('ada').current, 6)
  t.equal(store.take('ada', 4, 10).current, 10)
})

t.test('take refuses a cost above the limit for a new bucket', async (t) => {
  const store = createMemoryBuckets({ windowMs: 3_600_000 })
  t.ok(store.take('ada', 11, 10).current > 10)
  t.same(store.read('ada'), { current: 0, ttlMs: 0 })
})

t.test('read changes nothing', async (t) => {
  const store = createMemoryBuckets({ windowMs: 3_600_000 })
  t.same(store.read('ada'), { current: 0, ttlMs: 0 })
  store.take('ada', 1, 7)
  store.read('ada')
  t.equal(store.read('ada').current, 1)
})

t.test('a window ends after its length from the first hit', async (t) => {
  let time = 0
  const store = createMemoryBuckets({ windowMs: 1000, now: () => time })
  store.take('ada', 1, 1)
  time = 400
  t.same(store.take('ada', 1, 1), { current: 2, ttlMs: 600 })
  time = 999.5
  t.equal(store.take('ada', 1, 1).current, 2)
  time = 1000
  t.equal(store.take('ada', 1, 1).current, 1)
})

t.test('long keys with a common prefix have separate buckets', async (t) => {
  const store = createMemoryBuckets({ windowMs: 3_600_000 })
  const beginning = 'x'.repeat(5000)
  store.take(beginning + 'a', 1, 1)
  t.equal(store.take(beginning + 'a', 1, 1).current, 2)
  t.equal(store.take(beginning + 'b', 1, 1).current, 1)
})

t.test('long keys use little memory', async (t) => {
  const store = createMemoryBuckets({ windowMs: 60_000 })
  const held = await heldBy(() => {
    for (let i = 0; i < 4000; i++) store.take(Buffer.alloc(5000, `${i} `).toString(), 1, 1)
  })
  t.ok(held < 8, `holds ${held} MB`)
  t.equal(store.size(), 4000)
})

t.test('a million other keys do not evict a locked key', async (t) => {
  let time = 0
  const store = createMemoryBuckets({ windowMs: 60_000, now: () => time })
  store.take('locked', 7, 7)
  for (let i = 0; i < 1_000_000; i++) {
    time = i / 20
    store.take(`flood-${i}`, 1, 7)
  }
  t.equal(store.take('locked', 1, 7).current, 8)
  t.ok(store.size() <= 50_000 + 4096, `holds ${store.size()} buckets`)
})

t.test('a flood over many windows uses bounded memory', async (t) => {
  let time = 0
  const store = createMemoryBuckets({ windowMs: 1000, maxKeys: 1000, now: () => time })
  let largest = 0
  for (let i = 0; i < 100_000; i++) {
    time = i / 10
    store.take(`flood-${i}`, 1, 7)
    if (i % 997 === 0) largest = Math.max(largest, store.size())
  }
  t.ok(largest <= 1000 + 4096, `held ${largest} buckets`)
  time += 2000
  store.take('ada', 1, 7)
  t.equal(store.size(), 1)
})

t.test('a key locked during a flood stays locked afterwards', async (t) => {
  let time = 0
  const store = createMemoryBuckets({ windowMs: 1000, maxKeys: 10, now: () => time })
  for (let i = 0; i < 10; i++) store.take(`early-${i}`, 1, 7)
  time = 900
  store.take('late', 7, 7)
  time = 1899
  t.equal(store.take('late', 1, 7).current, 8)
  time = 1900
  t.equal(store.take('late', 1, 7).current, 1)
})

t.test('any sequence of hits and pauses matches a fixed window', async () => {
  const step = fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    cost: fc.integer({ min: 1, max: 4 }),
    pause: fc.integer({ min: 0, max: 700 })
  })
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    let time = 0
    const store = createMemoryBuckets({ windowMs: 1000, now: () => time })
    const model = new Map<string, { used: number, endsAt: number }>()
    for (const { key, cost, pause } of steps) {
      time += pause
      const live = model.get(key)
      const bucket = live !== undefined && live.endsAt > time ? live : { used: 0, endsAt: time + 1000 }
      const fits = bucket.used + cost <= 5
      if (fits) model.set(key, { ...bucket, used: bucket.used + cost })
      const count = store.take(key, cost, 5)
      if ((count.current <= 5) !== fits || count.ttlMs !== bucket.endsAt - time) return false
    }
    return true
  }), { numRuns: 500 })
})
