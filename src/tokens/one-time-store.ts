/** The port for single-use items. */
import type { Eventually } from '../lib/eventually.js'

export interface OneTimeStore {
  /** True if the store is full. Rejects with a `NotSharedError` if the store cannot be reached. */
  readonly isFull: () => Eventually<boolean>
  /** Stores a sealed text for `ttlMs`. Rejects with a `NotSharedError` if the store cannot be reached. */
  readonly put: (id: string, sealed: string, ttlMs: number) => Eventually<'put' | 'full'>
  /**
   * Removes and returns a text, to at most one caller. `undefined` if there is none. Rejects with a
   * `NotSharedError` if the store cannot be reached; the text then stays available.
   */
  readonly take: (id: string) => Eventually<string | undefined>
  /**
   * True for the first caller within `ttlMs`. Rejects with a `NotSharedError` if the store cannot be reached.
   */
  readonly spend: (id: string, ttlMs: number) => Eventually<boolean>
  readonly close: () => void
}

/** The largest number of stored items. */
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

/** The number of spent codes above which expired ones are dropped. */
const sweepAt = 10_000

function sweep<T> (all: Map<string, T>, endOf: (one: T) => number): void {
  const now = performance.now()
  for (const [id, one] of all) if (endOf(one) <= now) all.delete(id)
}
