/** Remembers which credentials were valid, by digest, for a while. */
import { type KnownThere, MemoryKnownThere } from './known-there.js'
import type { Verified } from './presented.js'

export interface KnownCredentialsOptions {
  /** How long after its verification a credential is known, in milliseconds. 0: nothing is ever known. */
  readonly ttlMs: number
  /** How many of each kind are remembered; beyond it those longest unused are forgotten. 10,000 where left out. */
  readonly max?: number
  /** Which of them were let in at which address. In memory where left out. */
  readonly there?: KnownThere
}

export type CredentialKind = 'key' | 'token'

export interface KnownCredentials {
  readonly ttlMs: number
  /** A credential passes the lock of an address only where it was let in at that address. */
  readonly there: KnownThere
  /** How many credentials are remembered. */
  readonly size: number
  /** Notes that a credential was verified just now. `kind` keeps a key from ever passing as a token. */
  remember: (kind: CredentialKind, digest: string, verified: Verified) => void
  /** What was verified at most `maxAgeMs` (the ttl where left out) ago and is still good, else `null`. */
  recall: (kind: CredentialKind, digest: string, maxAgeMs?: number) => Verified | null
}

interface Entry {
  verified: Verified
  verifiedAt: number
}

/** Throws where `ttlMs` is negative or no number. Digests are SHA-256: credentials are not kept. */
export function createKnownCredentials ({ ttlMs, max = 10_000, there }: KnownCredentialsOptions): KnownCredentials {
  if (!Number.isFinite(ttlMs) || ttlMs < 0) throw new RangeError('ttlMs must be a number of milliseconds, or 0 for off')
  // A map a kind, not a prefix: joining and hashing a fresh text costs as much as the SHA-256 before it.
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
      // The age by a clock that can't be set back; the expiry is a date and needs the other one.
      if (performance.now() - verifiedAt >= maxAgeMs) return null
      const { expiresAt } = verified.principal
      return expiresAt !== undefined && expiresAt <= Date.now() ? null : verified
    }
  }
}

/** Two generations instead of a list in order of use: the older one goes when the younger is full. */
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
