/** Tokens that wait to be fetched by a link: once, for minutes, in memory alone. */
import { randomBytes } from 'node:crypto'
import { sha256 } from '../lib/sha256.js'
import type { OwnRole } from '../principal/principal.js'

/** What is handed over. */
export interface Parcel {
  /** A credential. */
  readonly token: string
  readonly userId: string
  readonly role: OwnRole
  /** When the token ends, RFC 3339. */
  readonly expiresAt: string
}

export interface ClaimsOptions {
  /** Milliseconds that a token waits. Default 10 minutes. */
  readonly ttlMs?: number
  /** How many may wait at once. Default 1,000. */
  readonly max?: number
}

export interface Offer {
  /** Fetches the token, once. Begins like an API key, so that the log blots it out of URLs. */
  readonly code: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

interface Waiting {
  readonly parcel: Parcel
  readonly isGood: () => boolean
  readonly timer: NodeJS.Timeout
}

export class Claims {
  readonly #ttlMs: number
  readonly #max: number
  /** By the code's digest: who sees the memory by its timing learns nothing of a code. */
  readonly #waiting = new Map<string, Waiting>()

  constructor ({ ttlMs = 10 * 60_000, max = 1000 }: ClaimsOptions = {}) {
    this.#ttlMs = ttlMs
    this.#max = max
  }

  get isFull (): boolean {
    return this.#waiting.size >= this.#max
  }

  /** `isGood` is asked when the parcel is fetched: what was revoked meanwhile is not handed over. */
  offer (parcel: Parcel, isGood: () => boolean = () => true): Offer {
    const code = `mcp_claim_${randomBytes(32).toString('base64url')}`
    const digest = sha256(code)
    const timer = setTimeout(() => { this.#waiting.delete(digest) }, this.#ttlMs)
    timer.unref()
    this.#waiting.set(digest, { parcel, isGood, timer })
    return { code, expiresAt: Date.now() + this.#ttlMs }
  }

  /** What waits under this code, which is spent then; `undefined` where nothing does that is good still. */
  claim (code: string): Parcel | undefined {
    const digest = sha256(code)
    const found = this.#waiting.get(digest)
    this.#waiting.delete(digest)
    clearTimeout(found?.timer)
    return found?.isGood() === true ? found.parcel : undefined
  }

  close (): void {
    for (const { timer } of this.#waiting.values()) clearTimeout(timer)
    this.#waiting.clear()
  }
}
