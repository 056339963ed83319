/** The state in memory: answers every request, and holds what a compacted journal contains. */
import type { Principal } from '../principal/principal.js'
import { Freezes } from '../freeze/freezes.js'
import type {
  AddressUnlocked,
  KeyRevoked,
  Minted,
  StateRecord,
  SubjectRevoked,
  Switched,
  TokenRevoked
} from './records.js'

/** What of a credential a revocation may name. */
export type Revocable = Pick<Principal, 'id' | 'tokenId' | 'keyId' | 'issuedAt'>

export class Ledger {
  readonly minted = new Map<string, Minted>()
  readonly freezes = new Freezes<Switched>()
  readonly #toleranceMs: number
  readonly #tokens = new Map<string, TokenRevoked>()
  readonly #keys = new Map<string, KeyRevoked>()
  readonly #subjects = new Map<string, SubjectRevoked>()
  readonly #unlocked = new Map<string, AddressUnlocked>()
  /** When the last of what is in was written. */
  #newestAt = -Infinity
  /** Both clocks at one moment: what has passed since is told by the one that nobody sets. */
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

  /** The time by which to forget: a clock that is set ahead while this process runs does not count. */
  get nowMs (): number {
    return Math.min(Date.now(), this.#openedAt + performance.now() - this.#openedOnClock)
  }

  /** Takes a record in, in any order and any number of times. True where it changed something. */
  apply (record: StateRecord): boolean {
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

  /** When an address was unlocked last; `-Infinity` where that is not known. */
  unlockedAt (address: string): number {
    return this.#unlocked.get(address)?.at ?? -Infinity
  }

  /** True where `record`, or one that says more, is in. */
  holds (record: StateRecord): boolean {
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
   * True where the credential is one that was revoked. One without a time of issue falls under
   * every revocation of its subject. The second of issue that a token tells is too coarse to say
   * what came first within it, so the record of its minting is asked, too. A key was issued by our
   * own clock, which needs no tolerance: a new one would be dead at once, and for good.
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

  /** What has not outlived its purpose. */
  * live (nowMs: number): Generator<StateRecord> {
    yield * this.#chains(nowMs)
    for (const record of this.#tokens.values()) if (!this.#isForgotten(record, nowMs)) yield record
    yield * this.#keys.values()
    yield * this.#subjects.values()
    for (const record of this.#unlocked.values()) if (record.at + unlockedMs > nowMs) yield record
    yield * this.freezes.records()
  }

  /** Forgets what has. */
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
   * A token whose revocation is forgotten under a clock that is ahead would be good again once that
   * is put right. So the clock alone never tells: something has to have been written that late, too.
   */
  #isForgotten ({ until }: TokenRevoked, nowMs: number): boolean {
    return until !== null && until + graceMs <= Math.min(nowMs, this.#newestAt)
  }

  /** The tokens that are good, and those they were minted with, however long ago: the chain has no gap. */
  #chains (nowMs: number): Minted[] {
    const kept = new Set<Minted>()
    for (const record of this.minted.values()) {
      if (record.expiresAt + marginMs <= nowMs) continue
      // Records come in any order from other servers: the chain is followed and not the order.
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

/** Of a token on record; longer than any tolerance for clocks. */
const marginMs = 60 * 60_000
/** Longer than a process is late with what others wrote. */
export const unlockedMs = 60 * 60_000
/** Of a revocation: longer than a clock is wrong before somebody sees it. */
const graceMs = 30 * 24 * 60 * 60_000

function endOf (record: TokenRevoked | undefined): number {
  return record?.until ?? Infinity
}
