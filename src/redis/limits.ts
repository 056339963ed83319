/** The limits of a fleet: exact in Redis, with a shadow in memory that refuses without asking and goes on where Redis stops. */
import { UnavailableError, retryLater } from '../errors.js'
import { type Ask, type BucketAsk, type Limits, partsOf, type Taken } from '../limits/limits.js'
import { MemoryLimits } from '../limits/memory-limits.js'
import { type Keys, hashOf } from './keys.js'
import type { Argument, Link } from './link.js'
import { take } from './scripts.js'

/**
 * What happens while Redis is away. `local`: each instance goes on counting from what it knows. `share`: each has its
 * part of what is left. `refuse`: what would be counted is refused.
 */
export type DownLimits = 'local' | 'share' | 'refuse'

export interface RedisLimitsOptions {
  readonly link: Link
  readonly keys: Keys
  /** Default `local`. */
  readonly whenDown?: DownLimits
  /** Told of each answer that was given by the policy. */
  readonly onPolicy?: () => void
}

export class RedisLimits implements Limits {
  readonly isExact = false
  readonly #link: Link
  readonly #keys: Keys
  readonly #whenDown: DownLimits
  readonly #onPolicy: () => void
  /** Of each bucket a lower bound of what was used, and the places of this instance. */
  readonly #shadow = new MemoryLimits()
  /** What was taken here since Redis is away. */
  #apart = new MemoryLimits()

  constructor ({ link, keys, whenDown = 'local', onPolicy = () => {} }: RedisLimitsOptions) {
    this.#link = link
    this.#keys = keys
    this.#whenDown = whenDown
    this.#onPolicy = onPolicy
    link.onUp(() => { this.#apart = new MemoryLimits() })
  }

  take (asks: readonly Ask[]): readonly Taken[] | Promise<readonly Taken[]> {
    const known = this.#refusedHere(asks)
    if (known !== undefined) return known
    if (!this.#link.isUp) return this.#byPolicy(asks)
    return this.#ask(asks)
  }

  known (ask: BucketAsk): Taken {
    return this.#shadow.known(ask)
  }

  leave (place: string, holder: string): void {
    this.#shadow.leave(place, holder)
    this.#apart.leave(place, holder)
    this.#link.call('ZREM', this.#keyOf(place), holder).catch(() => {
      // It lapses.
    })
  }

  async clear (bucket: string): Promise<void> {
    this.#shadow.clear(bucket)
    this.#apart.clear(bucket)
    // Nothing is lost where it fails: the instance that can reach Redis does the same.
    await this.#link.call('DEL', this.#keyOf(bucket)).catch(() => {})
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
      const groups = this.#link.isCluster ? groupsOf(asks) : [asks.map((_, index) => index)]
      const replies = await Promise.all(groups.map(async group => await this.#run(group.map(index => asks[index]).filter(isAsk))))
      const taken = inOrder(asks.length, groups, replies)
      for (const [index, one] of taken.entries()) this.#note(asks[index], one, sentAt)
      return taken
    } catch {
      return this.#byPolicy(asks)
    }
  }

  async #run (asks: readonly Ask[]): Promise<readonly Taken[]> {
    const args: Argument[] = []
    for (const ask of asks) {
      if ('bucket' in ask) args.push('b', ask.cost, ask.max, ask.windowMs)
      else args.push('p', ask.holder, ask.max, ask.leaseMs)
    }
    const reply = await this.#link.run(take, asks.map(ask => this.#keyOf('bucket' in ask ? ask.bucket : ask.place)), args)
    const numbers = Array.isArray(reply) ? reply.map(Number) : []
    const taken: Taken[] = []
    for (let i = 0; i < numbers.length; i += 3) {
      taken.push({ fits: numbers[i] === 1, used: numbers[i + 1] ?? 0, ttlMs: numbers[i + 2] ?? 0 })
    }
    return taken
  }

  /** The window ends by the time of sending: never later than it does in Redis. */
  #note (ask: Ask | undefined, { fits, used, ttlMs }: Taken, sentAt: number): void {
    if (ask === undefined) return
    if ('bucket' in ask) this.#shadow.note(ask, used, sentAt + ttlMs)
    else if (fits) this.#shadow.take([{ ...ask, max: Infinity }])
  }

  #byPolicy (asks: readonly Ask[]): readonly Taken[] {
    this.#onPolicy()
    if (this.#whenDown === 'local') return this.#shadow.take(asks)
    if (this.#whenDown === 'refuse') throw new UnavailableError(retryLater(1000, { reason: `Redis is away (${this.#link.reason}), and REDIS_DOWN_LIMITS is refuse` }))
    // Where something is left, each instance lets at least one in: nobody is refused altogether.
    const shares = asks.map(ask => {
      if (!('bucket' in ask)) return { ...ask, max: Math.max(1, Math.floor(ask.max / this.#link.instances)) }
      const left = ask.max - this.#shadow.known(ask).used
      return { ...ask, max: Math.max(1, Math.floor(left / this.#link.instances)) }
    })
    const taken = this.#apart.take(shares)
    return taken.map((one, index) => {
      const ask = asks[index]
      if (ask === undefined || !('bucket' in ask)) return one
      const share = shares[index]?.max ?? 0
      return { ...one, used: one.fits ? ask.max - share + one.used : ask.max }
    })
  }

  #keyOf (bucket: string): string {
    const { kind, name, owner } = partsOf(bucket)
    return this.#keys.of(kind, hashOf(owner), name === '' ? '' : `:${name}`)
  }
}

function isAsk (ask: Ask | undefined): ask is Ask {
  return ask !== undefined
}

/** On a Cluster a script is for one slot, which an owner has. The lists go out in one tick. */
function groupsOf (asks: readonly Ask[]): number[][] {
  const groups = new Map<string, number[]>()
  for (const [index, ask] of asks.entries()) {
    const { owner } = partsOf('bucket' in ask ? ask.bucket : ask.place)
    groups.set(owner, [...groups.get(owner) ?? [], index])
  }
  return [...groups.values()]
}

/** Up to the first that does not fit. */
function inOrder (length: number, groups: readonly number[][], replies: ReadonlyArray<readonly Taken[]>): readonly Taken[] {
  const all = new Map<number, Taken>()
  for (const [group, indexes] of groups.entries()) {
    for (const [place, index] of indexes.entries()) {
      const taken = replies[group]?.[place]
      if (taken !== undefined) all.set(index, taken)
    }
  }
  const taken: Taken[] = []
  for (let index = 0; index < length; index++) {
    const one = all.get(index)
    if (one === undefined) break
    taken.push(one)
    if (!one.fits) break
  }
  return taken
}
