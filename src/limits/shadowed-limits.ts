/**
 * Limits that are counted elsewhere, with a shadow in memory that refuses without asking and goes on where
 * the count stops.
 */
import { UnavailableError, retryLater } from '../errors.js'
import type { Ask, BucketAsk, Limits, Taken } from './limits.js'
import { MemoryLimits } from './memory-limits.js'

/**
 * What happens while the count cannot be reached. `local`: each instance goes on counting from what it knows.
 * `share`: each has its part of what is left. `refuse`: what would be counted is refused.
 */
export type DownLimits = 'local' | 'share' | 'refuse'

/** Where the count is. */
export interface RemoteCount {
  readonly isUp: boolean
  /** How many share it. */
  readonly instances: number
  /** As `Limits.take`; rejects where it cannot be asked. */
  readonly take: (asks: readonly Ask[]) => Promise<readonly Taken[]>
  /** Rejects where it cannot be told. */
  readonly leave: (place: string, holder: string) => Promise<unknown>
  readonly clear: (bucket: string, at: number) => Promise<unknown>
  readonly onUp: (listener: () => void) => unknown
}

export interface ShadowedLimitsOptions {
  readonly remote: RemoteCount
  /** Default `local`. */
  readonly whenDown?: DownLimits
  /** Told of each answer that was given by the policy. */
  readonly onPolicy?: () => void
}

/** Longer than an answer is waited for. */
const answerMs = 60_000

export class ShadowedLimits implements Limits {
  readonly isExact = false
  readonly #remote: RemoteCount
  readonly #whenDown: DownLimits
  readonly #onPolicy: () => void
  /** Of each bucket a lower bound of what was used, and the places of this instance. */
  readonly #shadow = new MemoryLimits()
  /** What was taken here since the count is away. */
  #apart = new MemoryLimits()
  /** When each bucket was cleared last: an answer to what was asked before says nothing of it any more. */
  readonly #cleared = new Map<string, number>()

  constructor ({ remote, whenDown = 'local', onPolicy = () => {} }: ShadowedLimitsOptions) {
    this.#remote = remote
    this.#whenDown = whenDown
    this.#onPolicy = onPolicy
    remote.onUp(() => { this.#apart = new MemoryLimits() })
  }

  take (asks: readonly Ask[]): readonly Taken[] | Promise<readonly Taken[]> {
    const known = this.#refusedHere(asks)
    if (known !== undefined) return known
    return this.#remote.isUp ? this.#ask(asks) : this.#byPolicy(asks)
  }

  known (ask: BucketAsk): Taken {
    return this.#shadow.known(ask)
  }

  leave (place: string, holder: string): void {
    this.#shadow.leave(place, holder)
    this.#apart.leave(place, holder)
    this.#remote.leave(place, holder).catch(() => {
      // It lapses.
    })
  }

  async clear (bucket: string, at: number): Promise<void> {
    this.#shadow.clear(bucket, at)
    this.#apart.clear(bucket, at)
    const now = performance.now()
    for (const [other, doneAt] of this.#cleared) if (now - doneAt > answerMs) this.#cleared.delete(other)
    this.#cleared.set(bucket, now)
    // Nothing is lost where it fails: an instance that can reach the count does the same.
    await this.#remote.clear(bucket, at).catch(() => {})
  }

  /** The answer where something is used up as far as is known here: no trip can make that better. */
  #refusedHere (asks: readonly Ask[]): readonly Taken[] | undefined {
    const answer: Taken[] = []
    for (const ask of asks) {
      if (!('bucket' in ask)) {
        answer.push({ fits: true, used: 0, ttlMs: 0 })
        continue
      }
      const taken = this.#shadow.known(ask)
      answer.push(taken)
      if (!taken.fits) return answer
    }
    return undefined
  }

  async #ask (asks: readonly Ask[]): Promise<readonly Taken[]> {
    const sentAt = performance.now()
    try {
      const taken = await this.#remote.take(asks)
      for (const [index, one] of taken.entries()) this.#note(asks[index], one, sentAt)
      return taken
    } catch {
      return this.#byPolicy(asks)
    }
  }

  /** The window ends by the time of sending: never later than it does in Redis. */
  #note (ask: Ask | undefined, { fits, used, ttlMs }: Taken, sentAt: number): void {
    if (ask === undefined) return
    if ('bucket' in ask && sentAt <= (this.#cleared.get(ask.bucket) ?? -Infinity)) return
    if ('bucket' in ask) this.#shadow.note(ask, used, sentAt + ttlMs)
    else if (fits) this.#shadow.take([{ ...ask, max: Infinity }])
  }

  #byPolicy (asks: readonly Ask[]): readonly Taken[] {
    this.#onPolicy()
    if (this.#whenDown === 'local') return this.#shadow.take(asks)
    if (this.#whenDown === 'refuse') {
      throw new UnavailableError(
        retryLater(1000, { reason: 'the shared count of requests is unavailable, and the policy is refuse' })
      )
    }
    // Where something is left, each instance lets at least one in: nobody is refused altogether.
    const shares = asks.map(ask => {
      if (!('bucket' in ask)) return { ...ask, max: Math.max(1, Math.floor(ask.max / this.#remote.instances)) }
      const left = ask.max - this.#shadow.known(ask).used
      return { ...ask, max: Math.max(1, Math.floor(left / this.#remote.instances)) }
    })
    const taken = this.#apart.take(shares)
    return taken.map((one, index) => {
      const ask = asks[index]
      if (ask === undefined || !('bucket' in ask)) return one
      const share = shares[index]?.max ?? 0
      return { ...one, used: one.fits ? ask.max - share + one.used : ask.max }
    })
  }
}
