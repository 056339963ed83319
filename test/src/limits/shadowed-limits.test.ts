/** The local copy of a count that is kept elsewhere, with late answers. */
import t from 'tap'
import { bucketOf } from '../../../src/limits/limits.js'
import { MemoryLimits } from '../../../src/limits/memory-limits.js'
import { ShadowedLimits } from '../../../src/limits/shadowed-limits.js'

t.test('clear makes earlier answers outdated', async t => {
  const look = { bucket: bucketOf('address', '192.0.2.9'), cost: 0, max: 3, windowMs: 60_000 }
  const count = new MemoryLimits()
  count.take([{ ...look, cost: 3 }])
  let release = (): void => {}
  const late = new Promise<void>(resolve => { release = resolve })
  const limits = new ShadowedLimits({
    remote: {
      isUp: true,
      instances: 2,
      // Counts at once and answers later, like a store behind a network.
      take: async asks => {
        const taken = count.take(asks)
        await late
        return taken
      },
      leave: async () => {},
      clear: async (bucket, at) => { count.clear(bucket, at) },
      onUp: () => {}
    }
  })
  const asked = limits.take([look])
  await limits.clear(look.bucket, Date.now())
  release()
  t.match(await asked, [{ fits: false, used: 3 }])
  t.match(limits.known(look), { fits: true, used: 0 })
  t.match(await limits.take([look]), [{ fits: true, used: 0 }])
})
