/** The port for managed keys: stores their records and times of last use. */
import type { Changed } from './file.js'
import type { KeyRing } from './ring.js'
import type { KeyRecord } from './record.js'

/** Milliseconds since the epoch, by key id. */
export type LastUsed = ReadonlyMap<string, number>

export interface KeySet {
  /** Differs after each change. 0 if there are no keys yet. */
  readonly version: number
  readonly records: readonly KeyRecord[]
}

export interface KeySource {
  /** Rejects if the source cannot be read. */
  readonly read: () => Promise<KeySet>
  /**
   * Changes the records atomically, so that concurrent changes do not overwrite each other. `make` may run
   * again. If it throws, the records stay as they were.
   */
  readonly change: <T>(make: (records: readonly KeyRecord[]) => Changed<T>) => Promise<T>
  /** Restores these records if the store has become empty. */
  readonly restore: (keys: KeySet) => Promise<void>
  /** Calls `listener` when the keys may have changed. Returns an unsubscriber. */
  readonly onChange: (listener: () => void) => () => void
}

export interface UsageStore {
  /** `undefined` if it cannot be read. */
  readonly read: () => Promise<LastUsed | undefined>
  /** Keeps the latest time of each key. Rejects if it cannot be written. */
  readonly write: (uses: LastUsed) => Promise<void>
}

/** The keys of a running server, from any source. */
export interface FollowedKeys extends KeyRing {
  /** The records as last read. */
  readonly records: readonly KeyRecord[]
  /** Problems, as sentences for the operator. Empty if there are none. */
  readonly problems: () => readonly string[]
  /** Calls `listener` after each change of the keys, and when one expires. Returns an unsubscriber. */
  readonly onChange: (listener: () => void) => () => void
  readonly close: () => Promise<void>
}
