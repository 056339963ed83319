/** Keys that the app has judged to be good, remembered for a while. */
import type { Verified } from '../principal/presented.js'
import type { Principal } from '../principal/principal.js'

/** So many are remembered; beyond it the oldest are forgotten. */
const maxRemembered = 10_000

export class RememberedKeys {
  /** By the digest of the key: who sees the memory has no key. */
  readonly #entries = new Map<string, { readonly verified: Verified, readonly at: number }>()
  readonly #ttlMs: number

  /** `ttlMs` of 0: nothing is remembered. */
  constructor (ttlMs: number) {
    this.#ttlMs = ttlMs
  }

  find (digest: string): Verified | undefined {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return undefined
    const { verified, at } = entry
    const { expiresAt = Infinity } = verified.principal
    // The age by a clock that can't be set back; the end of the key is a date.
    if (performance.now() - at < this.#ttlMs && expiresAt > Date.now()) return verified
    this.#entries.delete(digest)
    return undefined
  }

  add (digest: string, verified: Verified): void {
    if (this.#ttlMs === 0) return
    this.#entries.delete(digest)
    this.#entries.set(digest, { verified, at: performance.now() })
    if (this.#entries.size <= maxRemembered) return
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined) this.#entries.delete(oldest)
  }

  /** Forgets the keys of all callers that `isMeant` is true for. */
  drop (isMeant: (principal: Principal) => boolean): void {
    for (const [digest, { verified }] of this.#entries) {
      if (isMeant(verified.principal)) this.#entries.delete(digest)
    }
  }
}
