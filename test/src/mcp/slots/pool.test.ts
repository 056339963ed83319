/** A slot serves one request at a time, and only a clean slot is reused. */
import t from 'tap'
import { Slots } from '../../../../src/mcp/slots/pool.js'

class FakeSlot {
  closed = 0
  async close (): Promise<void> { this.closed += 1 }
}

const opening = { open: async () => new FakeSlot() }

t.test('a clean slot is reused, and others are closed', async t => {
  const slots = new Slots(opening)
  const first = await slots.take()
  slots.give(first, true)
  const second = await slots.take()
  t.equal(second, first)
  slots.give(second, false)
  t.equal(second.closed, 1)
  t.not(await slots.take(), first)
  t.same(slots.size, { idle: 0, busy: 1 })
})

t.test('a slot is never used twice at the same time', async t => {
  const slots = new Slots(opening)
  const taken = await Promise.all(Array.from({ length: 50 }, async () => await slots.take()))
  t.equal(new Set(taken).size, 50)
  t.same(slots.size, { idle: 0, busy: 50 })
})

t.test('after a burst the pool keeps a limited number of slots', async t => {
  const slots = new Slots({ ...opening, maxIdle: 3 })
  const taken = await Promise.all(Array.from({ length: 10 }, async () => await slots.take()))
  for (const slot of taken) slots.give(slot, true)
  t.same(slots.size, { idle: 3, busy: 0 })
  t.equal(taken.filter(({ closed }) => closed === 1).length, 7)
})

t.test('a slot that cannot be opened does not count as busy', async t => {
  const slots = new Slots({ open: async () => { throw new Error('no memory') } })
  await t.rejects(Promise.resolve(slots.take()))
  t.same(slots.size, { idle: 0, busy: 0 })
})

t.test('a closed pool keeps no slots', async t => {
  const slots = new Slots(opening)
  const idle = await slots.take()
  const busy = await slots.take()
  slots.give(idle, true)
  slots.close()
  slots.give(busy, true)
  t.same([idle.closed, busy.closed], [1, 1])
  t.same(slots.size, { idle: 0, busy: 0 })
})

t.test('a renewed pool reuses no older slot', async t => {
  const opens: Array<(slot: FakeSlot) => void> = []
  const slots = new Slots({ open: async () => await new Promise<FakeSlot>(resolve => { opens.push(resolve) }) })
  const open = async (): Promise<FakeSlot> => {
    const taken = slots.take()
    opens.pop()?.(new FakeSlot())
    return await taken
  }
  const [idle, busy] = [await open(), await open()]
  const opening = slots.take()
  slots.give(idle, true)
  slots.renew()
  opens.pop()?.(new FakeSlot())
  const opened = await opening
  t.equal(idle.closed, 1)
  for (const old of [busy, opened]) {
    t.equal(old.closed, 0, 'a slot in use finishes its request')
    slots.give(old, true)
    t.equal(old.closed, 1)
  }
  t.same(slots.size, { idle: 0, busy: 0 })
  const later = await open()
  slots.give(later, true)
  t.equal(await slots.take(), later)
})

t.test('an error while closing a slot is ignored', async t => {
  const slots = new Slots({ open: async () => ({ close: async () => { throw new Error('stuck') } }) })
  slots.give(await slots.take(), false)
  t.equal(slots.size.busy, 0)
})
