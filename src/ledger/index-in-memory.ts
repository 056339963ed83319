/** The state in memory. It answers every request, and a compacted journal contains the same records. */
import type { Principal } from '../principal/principal.js'
import { Freezes } from '../freeze/freezes.js'
import type {
  AddressUnlocked,
  KeyRevoked,
  Minted,
  LedgerRecord,
  SubjectRevoked,
  Switched,
  TokenRevoked
} from './records.js'

/** The parts of a credential that a revocation can refer to. */
export type Revocable = Pick<Principal, 'id' | 'tokenId' | 'keyId' | 'issuedAt'>

export class LedgerIndex {
  readonly minted = new Map<string, Minted>()
  readonly freezes = new Freezes<Switched>()
  readonly #toleranceMs: number
  readonly #tokens = new Map<string, TokenRevoked>()
  readonly #keys = new Map<string, KeyRevoked>()
  readonly #subjects = new Map<string, SubjectRevoked>()
  readonly #unlocked = new Map<string, AddressUnlocked>()
  /** The latest write time of all records. */
  #newestAt = -Infinity
  /** Wall clock and monotonic clock at one moment. Elapsed time is measured by the monotonic clock. */
  readonly #openedAt = Date.now()
  readonly #openedOnClock = performance.now()

  /** `toleranceMs`: how far the clocks of issuers may be ahead of ours. */
  constructor (toleranceMs = 0) {
    this.#toleranceMs = toleranceMs
  }

  get size (): number {
    return (
      this.minted.size +
      this.#tokens.size +
      this.#keys.size +
      this.#subjects.size +
      this.#unlocked.size +
      this.freezes.size
    )
  }

  /** The current time for expiry. It ignores a wall clock that is set ahead while this process runs. */
  get nowMs (): number {
    return Math.min(Date.now(), this.#openedAt + performance.now() - this.#openedOnClock)
  }

  /** Applies a record. Records may come in any order and repeatedly. Returns true if it changed something. */
  apply (record: LedgerRecord): boolean {
    this.#newestAt = Math.max(this.#newestAt, record.at)
    if (this.holds(record)) return false
    switch (record.kind) {
      case 'minted': this.minted.set(record.id, record); break
      case 'token-revoked': this.#tokens.set(record.id, record); break
      case 'key-revoked': this.#keys.set(record.id, record); break
      case 'subject-revoked': this.#subjects.set(record.id, record); break
      case 'address-unlocked': this.#unlocked.set(record.id, record); break
      case 'frozen':
      case 'thawed': this.freezes.apply(record)
    }
    return true
  }

  /** When an address was last unlocked. `-Infinity` if it never was, as far as is known. */
  unlockedAt (address: string): number {
    return this.#unlocked.get(address)?.at ?? -Infinity
  }

  /** True if the ledger holds `record`, or a record that supersedes it. */
  holds (record: LedgerRecord): boolean {
    switch (record.kind) {
      case 'minted': return this.minted.has(record.id)
      case 'key-revoked': return this.#keys.has(record.id)
      case 'token-revoked': return this.#tokens.has(record.id) && endOf(this.#tokens.get(record.id)) >= endOf(record)
      case 'subject-revoked': return (this.#subjects.get(record.id)?.before ?? -1) >= record.before
      case 'address-unlocked': return (this.#unlocked.get(record.id)?.at ?? -1) >= record.at
      case 'frozen':
      case 'thawed': return this.freezes.holds(record)
    }
  }

  /**
   * True if the credential was revoked. A credential without a time of issue falls under every revocation of
   * its subject. `iat` counts whole seconds, which is too coarse to order a minting and a revocation within
   * the same second, so the record of the minting is used as well. API keys get no clock tolerance, because
   * our own clock issued them: with a tolerance, a key created right after a revocation would itself be
   * revoked.
   */
  isRevoked ({ id, tokenId, keyId, issuedAt }: Revocable): boolean {
    if (tokenId !== undefined && this.#tokens.has(tokenId)) return true
    if (keyId !== undefined && this.#keys.has(keyId)) return true
    const before = this.#subjects.get(id)?.before
    if (before === undefined) return false
    if (issuedAt === undefined) return true
    const mintedAt = tokenId === undefined ? undefined : this.minted.get(tokenId)?.at
    const isSameSecond = mintedAt !== undefined && mintedAt >= issuedAt && mintedAt < issuedAt + 1000
    const toleranceMs = keyId === undefined ? this.#toleranceMs : 0
    return (isSameSecond ? mintedAt : issuedAt - toleranceMs) <= before
  }

  /** The records that still have an effect. */
  * live (nowMs: number): Generator<LedgerRecord> {
    yield * this.#chains(nowMs)
    for (const record of this.#tokens.values()) if (!this.#isForgotten(record, nowMs)) yield record
    yield * this.#keys.values()
    yield * this.#subjects.values()
    for (const record of this.#unlocked.values()) if (record.at + unlockedMs > nowMs) yield record
    yield * this.freezes.records()
  }

  /** Removes the records that no longer have an effect. */
  sweep (nowMs: number): void {
    const kept = this.#chains(nowMs)
    if (kept.length < this.minted.size) {
      this.minted.clear()
      for (const record of kept) this.minted.set(record.id, record)
    }
    for (const record of this.#tokens.values()) if (this.#isForgotten(record, nowMs)) this.#tokens.delete(record.id)
    for (const { id, at } of this.#unlocked.values()) if (at + unlockedMs <= nowMs) this.#unlocked.delete(id)
  }

  /**
   * If a revocation were forgotten while the clock is ahead, the token would become valid again once the
   * clock is corrected. So the clock alone is not enough: a record must have been written at that time, too.
   */
  #isForgotten ({ until }: TokenRevoked, nowMs: number): boolean {
    return until !== null && until + graceMs <= Math.min(nowMs, this.#newestAt)
  }

  /** Valid tokens, and all their ancestors by minting, even expired ones, so that the chain has no gap. */
  #chains (nowMs: number): Minted[] {
    const kept = new Set<Minted>()
    for (const record of this.minted.values()) {
      if (record.expiresAt + marginMs <= nowMs) continue
      // Records from other servers come in any order, so this follows the chain instead of the order.
      for (let next: Minted | undefined = record; next !== undefined && !kept.has(next);) {
        kept.add(next)
        next = next.by.tokenId === undefined ? undefined : this.minted.get(next.by.tokenId)
      }
    }
    return kept.size === this.minted.size
      ? [...this.minted.values()]
      : [...this.minted.values()].filter(record => kept.has(record))
  }
}

/** How long an expired token stays on record. Longer than any clock tolerance. */
const marginMs = 60 * 60_000
/** How long an unlocking is kept. Longer than a process needs to see what others wrote. */
export const unlockedMs = 60 * 60_000
/** How long a revocation outlives its token. Longer than a wrong clock is likely to stay unnoticed. */
const graceMs = 30 * 24 * 60 * 60_000

function endOf (record: TokenRevoked | undefined): number {
  return record?.until ?? Infinity
}
