/**
 * Tests that every memory of credentials at addresses must pass. `open` returns two instances of one fleet,
 * or one instance twice.
 */
import type { Test } from 'tap'
import type { KnownThere } from '../../../src/principal/known-there.js'

export async function knownThereContract (
  t: Test,
  open: () => Promise<readonly [KnownThere, KnownThere]>
): Promise<void> {
  t.test('a credential is known only at the address where it was accepted', async t => {
    const [a, b] = await open()
    a.remember('192.0.2.1', 'digest')
    t.equal(a.recall('192.0.2.1', 'digest'), true)
    t.equal(a.recall('192.0.2.2', 'digest'), false)
    t.equal(a.recall('192.0.2.1', 'other'), false)
    await a.lockedAt('192.0.2.9')
    await b.lockedAt('192.0.2.1')
    await b.lockedAt('192.0.2.2')
    t.equal(b.recall('192.0.2.1', 'digest'), true)
    t.equal(b.recall('192.0.2.2', 'digest'), false)
  })
}
