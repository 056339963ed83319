/**
 * Tests that every implementation of the limits must pass. `open` returns two instances of one fleet, or one
 * instance twice.
 */
import type { Test } from 'tap'
import { type Ask, bucketOf, type Limits, type Taken } from '../../../src/limits/limits.js'

let made = 0
/** Returns the name of a new bucket. */
function bucket (kind: 'address' | 'caller' | 'tool' = 'caller'): string {
  made += 1
  return bucketOf(kind, `owner ${made} of ${process.pid}`, kind === 'tool' ? 'search' : '')
}

function hit (name: string, cost = 1, max = 10, windowMs = 60_000): Ask {
  return { bucket: name, cost, max, windowMs }
}

function sumOf (all: ReadonlyArray<readonly Taken[]>): number {
  return all.filter(taken => taken.at(-1)?.fits === true).length
}

export async function limitsContract (t: Test, open: () => Promise<readonly [Limits, Limits]>): Promise<void> {
  t.test('take lets exactly the maximum through concurrently', async (t) => {
    const [a, b] = await open()
    const [one, seven] = [bucket(), bucket('address')]
    t.equal(
      sumOf(
        await Promise.all(
          Array.from({ length: 400 }, (_, n) => (n % 2 === 0 ? a : b).take([hit(one, 1, 100)]))
        )
      ),
      100
    )
    t.equal(
      sumOf(
        await Promise.all(
          Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? a : b).take([hit(seven, 7, 100)]))
        )
      ),
      14
    )
  })

  t.test('take takes nothing if the cost does not fit', async (t) => {
    const [a, b] = await open()
    const name = bucket()
    t.match(await a.take([hit(name, 8)]), [{ fits: true, used: 8 }])
    t.match(await b.take([hit(name, 3)]), [{ fits: false, used: 8 }])
    t.match(await b.take([hit(name, 2)]), [{ fits: true, used: 10 }])
    t.match(await a.take([hit(name, 0)]), [{ fits: false, used: 10 }])
    t.match(await a.take([hit(bucket(), 11)]), [{ fits: false, used: 0 }])
  })

  t.test('take takes a list completely or not at all', async (t) => {
    const [a, b] = await open()
    const [wide, tight, last] = [bucket(), bucket('tool'), bucket('address')]
    const asks = [hit(wide, 1, 100), hit(tight, 1, 3), hit(last, 1, 100)]
    const all = await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? a : b).take(asks)))
    t.equal(all.filter(taken => taken.length === 3).length, 3)
    t.same(new Set(all.map(({ length }) => length)), new Set([3, 2]))
    t.match(await a.take([hit(wide, 0, 100)]), [{ used: 3 }])
    t.match(await b.take([hit(last, 0, 100)]), [{ used: 3 }])
  })

  t.test('a cost of zero takes nothing and returns the end of the window', async (t) => {
    const [a, b] = await open()
    const name = bucket()
    t.same(await a.take([hit(name, 0)]), [{ fits: true, used: 0, ttlMs: 0 }])
    await b.take([hit(name)])
    const [seen] = await a.take([hit(name, 0)])
    t.match(seen, { fits: true, used: 1 })
    t.ok(seen !== undefined && seen.ttlMs > 0 && seen.ttlMs <= 60_000)
  })

  t.test('known returns what this instance took, without a promise', async (t) => {
    const [a] = await open()
    const name = bucket()
    const ask = { bucket: name, cost: 0, max: 2, windowMs: 60_000 }
    t.match(a.known(ask), { fits: true, used: 0 })
    await a.take([hit(name, 1, 2)])
    t.match(a.known(ask), { fits: true, used: 1 })
    await a.take([hit(name, 1, 2)])
    t.match(a.known(ask), { fits: false, used: 2 })
  })

  t.test('a window ends', async (t) => {
    const [a, b] = await open()
    const name = bucket()
    await a.take([hit(name, 1, 1, 1)])
    await new Promise(resolve => setTimeout(resolve, 20))
    t.match(await b.take([hit(name, 1, 1, 60_000)]), [{ fits: true, used: 1 }])
  })

  t.test('clear empties a bucket on every instance', async (t) => {
    const [a, b] = await open()
    const name = bucket('address')
    await b.take([hit(name, 1, 1)])
    await b.clear(name, 1)
    t.match(await b.take([hit(name, 1, 1)]), [{ fits: true, used: 1 }])
    await a.clear(name, 2)
    t.match(await a.take([hit(name, 0, 1)]), [{ fits: true, used: 0 }])
  })

  t.test('a repeated or late clear keeps later counts', async (t) => {
    const [a, b] = await open()
    const name = bucket('address')
    const at = Date.now()
    await a.take([hit(name, 2, 2)])
    await a.clear(name, at)
    await b.clear(name, at)
    t.match(await a.take([hit(name, 1, 2)]), [{ fits: true, used: 1 }])
    for (const late of [at, at - 1000]) await b.clear(name, late)
    t.match(await b.take([hit(name, 0, 2)]), [{ fits: true, used: 1 }])
    await b.clear(name, at + 1)
    t.match(await b.take([hit(name, 0, 2)]), [{ fits: true, used: 0 }])
  })

  t.test('places are held by name, released, and expire', async (t) => {
    const [a, b] = await open()
    made += 1
    const place = bucketOf('running', `owner ${made} of ${process.pid}`, 'search')
    const of = (holder: string, leaseMs = 60_000): Ask => ({ place, holder, max: 2, leaseMs })
    t.match(await a.take([of('1')]), [{ fits: true, used: 1 }])
    t.match(await b.take([of('2', 1)]), [{ fits: true, used: 2 }])
    await new Promise(resolve => setTimeout(resolve, 20))
    t.match(await a.take([of('3')]), [{ fits: true, used: 2 }])
    t.match(await b.take([of('4')]), [{ fits: false, used: 2 }])
    t.match(await b.take([of('1')]), [{ fits: true, used: 2 }], 'a repeated request keeps the place')
    a.leave(place, '1')
    await a.take([hit(bucket(), 0)])
    t.match(await b.take([of('4')]), [{ fits: true, used: 2 }])
  })

  t.test('a place is not taken if the bucket is full', async (t) => {
    const [a] = await open()
    const name = bucket('tool')
    made += 1
    const place = bucketOf('running', `owner ${made} of ${process.pid}`, 'search')
    await a.take([hit(name, 1, 1)])
    const taken = await a.take([{ place, holder: '1', max: 1, leaseMs: 60_000 }, hit(name, 1, 1)])
    t.same(taken.map(({ fits }) => fits), [true, false])
    t.match(await a.take([{ place, holder: '2', max: 1, leaseMs: 60_000 }]), [{ fits: true, used: 1 }])
  })
}
