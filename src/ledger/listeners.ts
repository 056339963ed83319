/** Who is told of each record, of what was revoked, and of what was unlocked. */
import { unlockedMs } from './index-in-memory.js'
import type { StateRecord } from './records.js'

export class StateListeners {
  readonly #revoked = new Set<() => void>()
  readonly #unlocked = new Set<(address: string, at: number) => void>()
  readonly #records = new Set<(record: StateRecord) => void>()
  #isTelling = false

  onRevoked (listener: () => void): () => void {
    return add(this.#revoked, listener)
  }

  onUnlocked (listener: (address: string, at: number) => void): () => void {
    return add(this.#unlocked, listener)
  }

  onRecord (listener: (record: StateRecord) => void): () => void {
    return add(this.#records, listener)
  }

  /** Of a record that is in force now. */
  tell (record: StateRecord): void {
    for (const listener of this.#records) listener(record)
    if (record.kind === 'minted' || record.kind === 'frozen' || record.kind === 'thawed') return
    if (record.kind === 'address-unlocked') {
      // An old one is read again where a journal is written anew.
      if (record.at + unlockedMs > Date.now()) { for (const listener of this.#unlocked) listener(record.id, record.at) }
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
    this.#records.clear()
  }
}

/** Returns how to end it. */
function add<T> (listeners: Set<T>, listener: T): () => void {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}
