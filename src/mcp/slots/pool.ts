/** A pool of long-lived servers, each of which serves one request at a time. */

export interface Slot {
  close: () => Promise<void>
}

export interface SlotsOptions<S extends Slot> {
  readonly open: () => Promise<S>
  /** How many idle slots are kept for the next burst. */
  readonly maxIdle?: number
}

/**
 * A slot that is returned after an irregular exchange is closed, so that nothing of
 * one caller's exchange can reach the next. The number of slots in use is not limited: the limits
 * before the pool bound the requests.
 */
export class Slots<S extends Slot> {
  readonly #open: () => Promise<S>
  readonly #maxIdle: number
  readonly #idle: S[] = []
  /** The slots that may be reused. */
  #current = new WeakSet<S>()
  #busy = 0
  #discards = 0
  #closed = false

  constructor ({ open, maxIdle = 64 }: SlotsOptions<S>) {
    this.#open = open
    this.#maxIdle = maxIdle
  }

  get size (): { idle: number, busy: number } {
    return { idle: this.#idle.length, busy: this.#busy }
  }

  /** How many slots were discarded after a request. */
  get discards (): number {
    return this.#discards
  }

  /** An idle slot, or a promise of a new one. */
  take (): S | Promise<S> {
    this.#busy += 1
    return this.#idle.pop() ?? this.#opened()
  }

  /** Returns a slot. It is reused only if `clean`. */
  give (slot: S, clean: boolean): void {
    this.#busy -= 1
    if (clean && !this.#closed && this.#current.has(slot) && this.#idle.length < this.#maxIdle) {
      this.#idle.push(slot)
    } else {
      this.#discards += 1
      discard(slot)
    }
  }

  /** From now on, every request gets a slot that is opened later. Slots in use finish their request. */
  renew (): void {
    this.#current = new WeakSet()
    for (const slot of this.#idle.splice(0)) discard(slot)
  }

  close (): void {
    this.#closed = true
    for (const slot of this.#idle.splice(0)) discard(slot)
  }

  async #opened (): Promise<S> {
    const current = this.#current
    try {
      const slot = await this.#open()
      current.add(slot)
      return slot
    } catch (error) {
      this.#busy -= 1
      throw error
    }
  }
}

/** The current caller was answered already, so an error while closing is ignored. */
function discard (slot: Slot): void {
  slot.close().catch(() => {})
}
