/**
 * Limits that a shared store counts, with a local copy. The copy refuses without asking the store, and
 * continues to count while the store cannot be reached.
 */
import { UnavailableError, retryLater } from '../errors.js'
import type { Ask, BucketAsk, Limits, Taken } from './limits.js'
import { MemoryLimits } from './memory-limits.js'

/**
 * The policy while the store cannot be reached. `local`: each instance counts on from its copy. `share`: each
 * gets an equal share of what is left. `refuse`: every counted request is refused.
 */
export type DownLimits = 'local' | 'share' | 'refuse'

/** The shared store. */
export interface RemoteCount {
  readonly isUp: boolean
  /** The number of instances that share it. */
  readonly instances: number
  /** Like `Limits.take`, but rejects if the store cannot be reached. */
  readonly take: (asks: readonly Ask[]) => Promise<readonly Taken[]>
  /** Rejects if the store cannot be reached. */
  readonly leave: (place: string, holder: string) => Promise<unknown>
  readonly clear: (bucket: string, at: number) => Promise<unknown>
  readonly onUp: (listener: () => void) => unknown
}

export interface ShadowedLimitsOptions {
  readonly remote: RemoteCount
  /** Default `local`. */
  readonly whenDown?: DownLimits
  /** Called for each answer that the policy gave. */
  readonly onPolicy?: () => void
}

/** Longer than the deadline for an answer. */
const answerMs = 60_000

export class ShadowedLimits implements Limits {
  readonly isExact = false
  readonly #remote: RemoteCount
  readonly #whenDown: DownLimits
  readonly #onPolicy: () => void
  /** A lower bound for each bucket, and the places of this instance. */
  readonly #shadow = new MemoryLimits()
  /** What this instance took while the store could not be reached. */
  #apart = new MemoryLimits()
  /** When each bucket was last cleared. Answers to earlier asks are outdated. */
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
      // The place expires by itself.
    })
  }

  async clear (bucket: string, at: number): Promise<void> {
    this.#shadow.clear(bucket, at)
    this.#apart.clear(bucket, at)
    const now = performance.now()
    for (const [other, doneAt] of this.#cleared) if (now - doneAt > answerMs) this.#cleared.delete(other)
    this.#cleared.set(bucket, now)
    // A failure is harmless: an instance that can reach the store clears the bucket as well.
    await this.#remote.clear(bucket, at).catch(() => {})
  }

  /** The refusal if a bucket is used up according to the local copy: asking the store cannot change that. */
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

  /** Measures the window from the time of sending, so that it never ends later than in the store. */
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
    // If anything is left, each instance lets in at least one request.
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
