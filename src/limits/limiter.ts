/** One rate limit: counts a key, writes the headers that say so, refuses. */
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import rateLimit from '@fastify/rate-limit'
import { type BucketStore, createBucketStore } from './memory-buckets.js'
import { RateLimitedError, type Refusal, retryLater } from '../errors.js'
import { requireWhole } from '../lib/require.js'

export interface LimiterOptions {
  /** The policy's name in the `RateLimit` fields, and in the log. */
  readonly policy: 'address' | 'user' | 'tool'
  /** Hits a window, a whole number from 1. */
  readonly max: number
  /** Milliseconds, a whole number from 1. */
  readonly windowMs: number
}

/** What a bucket holds after a look or a hit. */
export interface Reading {
  readonly max: number
  readonly remaining: number
  /** Milliseconds until the window ends; 0 when nothing was used. */
  readonly ttl: number
  /** The hit did not fit. Never true of a look. */
  readonly isExceeded: boolean
}

export interface Limiter {
  /** Looks; changes nothing. `remaining === 0` is the question to ask: a look exceeds nothing. */
  peek: (key: string, max?: number) => Reading
  /** Takes `cost` (1 where left out), all or nothing. `max` overrides the limiter's own for this key. */
  take: (key: string, cost?: number, max?: number) => Promise<Reading>
  /** Writes the limit headers of a reading on the reply. */
  writeHeaders: (reply: FastifyReply, reading: Reading) => void
  /** The 429 for a reading that does not fit, with its limit headers: they go over those of another limit. */
  refusal: (reading: Reading) => Refusal
}

type Count = ReturnType<ReturnType<typeof Fastify>['createRateLimit']>

/**
 * Builds a limiter on `@fastify/rate-limit`. Throws where `max` or `windowMs` is no whole number
 * from 1: the plugin would silently count to 1000 instead.
 */
export async function createLimiter ({ policy, max, windowMs }: LimiterOptions): Promise<Limiter> {
  requireWhole(`The limit "${policy}"`, { max, windowMs })
  const buckets = createBucketStore({ windowMs })
  const counterOf = await createCounters(buckets, windowMs)

  async function take (key: string, cost = 1, ownMax = max): Promise<Reading> {
    const reading = await counterOf(cost, ownMax)(subject(key))
    if (reading.isAllowed) throw new Error('The limiter let a key pass uncounted')
    // A refused batch left the bucket as it was, and what is in there is still to be had.
    return reading.isExceeded && cost > 1 ? { ...reading, remaining: peek(key, ownMax).remaining } : reading
  }

  // Straight from the store: every request starts with a look, and the plugin's takes longer than all the rest of it.
  function peek (key: string, ownMax = max): Reading {
    const { current, ttl } = buckets.read(key)
    return { max: ownMax, remaining: Math.max(0, ownMax - current), ttl, isExceeded: false }
  }

  const windowSeconds = seconds(windowMs)
  return {
    peek,
    take,
    writeHeaders: (reply, reading) => { reply.headers(headersOf(reading)) },
    refusal: reading => new RateLimitedError(retryLater(reading.ttl, {
      headers: headersOf(reading),
      reason: `the limit "${policy}" is used up`
    }))
  }

  /** The `RateLimit` fields are those of draft-ietf-httpapi-ratelimit-headers-10. */
  function headersOf ({ max: limit, remaining, ttl }: Reading): Record<string, string> {
    const reset = seconds(ttl)
    return {
      'x-ratelimit-limit': String(limit),
      'x-ratelimit-remaining': String(remaining),
      'x-ratelimit-reset': String(reset),
      'ratelimit-policy': `"${policy}";q=${limit};w=${windowSeconds}`,
      ratelimit: `"${policy}";r=${remaining};t=${reset}`
    }
  }
}

/** One for each cost and maximum that came by lately. */
const maxCounters = 256

/**
 * The plugin on an instance of its own: in the host's app `createRateLimit` would be the host's,
 * with its store and its parameters, wherever the host registered the plugin before us.
 */
async function createCounters (buckets: BucketStore, windowMs: number): Promise<(cost: number, max: number) => Count> {
  class Store {
    readonly cost: number

    constructor (options: object) {
      this.cost = 'cost' in options && typeof options.cost === 'number' ? options.cost : 1
    }

    incr (key: string, callback: Callback, _windowMs: number, max: number): void {
      callback(null, buckets.take(key, this.cost, max))
    }

    read (key: string, callback: Callback): void {
      callback(null, buckets.read(key))
    }

    child (options: object): Store {
      return new Store(options)
    }
  }
  const detached = Fastify()
  await detached.register(rateLimit, { global: false, store: Store })
  const made = new Map<string, Count>()
  return (cost, max) => {
    const name = `${cost} of ${max}`
    const known = made.get(name)
    if (known !== undefined) return known
    // Every parameter is given, and `cost` is our store's own: the plugin hands them all to `child`.
    const parameters = { cost, max, timeWindow: windowMs, allowList: [], ban: -1, skipOnError: false, keyGenerator: keyOf }
    const counter = detached.createRateLimit(parameters)
    // They hold nothing: the buckets are the store's.
    if (made.size >= maxCounters) made.clear()
    made.set(name, counter)
    return counter
  }
}

type Callback = (error: Error | null, result?: { current: number, ttl: number }) => void

interface Subject {
  readonly key: string
  readonly routeOptions: Record<string, never>
}

/**
 * What the plugin sees instead of the request: of that it would also read the route's
 * `rateLimit.groupId`, with which a host's route would hand out a second bucket.
 */
function subject (key: string): FastifyRequest {
  return { key, routeOptions: {} } satisfies Subject as unknown as FastifyRequest
}

function keyOf (request: FastifyRequest): string {
  return (request as unknown as Subject).key
}

function seconds (ms: number): number {
  return Math.ceil(ms / 1000)
}
