/**
 * The port through which servers share minted tokens and revocations. Records are only ever added, so they
 * may arrive in any order.
 */
import type { Revocable } from './index-in-memory.js'
import type { LedgerRecord } from './records.js'

/** `added`: all records are shared. `refused`: none is, because the credential in `unless` was revoked. */
export type ShareResult = 'added' | 'refused'

export interface SharedRecords {
  /**
   * Shares records with every server. With `unless`, does so atomically, and only if that credential is not
   * revoked. Rejects with a `NotSharedError` if the store cannot be reached.
   */
  readonly add: (records: readonly LedgerRecord[], unless?: Revocable) => Promise<ShareResult>
  /**
   * Calls `apply` with all shared records, then with each new one, and with all again after a lost
   * connection. Shares the records of `mine` that the store lacks. Resolves after the first complete
   * synchronization.
   */
  readonly follow: (apply: (record: LedgerRecord) => void, mine: () => Iterable<LedgerRecord>) => Promise<void>
  /** Synchronizes both sides now. Rejects with a `NotSharedError`. */
  readonly merge: () => Promise<void>
}

/**
 * The name of a record's subject. Of several records with one name, the one with the largest weight applies.
 */
export function nameOf ({ kind, id }: LedgerRecord): string {
  return `${kind}:${id}`
}

/** When a record stops having an effect, in milliseconds since the epoch. */
export function endOf (record: LedgerRecord): number {
  switch (record.kind) {
    case 'minted': return record.expiresAt
    case 'token-revoked': return record.until ?? Infinity
    case 'address-unlocked': return record.at
    default: return Infinity
  }
}

/** The weight of a record among those with the same name. A whole number from 0. */
export function weightOf (record: LedgerRecord): number {
  switch (record.kind) {
    case 'subject-revoked': return Math.max(0, Math.floor(record.before))
    case 'token-revoked': return record.until === null ? Number.MAX_SAFE_INTEGER : Math.max(0, Math.floor(record.until))
    case 'address-unlocked':
    case 'frozen':
    case 'thawed': return Math.max(0, Math.floor(record.at))
    default: return 0
  }
}
