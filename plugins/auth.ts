/** Verifies what a request presents and puts its caller on `request.principal`. */
import fastifyJwt from '@fastify/jwt'
import Fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifyReply, type FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ipOf } from '../src/http/client-address.js'
import { requireStrong } from '../src/principal/strength.js'
import { UnauthenticatedError } from '../src/errors.js'
import { isPreflight, isPublic, isWellKnownProbe } from '../src/http/route-config.js'
import { createKeyJudge } from '../src/api-keys/listed-keys.js'
import { createAuthenticator, isNothing, nothingPresented } from '../src/principal/authenticate.js'
import { type ChallengeOptions, type ChallengeParameters, createChallenge } from '../src/oauth/challenge.js'
import type { ClaimRules } from '../src/tokens/claims.js'
import { isVerified, readCredentials, type Rejected, type Verdict } from '../src/principal/presented.js'
import { createIssuerVerifier, type IssuerOptions, type IssuerVerifier } from '../src/tokens/provider/issuer.js'
import { createTokenVerifier, kidOf, type TokenSecret } from '../src/tokens/verify.js'
import type { KeyRing } from '../src/api-keys/ring.js'
import type { KnownCredentials } from '../src/principal/known-credentials.js'
import type { Principal } from '../src/principal/principal.js'
import { type GrantVerifier, routeTokens } from '../src/tokens/route.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller. `null` on public routes, unknown paths without a good credential, and preflights. */
    principal: Principal | null
    /** Requests a window, where the credential has a limit of its own; otherwise `null`. */
    rateLimitMax: number | null
  }
  interface FastifyInstance {
    /** The `WWW-Authenticate` header for a refusal of this scope. */
    challengeFor: (parameters: ChallengeParameters) => string
    /** What stands in the way of judging the identity provider's tokens; empty where there is no provider. */
    issuerProblems: () => readonly string[]
  }
}

/** The tokens of this server. */
export interface TokenOptions extends ClaimRules {
  secret: string
  /** Former secrets: their tokens stay good until they expire. Default none. */
  previousSecrets?: readonly string[]
}

export interface AuthOptions {
  /** Keys accepted in `x-api-key`: printable ASCII, none twice. Left out or empty: no key is. */
  apiKeys?: readonly string[]
  /** Managed keys, accepted in `x-api-key`, too. Left out: there are none. */
  keyRing?: KeyRing
  /** The HS256 secret of the tokens accepted in `Authorization: Bearer`. Left out: no token is. */
  jwt?: TokenOptions
  /** The identity provider whose tokens are accepted there, too. Left out: there is none. */
  oauth?: IssuerOptions
  /** Further identity providers, each with a name of its own. Default none. */
  issuers?: readonly IssuerOptions[]
  /** The tokens of clients that people signed in here. Default those of `oauth-server`, where that stands in this scope. */
  grants?: GrantVerifier & { readonly stillGood: (principal: Principal) => boolean }
  /** Where clients find the provider, and the scopes that they ask for first; told in every challenge. Left out: nothing is. */
  challenge?: Omit<ChallengeOptions, 'realm'>
  /** Remembers what proved good; share it with `preauth-limit`. Left out: nothing is remembered. */
  known?: KnownCredentials
  /**
   * Whether a credential that is good otherwise was revoked; asked on every request. Beside a bad key
   * it is asked for nobody (`apikey:`), so that the time is the same. Left out: none is.
   */
  isRevoked?: (principal: Principal) => boolean
  /** Accept API keys under 16 characters and JWT secrets under 32 bytes, as for tests. Default false: they stop the boot, and placeholders always do. */
  allowWeakSecrets?: boolean
  /** The realm of the challenge; printable ASCII without `"` and `\`. Default `mcp`. */
  realm?: string
}

const auth: FastifyPluginAsync<AuthOptions> = async (fastify, { apiKeys = [], keyRing, jwt, oauth, issuers: named = [], grants: givenGrants, challenge, known, isRevoked, allowWeakSecrets = false, realm = 'mcp' }) => {
  if (apiKeys.length === 0 && keyRing === undefined && jwt === undefined && oauth === undefined && named.length === 0) throw new Error('Authentication needs `apiKeys`, `keyRing`, `jwt` or `oauth`: without them nobody could get in')
  const challengeFor = createChallenge({ ...challenge, realm })
  const issuers = [...oauth === undefined ? [] : [oauth], ...named].map(one => watchedIssuer(fastify, one))
  const grants = givenGrants ?? (fastify.hasDecorator('oauthServer') ? fastify.oauthServer.accessTokens : undefined)
  const authenticate = createAuthenticator({
    verifyKey: createKeyJudge(apiKeys, keyRing),
    verifyToken: routeTokens({ own: jwt === undefined ? undefined : await tokenVerifier(jwt), grants, issuers }),
    known,
    isCurrent: grants?.stillGood,
    isRevoked,
    onKeyUse: keyRing?.noteUse?.bind(keyRing)
  })
  requireStrong({ apiKeys, jwtSecrets: jwt === undefined ? [] : [jwt.secret, ...jwt.previousSecrets ?? []], allowWeak: allowWeakSecrets })
  // Set by preauth-limit. Without it failures are refused, but not counted.
  const chargeAddress = fastify.hasDecorator('chargeAddress') ? fastify.chargeAddress : undefined

  /** RFC 6750 §3.1: the error code is for who presented something, and of one kind for all of it. */
  function refusal ({ reason, about }: Rejected, isPresented: boolean): Error {
    return new UnauthenticatedError({ reason, about: { ...about }, headers: { 'www-authenticate': challengeFor({ error: isPresented ? 'invalid_token' : undefined }) } })
  }

  fastify.decorateRequest('principal', null)
  fastify.decorateRequest('rateLimitMax', null)
  fastify.decorate('challengeFor', challengeFor)
  fastify.decorate('issuerProblems', () => {
    const problems = issuers.map(issuer => issuer.problems())
    // Of several one that is away is no reason to send nobody here.
    return problems.every(one => one.length > 0) ? problems.flat() : []
  })

  async function refuse (verdict: Rejected, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (chargeAddress !== undefined) await chargeAddress(request, reply)
    const isPresented = !isNothing(verdict)
    if (!request.is404) throw refusal(verdict, isPresented)
    // An unknown path is not found with any credential; only the log hears that this one was bad.
    if (isPresented) request.log.info({ reason: verdict.reason, ...verdict.about }, 'credential refused')
  }

  function apply (verdict: Verdict, request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
    if (isVerified(verdict)) {
      request.principal = verdict.principal
      request.rateLimitMax = verdict.rateLimitMax ?? null
      done()
    } else {
      refuse(verdict, request, reply).then(() => { done() }, done)
    }
  }

  // No promise where the verdict is at hand: most requests wait for nobody.
  fastify.addHook('onRequest', (request, reply, done) => {
    if (isPublic(request) || isWellKnownProbe(request)) return done()
    if (isPreflight(request)) return done(request.is404 ? undefined : refusal(nothingPresented, false))
    const outcome = authenticate(readCredentials(request.raw.rawHeaders), ipOf(request))
    if (outcome instanceof Promise) outcome.then(verdict => { apply(verdict, request, reply, done) }, done)
    else apply(outcome, request, reply, done)
  })
}

/** Its keys are fetched once the server listens, which waits for nothing; a host that never listens fetches them at the first token. */
function watchedIssuer (fastify: FastifyInstance, oauth: IssuerOptions): IssuerVerifier {
  const onTurn = (why: string | undefined): void => {
    const { issuer } = oauth
    if (why === undefined) fastify.log.info({ issuer }, "the identity provider's keys can be had again")
    else fastify.log.error({ issuer, reason: why }, "the identity provider's keys cannot be had")
  }
  const verifier = createIssuerVerifier({ ...oauth, cache: { onTurn, ...oauth.cache } })
  let stop = (): void => {}
  fastify.addHook('onListen', async () => { stop = verifier.begin() })
  fastify.addHook('onClose', async () => { stop() })
  return verifier
}

async function tokenVerifier ({ secret, previousSecrets = [], ...rules }: TokenOptions): Promise<(token: string) => Verdict> {
  const { toleranceSeconds = 0 } = rules
  return createTokenVerifier(await Promise.all([secret, ...previousSecrets].map(one => tokenSecret(one, toleranceSeconds * 1000))), rules)
}

/**
 * The JWT plugin on an instance of its own: on the host's it would collide with the host's
 * registration, or with our second one, and lend the host's `app.jwt` our secret to sign with.
 */
async function tokenSecret (secret: string, clockTolerance: number): Promise<TokenSecret> {
  if (typeof secret !== 'string' || secret.trim() === '') throw new Error('`jwt.secret` and `jwt.previousSecrets` must not be empty')
  const detached = Fastify()
  await detached.register(fastifyJwt, {
    secret,
    // Pinned: without it a public key could pass for an HMAC secret. No cache: it is keyed by pieces of the token.
    verify: { algorithms: ['HS256'], requiredClaims: ['sub', 'exp'], cache: false, clockTolerance, complete: true }
  })
  return { kid: kidOf(secret), verify: (token) => detached.jwt.verify(token) }
}

export default fp(auth, { name: 'mcp-auth', fastify: '5.x' })
