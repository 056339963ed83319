/** Remembers for a while which credentials proved good, without holding any of them. */
import type { Verified } from './credentials.js'

export interface KnownCredentialsOptions {
  /** How long after its verification a credential is known, in milliseconds. 0: nothing is ever known. */
  readonly ttlMs: number
  /** How many are remembered; beyond it those longest unused are forgotten. 10,000 where left out. */
  readonly max?: number
}

export interface KnownCredentials {
  readonly ttlMs: number
  /** Notes that a credential was verified just now. `kind` keeps a key from ever passing as a token. */
  remember: (kind: 'key' | 'token', digest: string, verified: Verified) => void
  /** What was verified at most `maxAgeMs` (the ttl where left out) ago and is still good, else `null`. */
  recall: (kind: 'key' | 'token', digest: string, maxAgeMs?: number) => Verified | null
  /** Forgets what a revocation, or the end of a key, has made worthless. */
  forget: (isWorthless: (verified: Verified) => boolean) => void
}

interface Entry {
  verified: Verified
  verifiedAt: number
}

/** Throws where `ttlMs` is negative or no number. Digests are SHA-256: credentials are not kept. */
export function createKnownCredentials ({ ttlMs, max = 10_000 }: KnownCredentialsOptions): KnownCredentials {
  if (!Number.isFinite(ttlMs) || ttlMs < 0) throw new RangeError('ttlMs must be a number of milliseconds, or 0 for off')
  // Two generations instead of a list in order of use: the older one goes when the younger is full.
  let young = new Map<string, Entry>()
  let old = new Map<string, Entry>()

  function keep (name: string, entry: Entry): void {
    if (young.size >= max / 2 && !young.has(name)) {
      old = young
      young = new Map()
    }
    young.set(name, entry)
  }

  function find (name: string): Entry | undefined {
    const entry = young.get(name)
    if (entry !== undefined) return entry
    const aged = old.get(name)
    if (aged !== undefined) keep(name, aged)
    return aged
  }

  return {
    ttlMs,

    remember (kind, digest, verified) {
      if (ttlMs === 0) return
      const name = `${kind}:${digest}`
      const entry = find(name)
      if (entry === undefined) return keep(name, { verified, verifiedAt: performance.now() })
      entry.verified = verified
      entry.verifiedAt = performance.now()
    },

    recall (kind, digest, maxAgeMs = ttlMs) {
      if (ttlMs === 0) return null
      const entry = find(`${kind}:${digest}`)
      if (entry === undefined) return null
      const { verified, verifiedAt } = entry
      // The age by a clock that can't be set back; the expiry is a date and needs the other one.
      if (performance.now() - verifiedAt >= maxAgeMs) return null
      const { expiresAt } = verified.principal
      return expiresAt !== undefined && expiresAt <= Date.now() ? null : verified
    },

    forget (isWorthless) {
      for (const generation of [young, old]) {
        for (const [name, { verified }] of generation) if (isWorthless(verified)) generation.delete(name)
      }
    }
  }
}
