/** Limits failed authentication and unknown paths per address, before any credential is verified. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ipOf } from '../src/http/client-address.js'
import { createAddressKeys } from '../src/limits/address-key.js'
import { sha256 } from '../src/lib/sha256.js'
import { hangUp } from '../src/http/hang-up.js'
import { isPreflight, isPublic, isWellKnownProbe } from '../src/http/route-config.js'
import { createLimiter } from '../src/limits/limiter.js'
import { readCredentials } from '../src/principal/presented.js'
import type { KnownCredentials } from '../src/principal/known-credentials.js'
import type { Principal } from '../src/principal/principal.js'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Charges the request's address, once however often it is called, and sets the limit headers.
     * Rejects with a `RateLimitedError` where the charge did not fit.
     */
    chargeAddress: (...call: Call) => Promise<void>
    /** Throws a `RateLimitedError` where the request's address has used up its tries. For public routes that take a secret. */
    refuseLockedOut: (...call: Call) => void
  }
}

/** Out here: inside the augmentation the compiler drops the import of what it names from its declaration file. */
type Call = [request: FastifyRequest, reply: FastifyReply]

export interface PreauthLimitOptions {
  /** Failures an address may have in a window; from 1. Default 30. */
  max?: number
  /** Length of a window in milliseconds, counted from the first failure; from 1. Default 60,000. */
  windowMs?: number
  /** Credentials that pass from a locked-out address all the same. Left out: none does. */
  known?: KnownCredentials
  /** Whether such a credential still proves its principal, from this address. Left out: until it expires. */
  stillGood?: (principal: Principal, address: string) => boolean
}

const preauthLimit: FastifyPluginAsync<PreauthLimitOptions> = async (fastify, options) => {
  const { max = 30, windowMs = 60_000, known, stillGood = () => true } = options
  // It would look at a credential first, and charge nobody for it.
  if (fastify.hasPlugin('mcp-auth')) throw new Error('Register `preauth-limit` before `auth`: behind it no failure would count')
  const limiter = await createLimiter({ policy: 'address', max, windowMs })
  const addressKey = createAddressKeys()
  const charged = new WeakSet<FastifyRequest>()

  fastify.decorate('chargeAddress', async (request, reply) => {
    if (charged.has(request)) return
    charged.add(request)
    const reading = await limiter.take(addressKey(ipOf(request)))
    limiter.writeHeaders(reply, reading)
    // Of many failures at once each was let in by a look at an open bucket; the charge decides.
    if (reading.isExceeded) throw limiter.refusal(reading)
  })

  fastify.decorate('refuseLockedOut', (request, reply) => {
    const reading = limiter.peek(addressKey(ipOf(request)))
    if (reading.remaining > 0) return
    limiter.writeHeaders(reply, reading)
    hangUp(reply)
    throw limiter.refusal(reading)
  })

  fastify.addHook('onRequest', (request, reply, done) => {
    const reading = limiter.peek(addressKey(ipOf(request)))
    if (reading.remaining > 0 || isPublic(request) || isPreflight(request) || isWellKnownProbe(request)) return done()
    if (known !== undefined && isKnown(request, known, stillGood)) return done()
    limiter.writeHeaders(reply, reading)
    hangUp(reply)
    throw limiter.refusal(reading)
  })
}

/** True where all that the request presents was found good a short while ago: a guess never was. */
function isKnown (request: FastifyRequest, known: KnownCredentials, stillGood: (principal: Principal, address: string) => boolean): boolean {
  const { key, token } = readCredentials(request.raw.rawHeaders)
  if (key === undefined && token === undefined) return false
  const recalled = [key === undefined ? undefined : known.recall('key', sha256(key)), token === undefined ? undefined : known.recall('token', sha256(token))]
  return recalled.every(verified => verified === undefined || (verified !== null && stillGood(verified.principal, ipOf(request))))
}

export default fp(preauthLimit, { name: 'mcp-preauth-limit', fastify: '5.x' })
