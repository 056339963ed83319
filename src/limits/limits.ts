/**
 * The port for all limits: buckets that fill during a window, and places that are held and released.
 * Arguments and results are plain JSON.
 */
import type { Eventually } from '../lib/eventually.js'

export interface BucketAsk {
  /** A name from `bucketOf`. */
  readonly bucket: string
  /** A whole number from 1, or 0 for a look. */
  readonly cost: number
  readonly max: number
  /** The window in milliseconds, from the first hit. */
  readonly windowMs: number
}

/** One of `max` places. The holder releases it, or it expires `leaseMs` after the last ask. */
export interface PlaceAsk {
  /** A name from `bucketOf`. */
  readonly place: string
  /** The holder. Another ask with the same holder keeps the place. */
  readonly holder: string
  readonly max: number
  readonly leaseMs: number
}

export type Ask = BucketAsk | PlaceAsk

export interface Taken {
  /** True if the ask was granted. For a look: true if something is left. */
  readonly fits: boolean
  /** The use of the bucket, or the number of places taken. */
  readonly used: number
  /** Milliseconds until the window ends; 0 if nothing was used. */
  readonly ttlMs: number
}

export interface Limits {
  /** True if `known` is complete, because nobody else counts. */
  readonly isExact: boolean
  /**
   * Takes all asks or none. The answer ends with the first ask that does not fit. A bucket must not be
   * repeated in the list. Never rejects, even if a store cannot be reached.
   */
  readonly take: (asks: readonly Ask[]) => Eventually<readonly Taken[]>
  /** The local knowledge about a bucket. `used` is a lower bound. */
  readonly known: (ask: BucketAsk) => Taken
  /** Releases a place. */
  readonly leave: (place: string, holder: string) => void
  /**
   * Empties a bucket, once for each `at` (milliseconds since the epoch). Does nothing if `at` is not later than
   * that of the last call, so that an instance that gets it late keeps what was counted since.
   */
  readonly clear: (bucket: string, at: number) => Eventually<void>
}

/** How long a clearing is remembered: longer than it takes to reach any instance. */
export const clearedMs = 2 * 60 * 60_000

export type BucketKind = 'address' | 'caller' | 'tool' | 'running'

/** The name of a bucket or a place: its kind, its owner, and the tool if there is one. */
export function bucketOf (kind: BucketKind, owner: string, name = ''): string {
  return `${kind}:${name} ${owner}`
}

/** The parts of a name from `bucketOf`. */
export function partsOf (bucket: string): { kind: string, name: string, owner: string } {
  const colon = bucket.indexOf(':')
  const space = bucket.indexOf(' ')
  return { kind: bucket.slice(0, colon), name: bucket.slice(colon + 1, space), owner: bucket.slice(space + 1) }
}

/** True if the ask fits into a bucket with this `used`. */
export function fits ({ cost, max }: BucketAsk, used: number): boolean {
  return cost === 0 ? used < max : used + cost <= max
}
