/** Rate limits of several instances: counted exactly in Redis, with a copy in memory for outages. */
import type { Ask, Taken } from '../limits/limits.js'
import { clearedMs, partsOf } from '../limits/limits.js'
import { type RemoteCount, ShadowedLimits, type ShadowedLimitsOptions } from '../limits/shadowed-limits.js'
import { type RedisKeys, keyHashOf } from './link/keys.js'
import type { Argument, Link } from './link/link.js'
import { clear, take } from './link/scripts.js'

export interface RedisLimitsOptions extends Omit<ShadowedLimitsOptions, 'remote'> {
  readonly link: Link
  readonly keys: RedisKeys
}

export class RedisLimits extends ShadowedLimits {
  constructor ({ link, keys, ...options }: RedisLimitsOptions) {
    super({ ...options, remote: new RedisCount(link, keys) })
  }
}

class RedisCount implements RemoteCount {
  readonly #link: Link
  readonly #keys: RedisKeys

  constructor (link: Link, keys: RedisKeys) {
    this.#link = link
    this.#keys = keys
  }

  get isUp (): boolean { return this.#link.isUp }
  get instances (): number { return this.#link.instances }

  async take (asks: readonly Ask[]): Promise<readonly Taken[]> {
    if (!this.#link.isCluster) return await this.#run(asks)
    const groups = groupsOf(asks)
    const replies = await Promise.all(
      groups.map(async group => await this.#run(group.map(index => asks[index]).filter(isAsk)))
    )
    return inOrder(asks.length, groups, replies)
  }

  async leave (place: string, holder: string): Promise<void> {
    await this.#link.call('ZREM', this.#keyOf(place), holder)
  }

  async clear (bucket: string, at: number): Promise<void> {
    await this.#link.run(clear, [this.#keyOf(bucket), this.#keyOf(bucket, ':cleared')], [at, clearedMs])
  }

  onUp (listener: () => void): () => void {
    return this.#link.onUp(listener)
  }

  async #run (asks: readonly Ask[]): Promise<readonly Taken[]> {
    const args: Argument[] = []
    for (const ask of asks) {
      if ('bucket' in ask) args.push('b', ask.cost, ask.max, ask.windowMs)
      else args.push('p', ask.holder, ask.max, ask.leaseMs)
    }
    const reply = await this.#link.run(
      take,
      asks.map(ask => this.#keyOf('bucket' in ask ? ask.bucket : ask.place)),
      args
    )
    const numbers = Array.isArray(reply) ? reply.map(Number) : []
    const taken: Taken[] = []
    for (let i = 0; i < numbers.length; i += 3) {
      taken.push({ fits: numbers[i] === 1, used: numbers[i + 1] ?? 0, ttlMs: numbers[i + 2] ?? 0 })
    }
    return taken
  }

  #keyOf (bucket: string, rest = ''): string {
    const { kind, name, owner } = partsOf(bucket)
    return this.#keys.of(kind, keyHashOf(owner), (name === '' ? '' : `:${name}`) + rest)
  }
}

function isAsk (ask: Ask | undefined): ask is Ask {
  return ask !== undefined
}

/**
 * Groups by owner: on a Cluster, a script can use only one slot, and all keys of an owner are in the same
 * slot.
 */
function groupsOf (asks: readonly Ask[]): number[][] {
  const groups = new Map<string, number[]>()
  for (const [index, ask] of asks.entries()) {
    const { owner } = partsOf('bucket' in ask ? ask.bucket : ask.place)
    groups.set(owner, [...groups.get(owner) ?? [], index])
  }
  return [...groups.values()]
}

/** Returns the results in the order of the asks, up to the first one that does not fit. */
function inOrder (
  length: number,
  groups: readonly number[][],
  replies: ReadonlyArray<readonly Taken[]>
): readonly Taken[] {
  const all = new Map<number, Taken>()
  for (const [group, indexes] of groups.entries()) {
    for (const [place, index] of indexes.entries()) {
      const taken = replies[group]?.[place]
      if (taken !== undefined) all.set(index, taken)
    }
  }
  const taken: Taken[] = []
  for (let index = 0; index < length; index++) {
    const result = all.get(index)
    if (result === undefined) break
    taken.push(result)
    if (!result.fits) break
  }
  return taken
}
