/** Verifies what a request presents and puts its caller on `request.principal`. */
import fastifyJwt from '@fastify/jwt'
import Fastify, { type FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { UnauthenticatedError } from '../src/errors.js'
import { isPreflight, isPublic, isWellKnownProbe } from '../src/exemptions.js'
import { createKeyJudge } from '../src/principal/api-key.js'
import { createAuthenticator, nothingPresented } from '../src/principal/authenticate.js'
import { isVerified, readCredentials, type Rejected, type Verdict } from '../src/principal/credentials.js'
import { createTokenVerifier } from '../src/principal/jwt.js'
import type { KeyRing } from '../src/principal/key-ring.js'
import type { KnownCredentials } from '../src/principal/known.js'
import type { Principal } from '../src/principal/principal.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller. `null` on public routes, unknown paths without a good credential, and preflights. */
    principal: Principal | null
    /** Requests a window, where the credential has a limit of its own; otherwise `null`. */
    rateLimitMax: number | null
  }
}

export interface AuthOptions {
  /** Keys accepted in `x-api-key`: printable ASCII, none twice. Left out or empty: no key is. */
  apiKeys?: readonly string[]
  /** Managed keys, accepted in `x-api-key`, too. Left out: there are none. */
  keyRing?: KeyRing
  /** The HS256 secret of the tokens accepted in `Authorization: Bearer`. Left out: no token is. */
  jwt?: { secret: string }
  /** Remembers what proved good; share it with `preauth-limit`. Left out: nothing is remembered. */
  known?: KnownCredentials
  /** Whether a credential that is good otherwise was revoked; asked on every request. Left out: none is. */
  isRevoked?: (principal: Principal) => boolean
  /** The realm of the challenge; printable ASCII without `"` and `\`. Default `mcp`. */
  realm?: string
}

const auth: FastifyPluginAsync<AuthOptions> = async (fastify, { apiKeys = [], keyRing, jwt, known, isRevoked, realm = 'mcp' }) => {
  if (apiKeys.length === 0 && keyRing === undefined && jwt === undefined) throw new Error('Authentication needs `apiKeys`, `keyRing` or `jwt`: without them nobody could get in')
  if (!/^[ !#-[\]-~]*$/.test(realm)) throw new Error('`realm` must be printable ASCII without quotes and backslashes')
  const authenticate = createAuthenticator({
    verifyKey: createKeyJudge(apiKeys, keyRing),
    verifyToken: jwt === undefined ? undefined : await tokenVerifier(jwt.secret),
    known,
    isRevoked
  })
  // Set by preauth-limit. Without it failures are refused, but not counted.
  const chargeAddress = fastify.hasDecorator('chargeAddress') ? fastify.chargeAddress : undefined

  /** RFC 6750 §3.1: the error code is for who presented something, and of one kind for all of it. */
  function refusal ({ reason }: Rejected, isPresented: boolean): Error {
    const challenge = `Bearer realm="${realm}"${isPresented ? ', error="invalid_token"' : ''}`
    return new UnauthenticatedError({ reason, headers: { 'www-authenticate': challenge } })
  }

  fastify.decorateRequest('principal', null)
  fastify.decorateRequest('rateLimitMax', null)

  fastify.addHook('onRequest', async (request, reply) => {
    if (isPublic(request) || isWellKnownProbe(request)) return
    if (isPreflight(request)) {
      if (request.is404) return
      throw refusal(nothingPresented, false)
    }
    const outcome = authenticate(readCredentials(request.raw.rawHeaders), request.ip)
    const verdict: Verdict = outcome instanceof Promise ? await outcome : outcome
    if (isVerified(verdict)) {
      request.principal = verdict.principal
      request.rateLimitMax = verdict.rateLimitMax ?? null
      return
    }
    if (chargeAddress !== undefined) await chargeAddress(request, reply)
    const isPresented = verdict !== nothingPresented
    if (!request.is404) throw refusal(verdict, isPresented)
    // An unknown path is not found with any credential; only the log hears that this one was bad.
    if (isPresented) request.log.info({ reason: verdict.reason }, 'credential refused')
  })
}

/**
 * The JWT plugin on an instance of its own: on the host's it would collide with the host's
 * registration, or with our second one, and lend the host's `app.jwt` our secret to sign with.
 */
async function tokenVerifier (secret: string): Promise<(token: string) => Verdict> {
  if (typeof secret !== 'string' || secret.trim() === '') throw new Error('`jwt.secret` must not be empty')
  const detached = Fastify()
  await detached.register(fastifyJwt, {
    secret,
    // Pinned: without it a public key could pass for an HMAC secret. No cache: it is keyed by pieces of the token.
    verify: { algorithms: ['HS256'], requiredClaims: ['sub', 'exp'], cache: false, clockTolerance: 0, complete: true }
  })
  return createTokenVerifier((token) => detached.jwt.verify(token))
}

export default fp(auth, { name: 'mcp-auth', fastify: '5.x' })
