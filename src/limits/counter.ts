/** Counts through `@fastify/rate-limit`, one instance of it for any number of buckets. */
import Fastify, { type FastifyRequest } from 'fastify'
import rateLimit from '@fastify/rate-limit'
import { after } from '../lib/eventually.js'
import type { Ask, Limits, Taken } from './limits.js'

/** Takes a list of asks, as `Limits.take` does. */
export type Counter = (asks: readonly Ask[]) => Promise<readonly Taken[]>

type Callback = (error: Error | null, result?: { current: number, ttl: number }) => void

/** What the plugin sees instead of the request: of that it would also read the route's `rateLimit.groupId`. */
interface Subject {
  readonly asks: readonly Ask[]
  taken: readonly Taken[]
  readonly routeOptions: Record<string, never>
}

/**
 * The plugin on an instance of its own: in the host's app `createRateLimit` would be the host's,
 * with its store and its parameters, wherever the host registered the plugin before us. It holds
 * nothing: the buckets are those of `limits`.
 */
export async function createCounter (limits: Limits): Promise<Counter> {
  class Store {
    incr (subject: unknown, callback: Callback): void {
      const one = subject as Subject
      const tell = (taken: readonly Taken[]): void => {
        one.taken = taken
        const { used = 0, ttlMs = 0, fits = true } = taken.at(-1) ?? {}
        callback(null, { current: fits ? used : Infinity, ttl: ttlMs })
      }
      const answer = after(limits.take(one.asks), tell)
      if (answer instanceof Promise) answer.catch(callback)
    }

    read (_key: string, callback: Callback): void {
      callback(null, { current: 0, ttl: 0 })
    }

    child (): Store {
      return this
    }
  }
  const detached = Fastify()
  await detached.register(rateLimit, { global: false, store: Store })
  // Every parameter is given: what is left out is inherited. Each ask brings its maximum and its window.
  const whole = (request: FastifyRequest): string => request as unknown as string
  const count = detached.createRateLimit({
    max: 1,
    timeWindow: 1,
    allowList: [],
    ban: -1,
    skipOnError: false,
    keyGenerator: whole
  })
  return async (asks) => {
    const subject: Subject = { asks, taken: [], routeOptions: {} }
    const { isAllowed } = await count(subject as unknown as FastifyRequest)
    if (isAllowed) throw new Error('The limiter let a key pass uncounted')
    return subject.taken
  }
}
