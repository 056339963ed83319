/**
 * The port of all limits: buckets that fill in a window, and places that are held and given back. Plain
 * JSON in and out.
 */
import type { Eventually } from '../lib/eventually.js'

export interface BucketAsk {
  /** Made by `bucketOf`. */
  readonly bucket: string
  /** A whole number from 1; 0 looks. */
  readonly cost: number
  readonly max: number
  /** Milliseconds from the first hit to the fresh start. */
  readonly windowMs: number
}

/** A place among `max` that its holder gives back, or that lapses `leaseMs` after it was asked for last. */
export interface PlaceAsk {
  /** Made by `bucketOf`. */
  readonly place: string
  /** Who has asked before with the same name keeps the place. */
  readonly holder: string
  readonly max: number
  readonly leaseMs: number
}

export type Ask = BucketAsk | PlaceAsk

export interface Taken {
  /** Of a look: something is left. */
  readonly fits: boolean
  /** What the bucket holds now, or how many places are taken. */
  readonly used: number
  /** Milliseconds until the window ends; 0 where nothing was used. */
  readonly ttlMs: number
}

export interface Limits {
  /** True where `known` is all there is to know, so that nobody has to ask elsewhere. */
  readonly isExact: boolean
  /**
   * Takes all that is asked for, or nothing: the answer ends with the first that does not fit. No bucket
   * may be in the list twice. Never rejects: what happens where a store is away is inside.
   */
  readonly take: (asks: readonly Ask[]) => Eventually<readonly Taken[]>
  /** What is known here of a bucket, without asking: `used` is a lower bound. */
  readonly known: (ask: BucketAsk) => Taken
  /** Gives a place back. */
  readonly leave: (place: string, holder: string) => void
  /**
   * Forgets what a bucket holds, once for each `at`, in milliseconds since the epoch. With an `at` that is not
   * later than the last one nothing happens: an instance that hears of it late does not forget what was counted
   * since.
   */
  readonly clear: (bucket: string, at: number) => Eventually<void>
}

/** How long a clearing is remembered; longer than any instance is late with one. */
export const clearedMs = 2 * 60 * 60_000

export type BucketKind = 'address' | 'caller' | 'tool' | 'running'

/** The name of a bucket or a place: what it counts, of whom, and for tools of which. */
export function bucketOf (kind: BucketKind, owner: string, name = ''): string {
  return `${kind}:${name} ${owner}`
}

/** The parts of a name by `bucketOf`. */
export function partsOf (bucket: string): { kind: string, name: string, owner: string } {
  const colon = bucket.indexOf(':')
  const space = bucket.indexOf(' ')
  return { kind: bucket.slice(0, colon), name: bucket.slice(colon + 1, space), owner: bucket.slice(space + 1) }
}

/** Whether a bucket with `used` in it lets the ask in. */
export function fits ({ cost, max }: BucketAsk, used: number): boolean {
  return cost === 0 ? used < max : used + cost <= max
}
