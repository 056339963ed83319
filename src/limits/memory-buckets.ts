/** Counts what keys used of fixed windows, in bounded memory, and never forgets a live count. */
import { randomUUID } from 'node:crypto'
import { sha256 } from '../lib/sha256.js'

export interface BucketStoreOptions {
  /** Milliseconds from a key's first hit to its fresh start. */
  readonly windowMs: number
  /** Keys with a bucket of their own; more of them share buckets. 50,000 where left out. */
  readonly maxKeys?: number
  /** Milliseconds that never go back. `performance.now` where left out: a set-back clock freezes no window. */
  readonly now?: () => number
}

export interface Count {
  /** Used in this window; above the caller's `max` where the hit was refused. */
  readonly current: number
  /** Milliseconds until the window ends; 0 without a window. */
  readonly ttl: number
}

export interface BucketStore {
  /**
   * Takes `cost` from the key's bucket, all or nothing: what would lead beyond `max` is refused
   * and leaves the bucket as it was.
   */
  take: (key: string, cost: number, max: number) => Count
  /** What `take` has counted so far; changes nothing. */
  read: (key: string) => Count
  /**
   * Takes over what is known from elsewhere: at least so much was used in the window that ends then, by
   * the clock of `now`. Another window takes the place of the one that is known; where there is no room
   * for a bucket of its own, nothing is noted.
   */
  note: (key: string, used: number, endsAt: number) => void
  /** Empties the key's bucket; where it shares one, that of all who do. */
  clear: (key: string) => void
  /** Buckets held, for a test of the bound. */
  size: () => number
}

interface Bucket {
  used: number
  endsAt: number
}

/** Longer keys are kept as a digest: a caller chooses its `sub`, not our memory. */
const maxKeyLength = 64
/** Buckets for the keys beyond `maxKeys`. */
const sharedBuckets = 4096
/** Two accounts of one window differ by a trip. */
const sameWindowMs = 500
const nothing: Count = Object.freeze({ current: 0, ttl: 0 })

/**
 * Two generations instead of an LRU: a bucket made in one window is dead when the next one is
 * over, so a whole generation is dropped at once and no flood can push a live bucket out. When
 * both are full, new keys share buckets by a hash that is secret, so that nobody can aim at a
 * neighbour.
 */
export function createBucketStore ({
  windowMs,
  maxKeys = 50_000,
  now = () => performance.now()
}: BucketStoreOptions): BucketStore {
  const secret = randomUUID()
  let young = new Map<string, Bucket>()
  let old = new Map<string, Bucket>()
  let shared: Bucket[] = []
  let turnsAt = now() + windowMs
  let sharedUntil = 0

  function turn (at: number): void {
    if (at < turnsAt) return
    old = at < turnsAt + windowMs ? young : new Map()
    young = new Map()
    turnsAt = at + windowMs
    if (at >= sharedUntil) shared = []
  }

  function sharedIndex (key: string): number {
    return Number.parseInt(sha256(secret + key).slice(0, 8), 16) % sharedBuckets
  }

  /** The live bucket of a key. A live shared one stays the key's own, also when there is room again. */
  function find (key: string, at: number): Bucket | undefined {
    const own = young.get(key) ?? old.get(key)
    if (own !== undefined && own.endsAt > at) return own
    if (at >= sharedUntil) return undefined
    const common = shared[sharedIndex(key)]
    return common !== undefined && common.endsAt > at ? common : undefined
  }

  function add (key: string, bucket: Bucket): void {
    if (young.size + old.size < maxKeys) {
      young.set(key, bucket)
    } else {
      shared[sharedIndex(key)] = bucket
      sharedUntil = bucket.endsAt
    }
  }

  return {
    take (longKey, cost, max) {
      const at = now()
      turn(at)
      const key = shorten(longKey)
      const bucket = find(key, at)
      if (bucket === undefined) {
        if (cost <= max) add(key, { used: cost, endsAt: at + windowMs })
        return { current: cost, ttl: windowMs }
      }
      const current = bucket.used + cost
      if (current <= max) bucket.used = current
      return { current, ttl: bucket.endsAt - at }
    },

    read (longKey) {
      const at = now()
      turn(at)
      const bucket = find(shorten(longKey), at)
      return bucket === undefined ? nothing : { current: bucket.used, ttl: bucket.endsAt - at }
    },

    note (longKey, used, endsAt) {
      const at = now()
      turn(at)
      const key = shorten(longKey)
      const own = young.get(key) ?? old.get(key)
      if (own !== undefined && own.endsAt > at && Math.abs(own.endsAt - endsAt) <= sameWindowMs) {
        own.used = Math.max(own.used, used)
        own.endsAt = Math.min(own.endsAt, endsAt)
      } else if (endsAt > at && young.size + old.size < maxKeys) {
        old.delete(key)
        young.set(key, { used, endsAt })
      } else if (endsAt <= at) {
        young.delete(key)
        old.delete(key)
      }
    },

    clear (longKey) {
      const key = shorten(longKey)
      young.delete(key)
      old.delete(key)
      if (shared.length > 0) delete shared[sharedIndex(key)]
    },

    size: () => young.size + old.size + Object.keys(shared).length
  }
}

function shorten (key: string): string {
  return key.length <= maxKeyLength ? key : sha256(key)
}
