/** The bus of a single process. */
import t from 'tap'
import { InProcessBus } from '../../../src/fleet/in-process-bus.js'
import { busContract } from '../../support/contracts/bus.js'

busContract(t, async () => {
  const bus = new InProcessBus()
  return [bus, bus]
})

t.test('messages sent during a delivery are delivered afterwards', async (t) => {
  const bus = new InProcessBus()
  const heard: unknown[] = []
  bus.on('a', () => { bus.tellAll('b', 2).catch(() => {}) })
  bus.on('a', message => { heard.push(message) })
  bus.on('b', message => { heard.push(message) })
  await bus.tellAll('a', 1)
  t.same(heard, [1, 2])
})

t.test('since drops messages beyond the newest thousand of a topic', async (t) => {
  const bus = new InProcessBus()
  for (let n = 1; n <= 1001; n++) await bus.tellAll('a', n)
  t.equal(bus.since('a', '1'), undefined)
  t.equal(bus.since('a', '2')?.length, 999)
})
