/**
 * The port through which servers share what was minted and revoked. Records only ever add up, so they may
 * come in any order.
 */
import type { Revocable } from './index-in-memory.js'
import type { StateRecord } from './records.js'

/** `added`: all of it is shared. `refused`: nothing is, because the credential in `unless` was revoked. */
export type Shared = 'added' | 'refused'

export interface SharedRecords {
  /**
   * Shares records with every server. With `unless` atomically, and only where that credential was not
   * revoked. Rejects with a `NotSharedError` where the store cannot be reached.
   */
  readonly add: (records: readonly StateRecord[], unless?: Revocable) => Promise<Shared>
  /**
   * Calls `apply` with all that is shared, then with what comes, and after a break with all again; shares
   * what `mine` has and the others lack. Resolves once both sides are the same for the first time.
   */
  readonly follow: (apply: (record: StateRecord) => void, mine: () => Iterable<StateRecord>) => Promise<void>
  /** Makes both sides the same now. Rejects with a `NotSharedError`. */
  readonly merge: () => Promise<void>
}

/** What a record is about: of several with one name the heaviest counts. */
export function nameOf ({ kind, id }: StateRecord): string {
  return `${kind}:${id}`
}

/** When a record says nothing any more, in milliseconds since the epoch. */
export function endOf (record: StateRecord): number {
  switch (record.kind) {
    case 'minted': return record.expiresAt
    case 'token-revoked': return record.until ?? Infinity
    case 'address-unlocked': return record.at
    default: return Infinity
  }
}

/** How much a record says, beside others of its name. A whole number from 0. */
export function weightOf (record: StateRecord): number {
  switch (record.kind) {
    case 'subject-revoked': return Math.max(0, Math.floor(record.before))
    case 'token-revoked': return record.until === null ? Number.MAX_SAFE_INTEGER : Math.max(0, Math.floor(record.until))
    case 'address-unlocked':
    case 'frozen':
    case 'thawed': return Math.max(0, Math.floor(record.at))
    default: return 0
  }
}
