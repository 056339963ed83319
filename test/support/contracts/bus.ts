/** Tests that every bus must pass. `open` returns two instances of one fleet, or one instance twice. */
import type { Test } from 'tap'
import type { Bus, Json } from '../../../src/fleet/bus.js'
import { until } from '../until.js'

export async function busContract (t: Test, open: () => Promise<readonly [Bus, Bus]>): Promise<void> {
  t.test('tellAll reaches every instance in one order', async (t) => {
    const [a, b] = await open()
    const heard: Record<string, Json[]> = { a: [], b: [] }
    a.on('change', message => { heard.a?.push(message) })
    b.on('change', message => { heard.b?.push(message) })
    for (let n = 0; n < 20; n++) await (n % 2 === 0 ? a : b).tellAll('change', { n })
    await until(() => heard.a?.length === 20 && heard.b?.length === 20)
    t.same(heard.a, Array.from({ length: 20 }, (_, n) => ({ n })))
    t.same(heard.b, heard.a)
  })

  t.test('tell reaches one instance and returns whether it is alive', async (t) => {
    const [a, b] = await open()
    const letters: Json[] = []
    b.on('answer', (message, { from }) => { letters.push({ message, from }) })
    t.equal(await a.tell(b.id, 'answer', ['x']), true)
    await until(() => letters.length === 1)
    t.same(letters, [{ message: ['x'], from: a.id }])
    t.equal(await a.tell('nobody', 'answer', 1), false)
    t.equal(await a.isAlive(b.id), true)
    t.equal(await a.isAlive('nobody'), false)
  })

  t.test('since returns the messages after an id, and undefined for a dropped id', async (t) => {
    const [a, b] = await open()
    const ids: string[] = []
    b.on('change', (_message, { id }) => { ids.push(id) })
    for (let n = 0; n < 3; n++) await a.tellAll('change', n)
    await until(() => ids.length === 3)
    const news = await b.since('change', ids[0] ?? '')
    t.same(news?.map(({ message }) => message), [1, 2])
    t.same(await b.since('change', ids[2] ?? ''), [])
    t.equal(await b.since('change', '0-1'), undefined)
  })

  t.test('a message of an unknown topic is ignored, and a listener can unsubscribe', async (t) => {
    const [a, b] = await open()
    let heard = 0
    const stop = b.on('change', () => { heard += 1 })
    await a.tellAll('of a later version', { any: [null] })
    await a.tellAll('change', 1)
    await until(() => heard === 1)
    stop()
    await a.tellAll('change', 2)
    let last = false
    b.on('last', () => { last = true })
    await a.tellAll('last', 3)
    await until(() => last)
    t.equal(heard, 1)
  })
}
