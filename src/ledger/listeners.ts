/** Who is told of what was revoked, unlocked and switched off or on. */
import { unlockedMs } from './index-in-memory.js'
import type { StateRecord, Switched } from './records.js'

export class StateListeners {
  readonly #revoked = new Set<() => void>()
  readonly #unlocked = new Set<(address: string) => void>()
  readonly #switched = new Set<(record: Switched) => void>()
  #isTelling = false

  onRevoked (listener: () => void): () => void {
    return add(this.#revoked, listener)
  }

  onUnlocked (listener: (address: string) => void): () => void {
    return add(this.#unlocked, listener)
  }

  onSwitched (listener: (record: Switched) => void): () => void {
    return add(this.#switched, listener)
  }

  /** Of a record that is in force now. */
  tell (record: StateRecord): void {
    if (record.kind === 'minted') return
    if (record.kind === 'address-unlocked') {
      // An old one is read again where a journal is written anew.
      if (record.at + unlockedMs > Date.now()) { for (const listener of this.#unlocked) listener(record.id) }
      return
    }
    if (record.kind === 'frozen' || record.kind === 'thawed') {
      for (const listener of this.#switched) listener(record)
      return
    }
    if (this.#isTelling) return
    this.#isTelling = true
    // Many may come at once: once for all of them.
    queueMicrotask(() => {
      this.#isTelling = false
      for (const listener of this.#revoked) listener()
    })
  }

  clear (): void {
    this.#revoked.clear()
    this.#unlocked.clear()
    this.#switched.clear()
  }
}

/** Returns how to end it. */
function add<T> (listeners: Set<T>, listener: T): () => void {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}
