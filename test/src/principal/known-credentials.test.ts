/** How long verified credentials are remembered, and how many. */
import t, { type Test } from 'tap'
import type { Verified } from '../../../src/principal/presented.js'
import { createKnownCredentials } from '../../../src/principal/known-credentials.js'

const ada: Verified = { principal: { id: 'apikey:ada', role: 'user', scopes: [], method: 'api-key', attributes: {} } }

/** Stops the monotonic clock until the test's end. `pass` moves it. */
function stopClock (t: Test): { pass: (ms: number) => void } {
  let time = Math.ceil(performance.now())
  t.intercept(performance, 'now', { value: () => time })
  return { pass: (ms) => { time += ms } }
}

t.test('recall returns an entry until its ttl ends', async (t) => {
  const clock = stopClock(t)
  const known = createKnownCredentials({ ttlMs: 1000 })
  known.remember('key', 'digest', ada)
  clock.pass(999)
  t.equal(known.recall('key', 'digest'), ada)
  clock.pass(1)
  t.equal(known.recall('key', 'digest'), null)
})

t.test('recall does not extend the ttl, remember does', async (t) => {
  const clock = stopClock(t)
  const known = createKnownCredentials({ ttlMs: 1000 })
  known.remember('key', 'digest', ada)
  clock.pass(600)
  t.equal(known.recall('key', 'digest'), ada)
  clock.pass(600)
  t.equal(known.recall('key', 'digest'), null)
  known.remember('key', 'digest', ada)
  clock.pass(600)
  known.remember('key', 'digest', ada)
  clock.pass(600)
  t.equal(known.recall('key', 'digest'), ada)
})

t.test('recall with maxAgeMs returns nothing older', async (t) => {
  const clock = stopClock(t)
  const known = createKnownCredentials({ ttlMs: 1000 })
  known.remember('key', 'digest', ada)
  clock.pass(500)
  t.equal(known.recall('key', 'digest', 500), null)
  t.equal(known.recall('key', 'digest', 501), ada)
})

t.test('a key is never recalled as a token', async (t) => {
  const known = createKnownCredentials({ ttlMs: 1000 })
  known.remember('key', 'digest', ada)
  t.equal(known.recall('token', 'digest'), null)
})

t.test('recall ignores expired entries, even if the wall clock jumps', async (t) => {
  const known = createKnownCredentials({ ttlMs: 60_000 })
  const expiresAt = Date.now() + 3_600_000
  known.remember('token', 'digest', { principal: { ...ada.principal, expiresAt } })
  t.not(known.recall('token', 'digest'), null)
  t.intercept(Date, 'now', { value: () => expiresAt })
  t.equal(known.recall('token', 'digest'), null)
})

t.test('a ttl of zero remembers nothing', async (t) => {
  const known = createKnownCredentials({ ttlMs: 0 })
  known.remember('key', 'digest', ada)
  t.equal(known.recall('key', 'digest'), null)
})

t.test('entries in use survive any number of others', async (t) => {
  const known = createKnownCredentials({ ttlMs: 600_000, max: 100 })
  known.remember('key', 'digest', ada)
  for (let i = 0; i < 10_000; i++) {
    known.remember('key', `other-${i}`, ada)
    if (i % 20 === 0) known.recall('key', 'digest')
  }
  t.equal(known.recall('key', 'digest'), ada)
})

t.test('at most max entries are kept, and the latest are among them', async (t) => {
  const known = createKnownCredentials({ ttlMs: 600_000, max: 100 })
  for (let i = 0; i < 10_000; i++) known.remember('key', `other-${i}`, ada)
  const held = Array.from({ length: 10_000 }, (_, i) => i).filter(i => known.recall('key', `other-${i}`) === ada)
  t.ok(held.length <= 100, `holds ${held.length}`)
  for (let i = 9_950; i < 10_000; i++) t.ok(held.includes(i))
})

for (const ttlMs of [-1, Number.NaN, Infinity]) {
  t.test(`a ttl of ${ttlMs} is refused`, async (t) => {
    t.throws(() => createKnownCredentials({ ttlMs }), RangeError)
  })
}
