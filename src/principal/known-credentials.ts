/** A cache of recently valid credentials, by digest. */
import { type KnownThere, MemoryKnownThere } from './known-there.js'
import type { Verified } from './presented.js'

export interface KnownCredentialsOptions {
  /** How long a verified credential stays in the cache, in milliseconds. 0 turns the cache off. */
  readonly ttlMs: number
  /** Entries per kind; beyond that the least recently used are dropped. Default 10,000. */
  readonly max?: number
  /** Remembers which credentials were accepted from which address. Default in memory. */
  readonly there?: KnownThere
}

export type CredentialKind = 'key' | 'token'

export interface KnownCredentials {
  readonly ttlMs: number
  /** A credential passes a locked address only if it was accepted from that address before. */
  readonly there: KnownThere
  /** The number of cached credentials. */
  readonly size: number
  /** Stores a credential that was just verified. `kind` keeps a key from passing as a token. */
  remember: (kind: CredentialKind, digest: string, verified: Verified) => void
  /**
   * The entry if it was verified at most `maxAgeMs` (default: the ttl) ago and is still valid, else `null`.
   */
  recall: (kind: CredentialKind, digest: string, maxAgeMs?: number) => Verified | null
}

interface Entry {
  verified: Verified
  verifiedAt: number
}

/**
 * Stores SHA-256 digests, not credentials. Throws a `RangeError` if `ttlMs` is negative or not a number. Pass the same
 * one to `preauth-limit`, which lets its credentials pass from a locked address.
 *
 * @example
 * const known = createKnownCredentials({ ttlMs: 600_000 })
 * await app.register(preauthLimit, { known })
 * await app.register(auth, { apiKeys: [key], known })
 */
export function createKnownCredentials ({ ttlMs, max = 10_000, there }: KnownCredentialsOptions): KnownCredentials {
  if (!Number.isFinite(ttlMs) || ttlMs < 0) throw new RangeError('ttlMs must be a number of milliseconds, or 0 for off')
  // One map per kind instead of a key prefix: building and hashing a new string costs as much as the SHA-256.
  const kinds = { key: new Generations(max), token: new Generations(max) }

  return {
    ttlMs,

    get size () { return kinds.key.size + kinds.token.size },

    there: there ?? new MemoryKnownThere({ ttlMs, max: 2 * max }),

    remember (kind, digest, verified) {
      if (ttlMs === 0) return
      const entry = kinds[kind].find(digest)
      if (entry === undefined) return kinds[kind].keep(digest, { verified, verifiedAt: performance.now() })
      entry.verified = verified
      entry.verifiedAt = performance.now()
    },

    recall (kind, digest, maxAgeMs = ttlMs) {
      const entry = kinds[kind].find(digest)
      if (entry === undefined) return null
      const { verified, verifiedAt } = entry
      // Age is measured by the monotonic clock; the expiry is a date and needs the wall clock.
      if (performance.now() - verifiedAt >= maxAgeMs) return null
      const { expiresAt } = verified.principal
      return expiresAt !== undefined && expiresAt <= Date.now() ? null : verified
    }
  }
}

/** Two generations approximate an LRU list: when the younger is full, the older one is dropped. */
class Generations {
  readonly #max: number
  #young = new Map<string, Entry>()
  #old = new Map<string, Entry>()

  constructor (max: number) {
    this.#max = max
  }

  get size (): number {
    return this.#young.size + this.#old.size
  }

  keep (digest: string, entry: Entry): void {
    if (this.#young.size >= this.#max / 2) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(digest, entry)
  }

  find (digest: string): Entry | undefined {
    const entry = this.#young.get(digest)
    if (entry !== undefined) return entry
    const aged = this.#old.get(digest)
    if (aged !== undefined) this.keep(digest, aged)
    return aged
  }
}
