/** A tool's own limits: calls per caller and window, and simultaneous calls per caller. */
import { randomUUID } from 'node:crypto'
import { TooManyCallsError, retryLater } from '../../errors.js'
import { type CountAsks, createCounter } from '../../limits/counter.js'
import { type Limiter, limiterOf } from '../../limits/limiter.js'
import { type Ask, bucketOf, type Limits, type PlaceAsk } from '../../limits/limits.js'
import { MemoryLimits } from '../../limits/memory-limits.js'
import type { Principal } from '../../principal/principal.js'
import type { Tool } from '../../tools/tool.js'

/** A call that runs longer renews its place at this interval, well before the place expires. */
const leaseMs = 30_000
const renewMs = 10_000

/** What the tools of an endpoint share: one counter, and the places held by running calls. */
export class ToolPlaces {
  readonly limits: Limits
  readonly #held = new Set<PlaceAsk>()
  #counter: Promise<CountAsks> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor (limits: Limits = new MemoryLimits()) {
    this.limits = limits
  }

  /** Created with the first call of a tool that needs it. */
  counter (): Promise<CountAsks> {
    this.#counter ??= createCounter(this.limits)
    return this.#counter
  }

  /** Renews a place until `leave` is called. */
  hold (place: PlaceAsk): void {
    this.#held.add(place)
    this.#timer ??= setInterval(() => { this.#renew() }, renewMs).unref()
  }

  leave (place: PlaceAsk): void {
    this.#held.delete(place)
    this.limits.leave(place.place, place.holder)
    if (this.#held.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #renew (): void {
    for (const place of this.#held) {
      const renewed = this.limits.take([place])
      if (renewed instanceof Promise) renewed.catch(() => {})
    }
  }
}

export class ToolLimits {
  readonly #tool: Tool
  readonly #places: ToolPlaces
  #limiter: Limiter | undefined

  constructor (tool: Tool, places: ToolPlaces) {
    this.#tool = tool
    this.#places = places
  }

  /**
   * Admits one call of `principal`. Returns a function to call when its handler has ended, which
   * may be long after the caller got its answer; further calls of it do nothing. Throws a refusal if a limit is
   * used up.
   */
  async admit ({ id }: Principal): Promise<() => void> {
    const { name, rate, concurrency } = this.#tool
    const count = await this.#places.counter()
    const asks: Ask[] = []
    const place = concurrency === undefined || concurrency === Infinity
      ? undefined
      : { place: bucketOf('running', id, name), holder: randomUUID(), max: concurrency, leaseMs }
    if (place !== undefined) asks.push(place)
    if (rate !== undefined) {
      this.#limiter ??= limiterOf({ policy: 'tool', tool: name, ...rate }, this.#places.limits, count)
      asks.push(this.#limiter.ask(id))
    }
    const taken = await count(asks)
    const last = taken.at(-1)
    if (last?.fits === false) this.#refuse(asks[taken.length - 1], last)
    if (place === undefined) return () => {}
    this.#places.hold(place)
    let isIn = true
    return () => {
      if (isIn) this.#places.leave(place)
      isIn = false
    }
  }

  #refuse (ask: Ask | undefined, taken: { fits: boolean, used: number, ttlMs: number }): never {
    if (ask !== undefined && 'bucket' in ask && this.#limiter !== undefined) {
      throw this.#limiter.refusal(this.#limiter.read(ask, taken))
    }
    throw new TooManyCallsError(retryLater(1000, {
      data: { limit: this.#tool.concurrency },
      reason: `${this.#tool.name} is already running (${taken.used} of ${this.#tool.concurrency})`
    }))
  }
}
