/** Limits failed authentication and unknown paths per address, before any credential is verified. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ipOf } from '../src/http/request/client-address.js'
import { createAddressKeys } from '../src/limits/address-key.js'
import { sha256 } from '../src/lib/sha256.js'
import { isWithinCall } from '../src/http/request/in-process.js'
import { hangUp } from '../src/http/hang-up.js'
import { after, type Eventually } from '../src/lib/eventually.js'
import { principalOn, type RequestCaller } from '../src/http/request/request-caller.js'
import { isOAuthProbe, isPreflight, isPublic } from '../src/http/request/route-config.js'
import { createLimiter, type BucketReading } from '../src/limits/limiter.js'
import type { BucketAsk, Limits, Taken } from '../src/limits/limits.js'
import { readCredentials } from '../src/principal/presented.js'
import type { CredentialKind, KnownCredentials } from '../src/principal/known-credentials.js'
import type { Principal } from '../src/principal/principal.js'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * A check of the address's bucket that is due before the request passes, if the count is stored elsewhere.
     * The next store call includes it and sets this to `null`.
     */
    addressLook: AddressLook | null
  }
  interface FastifyInstance {
    /**
     * Charges the request's address, at most once per request, and sets the limit headers. Rejects with a
     * `RateLimitedError` if the bucket is full.
     */
    chargeAddress: (...call: AddressArguments) => Promise<void>
    /**
     * Throws (or rejects with) a `RateLimitedError` if the request's address is locked. For public routes that
     * accept a secret; await it.
     */
    refuseLockedOut: (...call: AddressArguments) => Eventually<void>
  }
}

/** Declared here, because inside the augmentation the compiler drops the import from the declaration file. */
type AddressArguments = [request: FastifyRequest, reply: FastifyReply]

export interface AddressLook {
  readonly ask: BucketAsk
  /** Throws (or rejects with) a `RateLimitedError` if the address is locked and the credential is not known there. */
  readonly settle: (taken: Taken, request: FastifyRequest, reply: FastifyReply) => Eventually<void>
}

export interface PreauthLimitOptions {
  /** Failures that an address may have per window; at least 1. Default 30. */
  max?: number
  /** Window in milliseconds, starting at the first failure; at least 1. Default 60,000. */
  windowMs?: number
  /** Credentials that pass from a locked address because they were accepted there before. Default: none. */
  known?: KnownCredentials
  /** Whether such a credential is still valid from this address. Default: valid until it expires. */
  stillGood?: (principal: Principal, address: string) => boolean
  /** Where failures are counted. Default: in the memory of this process. */
  limits?: Limits
}

const preauthLimit: FastifyPluginAsync<PreauthLimitOptions> = async (fastify, options) => {
  const { max = 30, windowMs = 60_000, known, stillGood = () => true, limits } = options
  // Otherwise `auth` would check a credential first, without counting it.
  if (fastify.hasPlugin('mcp-auth')) {
    throw new Error('Register `preauth-limit` before `auth`: after it, failures would not count')
  }
  const limiter = await createLimiter({ policy: 'address', max, windowMs, limits })
  const mustLook = limits?.isExact === false
  const addressKey = createAddressKeys()
  const charged = new WeakSet<FastifyRequest>()
  const good = known === undefined ? undefined : new AcceptedHere(known, stillGood)

  fastify.decorateRequest('addressLook', null)

  fastify.decorate('chargeAddress', async (request, reply) => {
    if (charged.has(request)) return
    charged.add(request)
    request.addressLook = null
    // Deferred: of pipelined requests, the first that finds the address locked closes the connection, and the
    // others would get no answer.
    await null
    const reading = await limiter.take(addressKey(ipOf(request)))
    limiter.writeHeaders(reply, reading)
    // Many simultaneous failures all saw an open bucket; the charge decides.
    if (reading.isExceeded) throw limiter.refusal(reading)
  })

  fastify.decorate('refuseLockedOut', (request, reply) => {
    const key = addressKey(ipOf(request))
    const reading = limiter.peek(key)
    if (reading.remaining === 0) refuse(reading, reply)
    if (!mustLook) return
    const look = limiter.ask(key, 0)
    return after(limiter.count([look]), ([taken]) => {
      if (taken?.fits === false) refuse(limiter.read(look, taken), reply)
    })
  })

  function refuse (reading: BucketReading, reply: FastifyReply): never {
    limiter.writeHeaders(reply, reading)
    hangUp(reply)
    throw limiter.refusal(reading)
  }

  /** Refuses a request from a locked address unless all of its credentials were accepted there before. */
  function settle (reading: BucketReading, request: FastifyRequest, reply: FastifyReply): Eventually<void> {
    if (good === undefined) return refuse(reading, reply)
    const key = addressKey(ipOf(request))
    if (good.has(request, key)) return
    return after(good.ask(key), () => { if (!good.has(request, key)) refuse(reading, reply) })
  }

  const look: AddressLook['settle'] = (taken, request, reply) => {
    if (!taken.fits) return settle(limiter.read(limiter.ask(addressKey(ipOf(request)), 0), taken), request, reply)
  }

  fastify.addHook('onRequest', (request, reply, done) => {
    const key = addressKey(ipOf(request))
    const reading = limiter.peek(key)
    if (isPublic(request) || isPreflight(request) || isOAuthProbe(request) || isWithinCall(request)) return done()
    if (reading.remaining > 0) {
      if (mustLook) request.addressLook = { ask: limiter.ask(key, 0), settle: look }
      return done()
    }
    const settled = settle(reading, request, reply)
    if (settled instanceof Promise) settled.then(() => { done() }, done)
    else done()
  })

  // All `onRequest` hooks have passed, and the body is not read yet.
  fastify.addHook('preParsing', (request, reply, payload, done) => {
    const admit = (): void => {
      if (good !== undefined && principalOn(request) !== null) good.note(request, addressKey(ipOf(request)))
    }
    const due = request.addressLook
    if (due === null) {
      admit()
      return done(null, payload)
    }
    request.addressLook = null
    Promise.resolve(limiter.count([due.ask]))
      .then(async ([taken]) => { if (taken !== undefined) await due.settle(taken, request, reply) })
      .then(() => {
        admit()
        done(null, payload)
      }, done)
  })
}

/** Which credentials were accepted at an address. */
class AcceptedHere {
  readonly #known: KnownCredentials
  readonly #stillGood: (principal: Principal, address: string) => boolean
  /** When each principal was last noted, by address: hashing its credential on each request would cost too much. */
  #noted = new WeakMap<Principal, Map<string, number>>()

  constructor (known: KnownCredentials, stillGood: (principal: Principal, address: string) => boolean) {
    this.#known = known
    this.#stillGood = stillGood
  }

  /** True if all credentials of the request were recently accepted at this address. */
  has (request: FastifyRequest, address: string): boolean {
    const { key, token } = readCredentials(request.raw.rawHeaders)
    if (key === undefined && token === undefined) return false
    return this.#isGood('key', key, request, address) && this.#isGood('token', token, request, address)
  }

  #isGood (kind: CredentialKind, text: string | undefined, request: FastifyRequest, address: string): boolean {
    if (text === undefined) return true
    const digest = sha256(text)
    if (!this.#known.there.recall(address, digest)) return false
    // A credential that another instance accepted is not cached here: authentication verifies it next.
    const verified = this.#known.recall(kind, digest)
    return verified === null || this.#stillGood(verified.principal, ipOf(request))
  }

  /** Learns what other instances accepted at this address. */
  ask (address: string): Eventually<void> {
    return this.#known.there.lockedAt(address)
  }

  note (request: FastifyRequest, address: string): void {
    const { headers } = request
    // One entry per credential, even if the app replaces the principal on each request.
    const principal = (request as { mcp?: RequestCaller }).mcp?.proof ?? principalOn(request)
    if (principal === null || this.#known.ttlMs === 0) return
    const isOne = headers['x-api-key'] === undefined || headers.authorization === undefined
    const now = performance.now()
    const noted = this.#noted.get(principal) ?? new Map<string, number>()
    // Repeated at half of the time, so that a credential in use stays known.
    if (isOne && now - (noted.get(address) ?? -Infinity) < this.#known.ttlMs / 2) return
    const { key, token } = readCredentials(request.raw.rawHeaders)
    for (const text of [key, token]) if (text !== undefined) this.#known.there.remember(address, sha256(text))
    if (noted.size >= maxAddresses) noted.clear()
    this.#noted.set(principal, noted.set(address, now))
  }
}

/** Addresses noted for one principal. */
const maxAddresses = 100

/**
 * Limits failed authentication and unknown paths per address, before any credential is verified. Valid requests do not
 * count. Register it before `auth`.
 *
 * @example
 * const known = createKnownCredentials({ ttlMs: 600_000 })
 * await app.register(preauthLimit, { max: 30, known })
 * await app.register(auth, { apiKeys: [key], known })
 */
export default fp(preauthLimit, { name: 'mcp-preauth-limit', fastify: '5.x' })
