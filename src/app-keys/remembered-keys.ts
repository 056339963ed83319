/** A cache of keys that the app verified. */
import type { Verified } from '../principal/presented.js'
import type { Principal } from '../principal/principal.js'

/** The size of the cache; beyond it the oldest entries are dropped. */
const maxRemembered = 10_000

export class RememberedKeys {
  /** By the digest of the key, so that the memory contains no keys. */
  readonly #entries = new Map<string, { readonly verified: Verified, readonly at: number }>()
  readonly #ttlMs: number

  /** A `ttlMs` of 0 turns the cache off. */
  constructor (ttlMs: number) {
    this.#ttlMs = ttlMs
  }

  find (digest: string): Verified | undefined {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return undefined
    const { verified, at } = entry
    const { expiresAt = Infinity } = verified.principal
    // Age is measured by the monotonic clock; the expiry of the key is a date.
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

  /** Drops the keys of all callers that match `isMeant`. */
  drop (isMeant: (principal: Principal) => boolean): void {
    for (const [digest, { verified }] of this.#entries) {
      if (isMeant(verified.principal)) this.#entries.delete(digest)
    }
  }
}
