/** The port for single-use items. */
import type { Eventually } from '../lib/eventually.js'

export interface OneTimeStore {
  /** True where nothing more can be kept at the moment. Rejects with a `NotSharedError`. */
  readonly isFull: () => Eventually<boolean>
  /** Keeps a sealed text for `ttlMs`. Rejects with a `NotSharedError` where that is not possible now. */
  readonly put: (id: string, sealed: string, ttlMs: number) => Eventually<'put' | 'full'>
  /**
   * Gives it to one caller at most; `undefined` where there is none (any more). Rejects with a
   * `NotSharedError` where the store cannot be reached, and then it can be had later.
   */
  readonly take: (id: string) => Eventually<string | undefined>
  /** True for the first that asks within `ttlMs`. Rejects with a `NotSharedError`. */
  readonly spend: (id: string, ttlMs: number) => Eventually<boolean>
  readonly close: () => void
}

/** How many may wait at once. */
export const maxWaiting = 1000

interface Waiting {
  readonly sealed: string
  readonly endsAt: number
}

export class MemoryOneTimeStore implements OneTimeStore {
  readonly #max: number
  readonly #waiting = new Map<string, Waiting>()
  readonly #spent = new Map<string, number>()

  constructor (max = maxWaiting) {
    this.#max = max
  }

  isFull (): boolean {
    sweep(this.#waiting, ({ endsAt }) => endsAt)
    return this.#waiting.size >= this.#max
  }

  put (id: string, sealed: string, ttlMs: number): 'put' | 'full' {
    if (this.isFull()) return 'full'
    this.#waiting.set(id, { sealed, endsAt: performance.now() + ttlMs })
    return 'put'
  }

  take (id: string): string | undefined {
    const found = this.#waiting.get(id)
    this.#waiting.delete(id)
    return found !== undefined && found.endsAt > performance.now() ? found.sealed : undefined
  }

  spend (id: string, ttlMs: number): boolean {
    if (this.#spent.size >= sweepAt) sweep(this.#spent, endsAt => endsAt)
    const now = performance.now()
    if ((this.#spent.get(id) ?? -Infinity) > now) return false
    this.#spent.set(id, now + ttlMs)
    return true
  }

  close (): void {
    this.#waiting.clear()
    this.#spent.clear()
  }
}

/** Of what was spent: then what has lapsed is dropped. */
const sweepAt = 10_000

function sweep<T> (all: Map<string, T>, endOf: (one: T) => number): void {
  const now = performance.now()
  for (const [id, one] of all) if (endOf(one) <= now) all.delete(id)
}
