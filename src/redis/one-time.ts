/** Single-use items in Redis, shared by all instances. If taking one fails midway, it is put back. */
import type { Bus } from '../fleet/bus.js'
import { maxWaiting, type OneTimeStore } from '../tokens/one-time-store.js'
import { againMs } from './link/each-up.js'
import { type RedisKeys, keyHashOf } from './link/keys.js'
import type { Link } from './link/link.js'
import { putOnce, takeOnce } from './link/scripts.js'

export interface RedisOneTimeOptions {
  readonly link: Link
  readonly keys: RedisKeys
  readonly bus: Bus
}

/** The topic of taken items. Each instance remembers them, because a failover may lose the deletion. */
const topic = 'taken'
const rememberedMs = 10 * 60_000

export class RedisOneTimeStore implements OneTimeStore {
  readonly #link: Link
  readonly #keys: RedisKeys
  readonly #bus: Bus
  readonly #index: string
  readonly #taken = new Map<string, number>()

  constructor ({ link, keys, bus }: RedisOneTimeOptions) {
    this.#link = link
    this.#keys = keys
    this.#bus = bus
    this.#index = keys.shared('waiting')
    bus.on(topic, id => { if (typeof id === 'string') this.#remember(id) })
  }

  async isFull (): Promise<boolean> {
    // Uses the clock of this machine as an approximation. `put` checks exactly.
    return Number(await this.#link.call('ZCOUNT', this.#index, Date.now(), '+inf')) >= maxWaiting
  }

  async put (id: string, sealed: string, ttlMs: number): Promise<'put' | 'full'> {
    return (await this.#link.run(putOnce, [this.#keyOf(id), this.#index], [sealed, ttlMs, maxWaiting])) === 1
      ? 'put'
      : 'full'
  }

  async take (id: string): Promise<string | undefined> {
    const name = keyHashOf(id)
    if (this.#isTaken(name)) return undefined
    const keys = [this.#keyOf(id), this.#index]
    // Read it first, so that it can be put back if the second command fails.
    const seen = textAndRest(await this.#link.run(takeOnce, keys, ['look']))
    if (seen === undefined) return undefined
    try {
      const got = textAndRest(await this.#link.run(takeOnce, keys, ['take']))
      if (got === undefined) return undefined
      this.#remember(name)
      this.#bus.tellAll(topic, name).catch(() => {})
      return got.text
    } catch (error) {
      this.#putBack(id, seen.text, performance.now() + seen.restMs)
      throw error
    }
  }

  async spend (id: string, ttlMs: number): Promise<boolean> {
    return await this.#link.call('SET', this.#keys.of('spent', keyHashOf(id)), 1, 'PX', ttlMs, 'NX') === 'OK'
  }

  close (): void {
    this.#taken.clear()
  }

  /**
   * Puts an item back that was not delivered, because the request failed. Redis may have executed the
   * deletion, or may still do so, so this is repeated until Redis answers.
   */
  #putBack (id: string, text: string, until: number): void {
    setTimeout(() => {
      const restMs = Math.floor(until - performance.now())
      if (restMs < 1 || this.#isTaken(keyHashOf(id))) return
      this.#link.call('SET', this.#keyOf(id), text, 'PX', restMs, 'NX').catch(() => { this.#putBack(id, text, until) })
    }, againMs).unref()
  }

  #remember (name: string): void {
    const now = performance.now()
    if (this.#taken.size >= 10_000) {
      for (const [other, endsAt] of this.#taken) if (endsAt <= now) this.#taken.delete(other)
    }
    this.#taken.set(name, now + rememberedMs)
  }

  #isTaken (name: string): boolean {
    return (this.#taken.get(name) ?? -Infinity) > performance.now()
  }

  #keyOf (id: string): string {
    return this.#keys.shared(`once:${keyHashOf(id)}`)
  }
}

function textAndRest (reply: unknown): { text: string, restMs: number } | undefined {
  return Array.isArray(reply) ? { text: String(reply[0]), restMs: Number(reply[1]) } : undefined
}
