/** Counts through a single instance of `@fastify/rate-limit`. */
import { fastify as createFastify, type FastifyRequest } from 'fastify'
import rateLimit from '@fastify/rate-limit'
import { after, type Eventually } from '../lib/eventually.js'
import type { Ask, Limits, Taken } from './limits.js'

/** Takes a list of asks, like `Limits.take`. */
export type CountAsks = (asks: readonly Ask[]) => Eventually<readonly Taken[]>

type Callback = (error: Error | null, result?: { current: number, ttl: number }) => void

/** Stands in for the request, because the plugin would also read the route's `rateLimit.groupId`. */
interface Subject {
  /** The plugin derives its key from this. The same for all subjects, because `asks` name the buckets. */
  readonly ip: typeof oneIp
  readonly asks: readonly Ask[]
  /** `undefined` until the store has answered. */
  taken: readonly Taken[] | undefined
  readonly routeOptions: Readonly<Record<string, never>>
}

const oneIp = '127.0.0.1'
const noOptions: Subject['routeOptions'] = Object.freeze({})

/**
 * Registers the plugin on a separate Fastify instance. In the host's app `createRateLimit` could belong to
 * the host, with the host's store and parameters. The plugin holds no state: the buckets are those of
 * `limits`.
 */
export async function createCounter (limits: Limits): Promise<CountAsks> {
  /** The subject of the call in progress. The plugin calls its store synchronously. */
  let current: Subject | undefined

  class Store {
    incr (_key: string, callback: Callback): void {
      const subject = current
      if (subject === undefined) return callback(new Error('@fastify/rate-limit did not call its store synchronously'))
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
  // Sets every parameter except the key generator: with its default, the plugin calls the store
  // synchronously. Each ask has its own maximum and window.
  const count = detached.createRateLimit({ max: 1, timeWindow: 1, allowList: [], ban: -1, skipOnError: false })

  async function settled (counted: ReturnType<typeof count>, subject: Subject): Promise<readonly Taken[]> {
    await counted
    if (subject.taken === undefined) throw new Error('@fastify/rate-limit did not call its store')
    return subject.taken
  }

  return asks => {
    const subject: Subject = { ip: oneIp, asks, taken: undefined, routeOptions: noOptions }
    current = subject
    const counted = count(subject as unknown as FastifyRequest)
    current = undefined
    // A synchronous answer is returned at once, without waiting for the plugin's promise.
    return subject.taken ?? settled(counted, subject)
  }
}
