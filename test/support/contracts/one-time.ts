/** Tests that every one-time store must pass. `open` returns two instances, or one instance twice. */
import type { Test } from 'tap'
import type { OneTimeStore } from '../../../src/tokens/one-time-store.js'

export async function oneTimeContract (
  t: Test,
  open: () => Promise<readonly [OneTimeStore, OneTimeStore]>
): Promise<void> {
  t.test('take returns an item to one caller', async t => {
    const [a, b] = await open()
    t.equal(await a.isFull(), false)
    t.equal(await a.put('one', 'sealed', 60_000), 'put')
    const all = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => await (n % 2 === 0 ? a : b).take('one'))
    )
    t.same(
      all.filter(text => text !== undefined),
      ['sealed']
    )
    t.equal(await b.take('another'), undefined)
  })

  t.test('take returns nothing after the ttl', async t => {
    const [a, b] = await open()
    await a.put('short', 'sealed', 1)
    await new Promise(resolve => setTimeout(resolve, 20))
    t.equal(await b.take('short'), undefined)
  })

  t.test('spend is true the first time, and again after the ttl', async t => {
    const [a, b] = await open()
    const all = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => await (n % 2 === 0 ? a : b).spend('state', 60_000))
    )
    t.same(all.filter(Boolean), [true])
    t.equal(await a.spend('brief', 1), true)
    await new Promise(resolve => setTimeout(resolve, 20))
    t.equal(await b.spend('brief', 60_000), true)
  })
}
