/** Limits each authenticated caller, whatever address it calls from. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { isUncharged } from '../src/http/route-config.js'
import { createLimiter } from '../src/limits/limiter.js'
import type { Principal } from '../src/principal/principal.js'
import type { Budget } from '../src/tools/tool.js'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Takes `cost` (a whole number from 0) from the caller's bucket, all or nothing, and sets the
     * limit headers. Rejects with a `RateLimitedError` where it does not fit. Without a caller,
     * or at no cost, it does nothing.
     */
    chargePrincipal: (...call: Charge) => Promise<void>
    /** What remains of the caller's bucket; `null` without a caller. Takes nothing. */
    budgetOf: (...call: Question) => Promise<Budget | null>
  }
}

/** Out here: inside the augmentation the compiler drops the import of what they name from its declaration file. */
type Charge = [request: FastifyRequest, reply: FastifyReply, cost: number]
type Question = [request: FastifyRequest]

export interface PrincipalLimitOptions {
  /** Requests a caller may make in a window; from 1. Default 100. */
  max?: number
  /** Length of a window in milliseconds, counted from the first request; from 1. Default 60,000. */
  windowMs?: number
}

const principalLimit: FastifyPluginAsync<PrincipalLimitOptions> = async (fastify, options) => {
  const { max = 100, windowMs = 60_000 } = options
  const limiter = await createLimiter({ policy: 'user', max, windowMs })

  async function charge (request: FastifyRequest, reply: FastifyReply, cost: number): Promise<void> {
    if (!Number.isSafeInteger(cost) || cost < 0) throw new RangeError('A cost is a whole number from 0')
    const { principal, rateLimitMax } = request
    if (principal === null || cost === 0) return
    const reading = await limiter.take(bucketOf(principal, rateLimitMax), cost, rateLimitMax ?? max)
    limiter.writeHeaders(reply, reading)
    if (reading.isExceeded) throw limiter.refusal(reading)
  }

  fastify.decorate('chargePrincipal', charge)

  fastify.decorate('budgetOf', async ({ principal, rateLimitMax }) => {
    if (principal === null) return null
    const { max: limit, remaining, ttl } = limiter.peek(bucketOf(principal, rateLimitMax), rateLimitMax ?? max)
    return { limit, remaining, resetSeconds: Math.ceil(ttl / 1000) }
  })

  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.principal === null || isUncharged(request)) return done()
    charge(request, reply, 1).then(() => { done() }, done)
  })
}

/**
 * A key with a limit of its own has a bucket of its own. All others of one owner share the owner's:
 * more keys are no more requests.
 */
function bucketOf ({ id, keyId }: Principal, rateLimitMax: number | null): string {
  // Every id begins with the kind of principal and a colon: nobody's reads like this.
  return rateLimitMax === null ? id : `key ${keyId ?? id}`
}

export default fp(principalLimit, { name: 'mcp-principal-limit', fastify: '5.x', dependencies: ['mcp-auth'] })
