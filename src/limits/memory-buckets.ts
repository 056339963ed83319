/** Counts hits per key in fixed windows. Memory is bounded, and no live count is ever dropped. */
import { randomUUID } from 'node:crypto'
import { sha256 } from '../lib/sha256.js'

export interface MemoryBucketsOptions {
  /** The window in milliseconds, from a key's first hit. */
  readonly windowMs: number
  /** Keys with their own bucket. Further keys share buckets. Default 50,000. */
  readonly maxKeys?: number
  /** A clock in milliseconds that never goes back, or windows would freeze. Default `performance.now`. */
  readonly now?: () => number
}

export interface Count {
  /** The use in this window. Above the caller's `max` if the hit was refused. */
  readonly current: number
  /** Milliseconds until the window ends; 0 if there is no window. */
  readonly ttlMs: number
}

export interface MemoryBuckets {
  /**
   * Takes `cost` from the key's bucket, all or nothing. A hit that would exceed `max` is refused and leaves
   * the bucket unchanged.
   */
  take: (key: string, cost: number, max: number) => Count
  /** The count so far; changes nothing. */
  read: (key: string) => Count
  /**
   * Applies a count from another source: at least this much was used in the window that ends at that time (of
   * the clock `now`). A different window replaces the known one. Does nothing if there is no room for an own
   * bucket.
   */
  note: (key: string, used: number, endsAt: number) => void
  /** Empties the key's bucket, even if other keys share it. */
  clear: (key: string) => void
  /** The number of buckets, to test the bound. */
  size: () => number
}

interface Bucket {
  used: number
  endsAt: number
}

/** Longer keys are stored as a digest, because a caller may choose a long `sub` to fill the memory. */
const maxKeyLength = 64
/** Buckets for the keys beyond `maxKeys`. */
const sharedBuckets = 4096
/** The ends of one window, as two sources report it, differ by a network round trip. */
const sameWindowMs = 500
const nothing: Count = Object.freeze({ current: 0, ttlMs: 0 })

/**
 * Uses two generations instead of an LRU list. A bucket from one window has expired when the next one ends,
 * so a whole generation is dropped at once, and a flood cannot evict live buckets. When both are full, new
 * keys share buckets by a secret hash, so that an attacker cannot choose to share a victim's bucket.
 */
export function createMemoryBuckets ({
  windowMs,
  maxKeys = 50_000,
  now = () => performance.now()
}: MemoryBucketsOptions): MemoryBuckets {
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

  /** The live bucket of a key. A key keeps its live shared bucket, even when there is room again. */
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
        return { current: cost, ttlMs: windowMs }
      }
      const current = bucket.used + cost
      if (current <= max) bucket.used = current
      return { current, ttlMs: bucket.endsAt - at }
    },

    read (longKey) {
      const at = now()
      turn(at)
      const bucket = find(shorten(longKey), at)
      return bucket === undefined ? nothing : { current: bucket.used, ttlMs: bucket.endsAt - at }
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
