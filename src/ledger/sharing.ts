/** Connects the state to the shared store. Shared records apply at once and reach the journal later. */
import { NotSharedError } from '../fleet/bus.js'
import { StateError } from './file/directory.js'
import type { Revocable } from './index-in-memory.js'
import type { Revocation, LedgerRecord } from './records.js'
import { nameOf, type ShareResult, type SharedRecords } from './shared-records.js'

export interface Side {
  readonly holds: (record: LedgerRecord) => boolean
  readonly apply: (record: LedgerRecord) => void
  readonly live: () => Iterable<LedgerRecord>
  /** Writes to the journal. Left out: there is no journal. */
  readonly write: ((make: () => readonly LedgerRecord[]) => Promise<void>) | undefined
}

/** Many records arrive at once after a lost connection. */
const writeDelayMs = 50

export class Sharing {
  /** Resolves once the shared records are applied. */
  readonly merged: Promise<void>
  readonly #share: SharedRecords
  readonly #side: Side
  /** Records from other servers that are not in the journal yet, by name. */
  readonly #unwritten = new Map<string, LedgerRecord>()
  #timer: NodeJS.Timeout | undefined

  constructor (share: SharedRecords, side: Side) {
    this.#share = share
    this.#side = side
    this.merged = share.follow(record => { this.#takeIn(record) }, side.live)
  }

  /** Throws a `StateError` if the records cannot be shared now; they are shared later. */
  async add (records: readonly LedgerRecord[], unless?: Revocable): Promise<ShareResult> {
    return await inWords(this.#share.add(records, unless))
  }

  /**
   * Adds `all`. With `again`, repeats until no token remains that a revoked credential created: another
   * server may have minted one in the meantime.
   */
  async addAll (all: () => readonly Revocation[], again: boolean): Promise<void> {
    const told = new Set<string>()
    for (;;) {
      const records = all().filter(record => !told.has(nameOf(record)))
      if (records.length === 0) return
      for (const record of records) {
        this.#takeIn(record)
        told.add(nameOf(record))
      }
      await this.add(records)
      if (!again) return
      await inWords(this.#share.merge())
    }
  }

  /** Called when the journal already has this record, from another server with the same directory. */
  wasWritten (record: LedgerRecord): void {
    this.#unwritten.delete(nameOf(record))
  }

  async close (): Promise<void> {
    clearTimeout(this.#timer)
    await this.#write()
  }

  #takeIn (record: LedgerRecord): void {
    if (this.#side.holds(record)) return
    this.#side.apply(record)
    if (this.#side.write === undefined) return
    this.#unwritten.set(nameOf(record), record)
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#write().catch(() => {})
    }, writeDelayMs).unref()
  }

  /** Never rejects: the state reports a journal that cannot be written, and rewrites it from memory later. */
  async #write (): Promise<void> {
    if (this.#unwritten.size === 0) return
    await this.#side.write?.(() => {
      const records = [...this.#unwritten.values()]
      this.#unwritten.clear()
      return records
    }).catch(() => {})
  }
}

/** Replaces a failure of the shared store by an error for the operator. */
async function inWords<T> (work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof NotSharedError)) throw error
    throw new StateError(
      'The other servers were not notified, because Redis (REDIS_URL) cannot be reached. A revocation is in ' +
        'effect on this server, and on the others once Redis can be reached again.'
    )
  }
}
