/** The port of managed keys: where their records and last uses are stored. */
import type { Changed } from './file.js'
import type { KeyRing } from './ring.js'
import type { KeyRecord } from './record.js'
import type { LastUsed } from './last-use.js'

export interface KeySet {
  /** Another one after each change; 0 where there are no keys yet. */
  readonly version: number
  readonly records: readonly KeyRecord[]
}

export interface KeySource {
  /** Rejects where it cannot be read. */
  readonly read: () => Promise<KeySet>
  /**
   * Changes the records alone: of several that do at once none undoes what another wrote. `make` may run again,
   * and what it throws leaves the records as they were.
   */
  readonly change: <T>(make: (records: readonly KeyRecord[]) => Changed<T>) => Promise<T>
  /** Puts these back where there is nothing at all any more. */
  readonly restore: (keys: KeySet) => Promise<void>
  /** Calls `listener` when the keys may have changed. Returns how to end that. */
  readonly onChange: (listener: () => void) => () => void
}

export interface UsageStore {
  /** `undefined` where it cannot be read. */
  readonly read: () => Promise<LastUsed | undefined>
  /** Keeps the latest of each. Rejects where it cannot be written. */
  readonly write: (uses: LastUsed) => Promise<void>
}

/** The keys of a running server, wherever they are kept. */
export interface FollowedKeys extends KeyRing {
  /** As they were read last. */
  readonly records: readonly KeyRecord[]
  /** Sentences for the operator about what is not as it should be; empty where all is well. */
  readonly problems: () => readonly string[]
  /** Calls `listener` after each change of the keys, and when one ends. Returns how to end that. */
  readonly onChange: (listener: () => void) => () => void
  readonly close: () => Promise<void>
}
