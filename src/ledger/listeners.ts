/** The listeners for records, revocations and unlocked addresses. */
import { unlockedMs } from './index-in-memory.js'
import type { LedgerRecord } from './records.js'

export class LedgerListeners {
  readonly #revoked = new Set<() => void>()
  readonly #unlocked = new Set<(address: string, at: number) => void>()
  readonly #records = new Set<(record: LedgerRecord) => void>()
  #isTelling = false

  onRevoked (listener: () => void): () => void {
    return add(this.#revoked, listener)
  }

  onUnlocked (listener: (address: string, at: number) => void): () => void {
    return add(this.#unlocked, listener)
  }

  onRecord (listener: (record: LedgerRecord) => void): () => void {
    return add(this.#records, listener)
  }

  /** Called with a record that has just taken effect. */
  tell (record: LedgerRecord): void {
    for (const listener of this.#records) listener(record)
    if (record.kind === 'minted' || record.kind === 'frozen' || record.kind === 'thawed') return
    if (record.kind === 'address-unlocked') {
      // Old records are read again after the journal is rewritten.
      if (record.at + unlockedMs > Date.now()) { for (const listener of this.#unlocked) listener(record.id, record.at) }
      return
    }
    if (this.#isTelling) return
    this.#isTelling = true
    // Many records may come at once: listeners are called once for all of them.
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

/** Returns a function that removes the listener. */
function add<T> (listeners: Set<T>, listener: T): () => void {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}
