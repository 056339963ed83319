/** A rate limit: counts by key, writes the limit headers, and creates the refusal. */
import type { FastifyReply } from 'fastify'
import { type CountAsks, createCounter } from './counter.js'
import { type BucketAsk, type BucketKind, bucketOf, type Limits, type Taken } from './limits.js'
import { MemoryLimits } from './memory-limits.js'
import { AddressLockedError, RateLimitedError, type Refusal, retryLater } from '../errors.js'
import type { Eventually } from '../lib/eventually.js'
import { requireWhole } from '../lib/require.js'

export type Policy = 'address' | 'user' | 'tool'

export interface LimiterOptions {
  /** The name of the policy in the `RateLimit` headers and in the log. */
  readonly policy: Policy
  /** Hits per window, a whole number from 1. */
  readonly max: number
  /** The window in milliseconds, a whole number from 1. */
  readonly windowMs: number
  /** The name of the tool, for the limit of a tool. */
  readonly tool?: string
}

/** The state of a bucket after a look or a hit. */
export interface BucketReading {
  readonly max: number
  readonly remaining: number
  /** Milliseconds until the window ends; 0 if nothing was used. */
  readonly ttlMs: number
  /** True if the hit exceeded the limit. Always false for a look. */
  readonly isExceeded: boolean
}

export interface Limiter {
  /** The state as known locally. Check `remaining === 0`, because a look never exceeds. */
  peek: (key: string, max?: number) => BucketReading
  /** The current state; takes nothing. Asks the store only if other instances count as well. */
  look: (key: string, max?: number) => Eventually<BucketReading>
  /** Takes `cost` (default 1), all or nothing. `max` overrides the limiter's own for this key. */
  take: (key: string, cost?: number, max?: number) => Eventually<BucketReading>
  /** The ask of `take`, to combine with others in a list. A cost of 0 makes it a look. */
  ask: (key: string, cost?: number, max?: number) => BucketAsk
  /** The reading from the answer to such an ask. */
  read: (ask: BucketAsk, taken: Taken) => BucketReading
  /** Takes a list of asks of this and other limiters. */
  count: CountAsks
  /** Sets the limit headers of a reading on the reply. */
  writeHeaders: (reply: FastifyReply, reading: BucketReading) => void
  /** The 429 for an exceeded reading. Its limit headers replace those of another limit. */
  refusal: (reading: BucketReading) => Refusal
}

const kinds: Readonly<Record<Policy, BucketKind>> = { address: 'address', user: 'caller', tool: 'tool' }

/**
 * Creates a limiter on `@fastify/rate-limit`, with buckets in `limits` (default: its own, in memory). Throws
 * a `RangeError` if `max` or `windowMs` is not a whole number from 1.
 */
export async function createLimiter ({
  limits = new MemoryLimits(),
  ...options
}: LimiterOptions & { limits?: Limits | undefined }): Promise<Limiter> {
  requireLimit(options)
  return limiterOf(options, limits, await createCounter(limits))
}

/** Like `createLimiter`, but with an existing counter. */
export function limiterOf (options: LimiterOptions, limits: Limits, count: CountAsks): Limiter {
  requireLimit(options)
  const { policy, max, windowMs, tool } = options
  const windowSeconds = seconds(windowMs)

  const buckets = new Map<string, string>()

  function ask (key: string, cost = 1, ownMax = max): BucketAsk {
    return { bucket: bucketFor(key), cost, max: ownMax, windowMs }
  }

  /** Cached, because most requests come from a few callers. */
  function bucketFor (key: string): string {
    const kept = buckets.get(key)
    if (kept !== undefined) return kept
    const bucket = bucketOf(kinds[policy], key, tool)
    if (buckets.size >= mostBuckets) buckets.clear()
    buckets.set(key, bucket)
    return bucket
  }

  function read ({ max: ownMax, cost }: BucketAsk, { used, ttlMs, fits }: Taken): BucketReading {
    return { max: ownMax, remaining: Math.max(0, ownMax - used), ttlMs, isExceeded: cost > 0 && !fits }
  }

  function counted (one: BucketAsk): Eventually<BucketReading> {
    const taken = count([one])
    if (taken instanceof Promise) return taken.then(([first = nothing]) => read(one, first))
    return read(one, taken[0] ?? nothing)
  }

  return {
    ask,
    read,
    count,
    peek (key, ownMax) {
      const look = ask(key, 0, ownMax)
      return read(look, limits.known(look))
    },
    look (key, ownMax) {
      const one = ask(key, 0, ownMax)
      return limits.isExact ? read(one, limits.known(one)) : counted(one)
    },
    take: (key, cost, ownMax) => counted(ask(key, cost, ownMax)),
    writeHeaders: (reply, reading) => { reply.headers(headersOf(reading)) },
    refusal: reading => new (policy === 'address' ? AddressLockedError : RateLimitedError)(retryLater(reading.ttlMs, {
      data: { limit: policy },
      headers: headersOf(reading),
      reason: `the limit "${policy}" is reached`,
      why: `${policy}-limit`
    }))
  }

  /** The `RateLimit` headers follow draft-ietf-httpapi-ratelimit-headers-10. */
  function headersOf ({ max: limit, remaining, ttlMs }: BucketReading): Record<string, string> {
    const reset = seconds(ttlMs)
    return {
      'x-ratelimit-limit': String(limit),
      'x-ratelimit-remaining': String(remaining),
      'x-ratelimit-reset': String(reset),
      'ratelimit-policy': `"${policy}";q=${limit};w=${windowSeconds}`,
      ratelimit: `"${policy}";r=${remaining};t=${reset}`
    }
  }
}

/** The most bucket names that a limiter caches. */
const mostBuckets = 1000
const nothing: Taken = Object.freeze({ fits: false, used: 0, ttlMs: 0 })

function requireLimit ({ policy, max, windowMs }: LimiterOptions): void {
  requireWhole(`The limit "${policy}"`, { max, windowMs })
}

function seconds (ms: number): number {
  return Math.ceil(ms / 1000)
}
