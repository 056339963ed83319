/** One rate limit: counts a key, writes the headers that say so, refuses. */
import type { FastifyReply } from 'fastify'
import { type Counter, createCounter } from './counter.js'
import { type BucketAsk, type BucketKind, bucketOf, type Limits, type Taken } from './limits.js'
import { MemoryLimits } from './memory-limits.js'
import { AddressLockedError, RateLimitedError, type Refusal, retryLater } from '../errors.js'
import type { Eventually } from '../lib/eventually.js'
import { requireWhole } from '../lib/require.js'

export type Policy = 'address' | 'user' | 'tool'

export interface LimiterOptions {
  /** The policy's name in the `RateLimit` fields, and in the log. */
  readonly policy: Policy
  /** Hits a window, a whole number from 1. */
  readonly max: number
  /** Milliseconds, a whole number from 1. */
  readonly windowMs: number
  /** Of a tool, its name. */
  readonly tool?: string
}

/** What a bucket holds after a look or a hit. */
export interface Reading {
  readonly max: number
  readonly remaining: number
  /** Milliseconds until the window ends; 0 when nothing was used. */
  readonly ttlMs: number
  /** The hit did not fit. Never true of a look. */
  readonly isExceeded: boolean
}

export interface Limiter {
  /** What is known here, without asking. `remaining === 0` is the question to ask: a look exceeds nothing. */
  peek: (key: string, max?: number) => Reading
  /** What the bucket holds now; takes nothing. Asks only where other instances count as well. */
  look: (key: string, max?: number) => Eventually<Reading>
  /** Takes `cost` (1 where left out), all or nothing. `max` overrides the limiter's own for this key. */
  take: (key: string, cost?: number, max?: number) => Eventually<Reading>
  /** What `take` asks for, to be put into a list with others; at cost 0 it is a look. */
  ask: (key: string, cost?: number, max?: number) => BucketAsk
  /** What was answered to such an ask. */
  read: (ask: BucketAsk, taken: Taken) => Reading
  /** Takes a list of asks, this limiter's and others'. */
  count: Counter
  /** Writes the limit headers of a reading on the reply. */
  writeHeaders: (reply: FastifyReply, reading: Reading) => void
  /** The 429 for a reading that does not fit, with its limit headers: they go over those of another limit. */
  refusal: (reading: Reading) => Refusal
}

const kinds: Readonly<Record<Policy, BucketKind>> = { address: 'address', user: 'caller', tool: 'tool' }

/**
 * Builds a limiter on `@fastify/rate-limit`, over `limits` (its own, in memory, where left out). Throws
 * where `max` or `windowMs` is no whole number from 1: a limit of nothing would let nobody in.
 */
export async function createLimiter ({
  limits = new MemoryLimits(),
  ...options
}: LimiterOptions & { limits?: Limits | undefined }): Promise<Limiter> {
  requireLimit(options)
  return limiterOf(options, limits, await createCounter(limits))
}

/** The same on a counter that is there already. */
export function limiterOf (options: LimiterOptions, limits: Limits, count: Counter): Limiter {
  requireLimit(options)
  const { policy, max, windowMs, tool } = options
  const windowSeconds = seconds(windowMs)

  const buckets = new Map<string, string>()

  function ask (key: string, cost = 1, ownMax = max): BucketAsk {
    return { bucket: bucketFor(key), cost, max: ownMax, windowMs }
  }

  /** Kept, because most requests come from a few callers. */
  function bucketFor (key: string): string {
    const kept = buckets.get(key)
    if (kept !== undefined) return kept
    const bucket = bucketOf(kinds[policy], key, tool)
    if (buckets.size >= mostBuckets) buckets.clear()
    buckets.set(key, bucket)
    return bucket
  }

  function read ({ max: ownMax, cost }: BucketAsk, { used, ttlMs, fits }: Taken): Reading {
    return { max: ownMax, remaining: Math.max(0, ownMax - used), ttlMs, isExceeded: cost > 0 && !fits }
  }

  function counted (one: BucketAsk): Eventually<Reading> {
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
      reason: `the limit "${policy}" is used up`,
      why: `${policy}-limit`
    }))
  }

  /** The `RateLimit` fields are those of draft-ietf-httpapi-ratelimit-headers-10. */
  function headersOf ({ max: limit, remaining, ttlMs }: Reading): Record<string, string> {
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

/** Names of buckets that a limiter keeps. */
const mostBuckets = 1000
const nothing: Taken = Object.freeze({ fits: false, used: 0, ttlMs: 0 })

function requireLimit ({ policy, max, windowMs }: LimiterOptions): void {
  requireWhole(`The limit "${policy}"`, { max, windowMs })
}

function seconds (ms: number): number {
  return Math.ceil(ms / 1000)
}
