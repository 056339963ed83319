/** Credentials that were accepted at an address. */
import t from 'tap'
import { MemoryKnownThere } from '../../../src/principal/known-there.js'
import { knownThereContract } from '../../support/contracts/known-there.js'

knownThereContract(t, async () => {
  const known = new MemoryKnownThere({ ttlMs: 60_000 })
  return [known, known]
})

t.test('an entry ends after the ttl, and at once with a ttl of 0', async (t) => {
  let now = 0
  t.intercept(performance, 'now', { value: () => now })
  const known = new MemoryKnownThere({ ttlMs: 1000 })
  known.remember('192.0.2.1', 'digest')
  now = 999
  t.equal(known.recall('192.0.2.1', 'digest'), true)
  now = 1000
  t.equal(known.recall('192.0.2.1', 'digest'), false)
  const none = new MemoryKnownThere({ ttlMs: 0 })
  none.remember('192.0.2.1', 'digest')
  t.equal(none.recall('192.0.2.1', 'digest'), false)
})

t.test('beyond the maximum the oldest entries are dropped', async (t) => {
  const known = new MemoryKnownThere({ ttlMs: 1000, max: 10 })
  for (let n = 0; n < 12; n++) known.remember('192.0.2.1', String(n))
  t.equal(known.recall('192.0.2.1', '0'), false)
  t.equal(known.recall('192.0.2.1', '11'), true)
})
