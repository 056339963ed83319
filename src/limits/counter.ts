/** Counts through `@fastify/rate-limit`, one instance of it for any number of buckets. */
import { fastify as createFastify, type FastifyRequest } from 'fastify'
import rateLimit from '@fastify/rate-limit'
import { after, type Eventually } from '../lib/eventually.js'
import type { Ask, Limits, Taken } from './limits.js'

/** Takes a list of asks, as `Limits.take` does. */
export type Counter = (asks: readonly Ask[]) => Eventually<readonly Taken[]>

type Callback = (error: Error | null, result?: { current: number, ttl: number }) => void

/** What the plugin sees instead of the request: of that it would also read the route's `rateLimit.groupId`. */
interface Subject {
  /** Names the subject: the plugin counts by address. */
  readonly ip: string
  readonly asks: readonly Ask[]
  /** `undefined` before the store has answered. */
  taken: readonly Taken[] | undefined
  readonly routeOptions: Readonly<Record<string, never>>
}

const noOptions: Subject['routeOptions'] = Object.freeze({})

/**
 * The plugin on an instance of its own: in the host's app `createRateLimit` would be the host's,
 * with its store and its parameters, wherever the host registered the plugin before us. It holds
 * nothing: the buckets are those of `limits`.
 */
export async function createCounter (limits: Limits): Promise<Counter> {
  const waiting = new Map<string, Subject>()
  let number = 0

  class Store {
    incr (key: string, callback: Callback): void {
      const subject = waiting.get(key)
      if (subject === undefined) return callback(new Error('The limiter counts under a key that nobody asked for'))
      const tell = (taken: readonly Taken[]): void => {
        subject.taken = taken
        const { used = 0, ttlMs = 0, fits = true } = taken.at(-1) ?? {}
        callback(null, { current: fits ? used : Infinity, ttl: ttlMs })
      }
      const answer = after(limits.take(subject.asks), tell)
      if (answer instanceof Promise) answer.catch(callback)
    }

    read (_key: string, callback: Callback): void {
      callback(null, { current: 0, ttl: 0 })
    }

    child (): Store {
      return this
    }
  }
  const detached = createFastify()
  await detached.register(rateLimit, { global: false, store: Store })
  // Every parameter is given, but the key generator: with its own, the plugin asks the store at once. Each ask
  // brings its maximum and its window.
  const count = detached.createRateLimit({ max: 1, timeWindow: 1, allowList: [], ban: -1, skipOnError: false })

  async function settled (counted: ReturnType<typeof count>, subject: Subject): Promise<readonly Taken[]> {
    try {
      await counted
    } finally {
      waiting.delete(subject.ip)
    }
    if (subject.taken === undefined) throw new Error('The limiter let a key pass uncounted')
    return subject.taken
  }

  return asks => {
    const subject: Subject = { ip: String(number++), asks, taken: undefined, routeOptions: noOptions }
    waiting.set(subject.ip, subject)
    const counted = count(subject as unknown as FastifyRequest)
    // Nobody waits for what is at hand, nor for what the plugin makes of it.
    if (subject.taken === undefined) return settled(counted, subject)
    waiting.delete(subject.ip)
    return subject.taken
  }
}
