/** The rate limit of authenticated callers. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { isWithinCall } from '../src/http/request/in-process.js'
import { isUncharged } from '../src/http/request/route-config.js'
import { createLimiter, type BucketReading } from '../src/limits/limiter.js'
import type { Limits } from '../src/limits/limits.js'
import { after, type Eventually } from '../src/lib/eventually.js'
import type { Principal } from '../src/principal/principal.js'
import type { Budget } from '../src/tools/call-context.js'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Takes `cost` (a whole number from 0) from the caller's bucket, all or nothing, and sets the limit headers.
     * Rejects with a `RateLimitedError` if too little is left. Does nothing without a caller or cost.
     */
    chargePrincipal: (...call: ChargeArguments) => Promise<void>
    /** What is left in the caller's bucket, without taking anything; `null` without a caller. */
    budgetOf: (...call: BudgetArguments) => Promise<Budget | null>
  }
}

/** Declared here, because inside the augmentation the compiler drops the import from the declaration file. */
type ChargeArguments = [request: FastifyRequest, reply: FastifyReply, cost: number]
type BudgetArguments = [request: FastifyRequest]

export interface PrincipalLimitOptions {
  /** Requests that a caller may make per window; at least 1. Default 100. */
  max?: number
  /** Window in milliseconds, starting at the first request; at least 1. Default 60,000. */
  windowMs?: number
  /** Where requests are counted. Default: in the memory of this process. */
  limits?: Limits
}

const principalLimit: FastifyPluginAsync<PrincipalLimitOptions> = async (fastify, options) => {
  const { max = 100, windowMs = 60_000, limits } = options
  const limiter = await createLimiter({ policy: 'user', max, windowMs, limits })

  /** Includes a due check of the address: one store call answers both. */
  function take (
    request: FastifyRequest,
    reply: FastifyReply,
    key: string,
    cost: number,
    ownMax: number
  ): Eventually<BucketReading> {
    // Set by preauth-limit.
    const look = request.addressLook ?? null
    if (look === null) return limiter.take(key, cost, ownMax)
    request.addressLook = null
    const ask = limiter.ask(key, cost, ownMax)
    return after(limiter.count([look.ask, ask]), ([seen, taken]) =>
      after(seen === undefined ? undefined : look.settle(seen, request, reply), () =>
        // The address is locked, but the credential was valid there before.
        taken === undefined ? limiter.take(key, cost, ownMax) : limiter.read(ask, taken)
      )
    )
  }

  /** Returns no promise if the count is in memory, because every request passes here. */
  function charge (request: FastifyRequest, reply: FastifyReply, cost: number): Eventually<void> {
    if (!Number.isSafeInteger(cost) || cost < 0) throw new RangeError('cost must be a whole number from 0')
    const { principal, rateLimitMax } = request.mcp
    if (principal === null || cost === 0) return
    const taken = take(request, reply, bucketOf(principal, rateLimitMax), cost, rateLimitMax ?? max)
    if (taken instanceof Promise) return taken.then(reading => { tell(reading, reply) })
    tell(taken, reply)
  }

  function tell (reading: BucketReading, reply: FastifyReply): void {
    limiter.writeHeaders(reply, reading)
    if (reading.isExceeded) throw limiter.refusal(reading)
  }

  fastify.decorate('chargePrincipal', async (request, reply, cost) => { await charge(request, reply, cost) })

  fastify.decorate('budgetOf', async ({ mcp: { principal, rateLimitMax } }) => {
    if (principal === null) return null
    const looked = limiter.look(bucketOf(principal, rateLimitMax), rateLimitMax ?? max)
    const { max: limit, remaining, ttlMs } = looked instanceof Promise ? await looked : looked
    return { limit, remaining, resetSeconds: Math.ceil(ttlMs / 1000) }
  })

  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.mcp.principal === null || isUncharged(request) || isWithinCall(request)) return done()
    const charged = charge(request, reply, 1)
    if (charged instanceof Promise) charged.then(() => { done() }, done)
    else done()
  })
}

/** A key with its own limit has its own bucket. All other keys of an owner share one bucket. */
function bucketOf ({ id, keyId }: Principal, rateLimitMax: number | null): string {
  // No principal has such an id: ours begin with another word, and those of an app contain no line break.
  return rateLimitMax === null ? id : `key\n${keyId ?? ''}\n${id}`
}

/**
 * Limits the requests of each authenticated caller, whatever address it calls from. Requires `auth`.
 *
 * @example
 * await app.register(principalLimit, { max: 100, windowMs: 60_000 })
 */
export default fp(principalLimit, { name: 'mcp-principal-limit', fastify: '5.x', dependencies: ['mcp-auth'] })
