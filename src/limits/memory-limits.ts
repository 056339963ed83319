/** All limits of one process, in memory. */
import {
  type Ask,
  type BucketAsk,
  clearedMs,
  fits,
  type Limits,
  partsOf,
  type PlaceAsk,
  type Taken
} from './limits.js'
import { type MemoryBuckets, createMemoryBuckets } from './memory-buckets.js'

export class MemoryLimits implements Limits {
  readonly isExact = true
  /** By kind and window: a flood of one kind takes no room from another, and a store has one window. */
  readonly #stores = new Map<string, Map<number, MemoryBuckets>>()
  /** The holders of each place, with their expiry. */
  readonly #places = new Map<string, Map<string, number>>()
  /** The last clearing of each bucket, and when it was applied here. */
  readonly #cleared = new Map<string, { readonly at: number, readonly doneAt: number }>()

  take (asks: readonly Ask[]): readonly Taken[] {
    const first = asks[0]
    if (first === undefined) return []
    if (asks.length === 1 && 'bucket' in first) return [this.#takeOne(first)]
    const judged: Taken[] = []
    for (const ask of asks) {
      const taken = 'bucket' in ask ? this.known(ask) : this.#judgePlace(ask)
      judged.push(taken)
      if (!taken.fits) return judged
    }
    return asks.map(ask => 'bucket' in ask ? this.#takeOne(ask) : this.#hold(ask))
  }

  known (ask: BucketAsk): Taken {
    const { current: used, ttlMs } = this.#storeOf(ask).read(ask.bucket)
    return { fits: fits(ask, used), used, ttlMs }
  }

  /** Applies a count from another source; see `MemoryBuckets.note`. */
  note (ask: BucketAsk, used: number, endsAt: number): void {
    this.#storeOf(ask).note(ask.bucket, used, endsAt)
  }

  leave (place: string, holder: string): void {
    const holders = this.#places.get(place)
    holders?.delete(holder)
    if (holders?.size === 0) this.#places.delete(place)
  }

  clear (bucket: string, at: number): void {
    const now = performance.now()
    for (const [other, { doneAt }] of this.#cleared) if (now - doneAt > clearedMs) this.#cleared.delete(other)
    if ((this.#cleared.get(bucket)?.at ?? -Infinity) >= at) return
    this.#cleared.set(bucket, { at, doneAt: now })
    for (const store of this.#stores.get(partsOf(bucket).kind)?.values() ?? []) store.clear(bucket)
  }

  #takeOne (ask: BucketAsk): Taken {
    if (ask.cost === 0) return this.known(ask)
    const { bucket, cost, max } = ask
    const { current, ttlMs } = this.#storeOf(ask).take(bucket, cost, max)
    return current > max ? { fits: false, used: current - cost, ttlMs } : { fits: true, used: current, ttlMs }
  }

  #judgePlace ({ place, holder, max }: PlaceAsk): Taken {
    const holders = this.#places.get(place)
    const now = performance.now()
    for (const [other, endsAt] of holders ?? []) if (endsAt <= now) holders?.delete(other)
    const used = holders?.size ?? 0
    return { fits: used < max || holders?.has(holder) === true, used, ttlMs: 0 }
  }

  #hold ({ place, holder, leaseMs }: PlaceAsk): Taken {
    const holders = this.#places.get(place) ?? new Map<string, number>()
    this.#places.set(place, holders.set(holder, performance.now() + leaseMs))
    return { fits: true, used: holders.size, ttlMs: leaseMs }
  }

  #storeOf ({ bucket, windowMs }: BucketAsk): MemoryBuckets {
    const kind = bucket.slice(0, bucket.indexOf(':'))
    let stores = this.#stores.get(kind)
    if (stores === undefined) this.#stores.set(kind, stores = new Map())
    let store = stores.get(windowMs)
    if (store === undefined) stores.set(windowMs, store = createMemoryBuckets({ windowMs }))
    return store
  }
}
