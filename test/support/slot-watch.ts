/** Watches every slot pool in this process. */
import { type Slot, Slots } from '../../src/mcp/slots/pool.js'

export interface SlotWatch {
  /** Descriptions of what went wrong. */
  readonly wrong: string[]
  /** The most slots in use at the same time. */
  readonly peak: () => number
  /** Slots in use. */
  readonly out: () => number
  /** Slots that were returned unfit for reuse. */
  readonly spoilt: () => number
  /** Idle slots of all pools. */
  readonly idle: () => number
  readonly stop: () => void
}

export function watchSlots (): SlotWatch {
  const { take, give } = Slots.prototype
  const held = new Set<Slot>()
  const pools = new Set<Slots<Slot>>()
  const spoilt = new WeakSet<Slot>()
  const wrong: string[] = []
  let peak = 0
  let spoiltCount = 0

  function taken<S extends Slot> (slot: S): S {
    if (held.has(slot)) wrong.push('a busy slot was handed out')
    if (spoilt.has(slot)) wrong.push('a spoilt slot was handed out')
    held.add(slot)
    peak = Math.max(peak, held.size)
    return slot
  }

  Slots.prototype.take = function (this: Slots<Slot>) {
    pools.add(this)
    const slot = take.call(this)
    return slot instanceof Promise ? slot.then(taken) : taken(slot)
  }
  Slots.prototype.give = function (this: Slots<Slot>, slot: Slot, clean: boolean) {
    if (!held.delete(slot)) wrong.push('a slot was returned twice')
    if (!clean) {
      spoilt.add(slot)
      spoiltCount += 1
    }
    give.call(this, slot, clean)
  }

  return {
    wrong,
    peak: () => peak,
    out: () => held.size,
    spoilt: () => spoiltCount,
    idle: () => [...pools].reduce((sum, { size }) => sum + size.idle, 0),
    stop: () => { Object.assign(Slots.prototype, { take, give }) }
  }
}
