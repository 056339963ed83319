/** Authenticates requests and sets `request.mcp.principal`. */
import fastifyJwt from '@fastify/jwt'
import {
  fastify as createFastify,
  type FastifyInstance,
  type FastifyPluginAsync,
  type FastifyReply,
  type FastifyRequest
} from 'fastify'
import fp from 'fastify-plugin'
import { ipOf } from '../src/http/request/client-address.js'
import { requireStrong } from '../src/principal/strength.js'
import { UnauthenticatedError } from '../src/errors.js'
import { principalInProcess } from '../src/http/request/in-process.js'
import { type CallerAliases, decorateCaller, type RequestCaller } from '../src/http/request/request-caller.js'
import { measuresOf } from '../src/http/decisions.js'
import { isOAuthProbe, isPreflight, isPublic } from '../src/http/request/route-config.js'
import { createKeyJudge, withAppKeys } from '../src/api-keys/listed-keys.js'
import type { Eventually } from '../src/lib/eventually.js'
import { AppKeys, type AppKeysOptions } from '../src/app-keys/app-keys.js'
import { unavailable, within } from '../src/app-keys/ask-app.js'
import { enriched, type Enrichment } from '../src/principal/identity.js'
import { createAuthenticator, isNothing, nothingPresented } from '../src/principal/authenticate.js'
import { whyRefused } from '../src/principal/why-refused.js'
import { type ChallengeOptions, type ChallengeParameters, createChallenge } from '../src/oauth/challenge.js'
import type { Claims, ClaimRules } from '../src/tokens/claims.js'
import { isVerified, readCredentials, type Rejected, type Verdict, type Verified } from '../src/principal/presented.js'
import { createIssuerVerifier, type IssuerOptions, type IssuerVerifier } from '../src/tokens/provider/issuer.js'
import { createTokenVerifier, kidOf, type TokenSecret } from '../src/tokens/verify.js'
import type { KeyRing } from '../src/api-keys/ring.js'
import type { KnownCredentials } from '../src/principal/known-credentials.js'
import type { Principal } from '../src/principal/principal.js'
import { type GrantVerifier, routeTokens } from '../src/tokens/route.js'

declare module 'fastify' {
  interface FastifyRequest extends CallerAliases {
    /** The caller and its limit. */
    mcp: RequestCaller
  }
  interface FastifyInstance {
    /** The `WWW-Authenticate` header for a refusal of this scope. */
    challengeFor: (parameters: ChallengeParameters) => string
    /** Why tokens of identity providers cannot be verified at the moment; empty without a provider. */
    issuerProblems: () => readonly string[]
    /** The keys that the app looks up with `verifyKey`; `null` without `verifyKey`. */
    appKeys: KeyLookUp | null
  }
}

/** Keys that an app looks up, as the endpoint uses them. */
export type KeyLookUp = Pick<
  AppKeys,
  'forget' | 'stillGood' | 'onChange' | 'verify' | 'canTell' | 'confirm' | 'isConfirmed'
>

/** Adds what the app knows to a verified caller. If it throws, the caller gets 503 without being charged. */
export type Enrich = (principal: Principal, context: EnrichContext) => Eventually<Enrichment | null | undefined>

export interface EnrichContext {
  /** The claims of the token, from this server or a provider; empty for keys. */
  readonly claims: Claims
}

/** The tokens of this server. */
export interface TokenOptions extends ClaimRules {
  secret: string
  /** Former secrets: their tokens stay good until they expire. Default none. */
  previousSecrets?: readonly string[]
}

export interface AuthOptions extends AppKeysOptions {
  /** Keys accepted in `x-api-key`: printable ASCII, each once. Default: none. */
  apiKeys?: readonly string[]
  /** Managed keys, also accepted in `x-api-key`. Default: none. */
  keyRing?: KeyRing
  /** The HS256 secret of tokens in `Authorization: Bearer`. Default: no such tokens are accepted. */
  jwt?: TokenOptions
  /** The identity provider whose tokens are also accepted there. Default: none. */
  oauth?: IssuerOptions
  /** More identity providers, each with its own name. Default: none. */
  issuers?: readonly IssuerOptions[]
  /** Verifies tokens of signed-in OAuth clients. Default: those of `oauth-server`, if it is in this scope. */
  grants?: GrantVerifier
  /** The metadata URL and the scopes to request first, for every challenge. Default: neither is sent. */
  challenge?: Omit<ChallengeOptions, 'realm'>
  /** Called for each verified caller on each request, for at most `verifyKeyTimeoutMs`. Default: adds nothing. */
  enrich?: Enrich
  /** Remembers valid credentials; share it with `preauth-limit`. Default: nothing is remembered. */
  known?: KnownCredentials
  /**
   * Whether an otherwise valid credential was revoked; called on every request. For a bad key it is called with
   * the empty id `apikey:`, so that both cases take the same time. Default: nothing is revoked.
   */
  isRevoked?: (principal: Principal) => boolean
  /**
   * Accept API keys under 16 characters and JWT secrets under 32 bytes, for tests. Default false: they stop the
   * start. Placeholders always do.
   */
  allowWeakSecrets?: boolean
  /** The realm of the challenge; printable ASCII without `"` and `\`. Default `mcp`. */
  realm?: string
}

const auth: FastifyPluginAsync<AuthOptions> = async (fastify, options) => {
  const { apiKeys = [], keyRing, jwt, oauth, issuers: named = [], grants: givenGrants } = options
  const {
    verifyKey,
    verifyKeyTimeoutMs,
    enrich,
    challenge,
    known,
    isRevoked,
    allowWeakSecrets = false,
    realm = 'mcp'
  } = options
  if (apiKeys.length === 0 && named.length === 0 && [keyRing, jwt, oauth, verifyKey].every(one => one === undefined)) {
    throw new Error(
      '`auth` requires at least one of `apiKeys`, `keyRing`, `verifyKey`, `jwt` and `oauth`'
    )
  }
  const appKeys = openAppKeys(fastify, options)
  const challengeFor = createChallenge({ ...challenge, realm })
  const keepClaims = enrich !== undefined
  const issuers = [...(oauth === undefined ? [] : [oauth]), ...named].map(one =>
    watchedIssuer(fastify, { ...one, keepClaims })
  )
  const measures = measuresOf(fastify)
  // By position, not by name: labels come from a fixed set.
  measures.add('provider_keys_age_seconds', () => issuers.flatMap(({ health }, at) => {
    const { ageMs } = health()
    return ageMs === undefined ? [] : [[{ provider: String(at + 1) }, ageMs / 1000] as const]
  }))
  if (issuers.length > 0) {
    measures.add('provider_keys_failures_total', () =>
      issuers.map(({ health }, at) => [{ provider: String(at + 1) }, health().failures] as const)
    )
  }
  const grants = givenGrants ?? (fastify.hasDecorator('oauthServer') ? fastify.oauthServer.accessTokens : undefined)
  const authenticate = createAuthenticator({
    verifyKey: withAppKeys(createKeyJudge(apiKeys, keyRing), appKeys),
    verifyToken: routeTokens({
      own: jwt === undefined ? undefined : await tokenVerifier({ ...jwt, keepClaims }),
      grants,
      issuers
    }),
    known,
    isCurrent: grants?.isCurrent,
    isRevoked,
    onKeyUse: keyRing?.noteUse?.bind(keyRing)
  })
  requireStrong({
    apiKeys,
    jwtSecrets: jwt === undefined ? [] : [jwt.secret, ...(jwt.previousSecrets ?? [])],
    allowWeak: allowWeakSecrets
  })
  // Set by preauth-limit. Without it, failures are refused but not counted.
  const chargeAddress = fastify.hasDecorator('chargeAddress') ? fastify.chargeAddress : undefined

  /** RFC 6750 §3.1: only a request with a credential gets an error code, the same for every reason. */
  function refusal ({ reason, about }: Rejected, isPresented: boolean): Error {
    return new UnauthenticatedError({
      reason,
      why: whyRefused(reason),
      about: { ...about },
      headers: { 'www-authenticate': challengeFor({ error: isPresented ? 'invalid_token' : undefined }) }
    })
  }

  decorateCaller(fastify)
  fastify.decorate('challengeFor', challengeFor)
  fastify.decorate('appKeys', appKeys)
  fastify.decorate('issuerProblems', () => {
    const problems = issuers.map(issuer => issuer.problems())
    // An unavailable provider must not make the server unready if there are others.
    return problems.every(one => one.length > 0) ? problems.flat() : []
  })

  async function refuse (verdict: Rejected, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (chargeAddress !== undefined) await chargeAddress(request, reply)
    const isPresented = !isNothing(verdict)
    if (!request.is404) throw refusal(verdict, isPresented)
    // An unknown path is 404 with any credential; only the log says that this one was bad.
    if (isPresented) request.log.info({ reason: verdict.reason, ...verdict.about }, 'credential refused')
  }

  function apply (verdict: Verdict, request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
    if (isVerified(verdict)) {
      if (enrich === undefined) return admit(verdict, request, done)
      enrichedBy(enrich, verdict, request).then(known => { admit(known, request, done, verdict.principal) }, done)
    } else {
      refuse(verdict, request, reply).then(() => { done() }, done)
    }
  }

  async function enrichedBy (enrich: Enrich, verified: Verified, { log }: FastifyRequest): Promise<Verified> {
    let more: unknown
    try {
      more = await within(verifyKeyTimeoutMs ?? 3000, () =>
        enrich(verified.principal, { claims: verified.claims ?? noClaims })
      )
    } catch (error) {
      log.error({ err: error }, '`enrich` failed')
      throw unavailable()
    }
    return enriched(verified, more)
  }

  // Most verdicts are known at once. Without a promise, such a request need not wait.
  fastify.addHook('onRequest', (request, reply, done) => {
    if (isPublic(request) || isOAuthProbe(request)) return done()
    if (isPreflight(request)) return done(request.is404 ? undefined : refusal(nothingPresented, false))
    const inProcess = principalInProcess(request)
    if (inProcess !== undefined) return admit({ principal: inProcess }, request, done)
    const outcome = authenticate(readCredentials(request.raw.rawHeaders), ipOf(request), request.id)
    if (outcome instanceof Promise) outcome.then(verdict => { apply(verdict, request, reply, done) }, done)
    else apply(outcome, request, reply, done)
  })
}

const noClaims: Claims = Object.freeze({})

/** `proof` is what the credential itself proved, if `enrich` changed the principal. */
function admit (verified: Verified, request: FastifyRequest, done: () => void, proof = verified.principal): void {
  request.mcp.admit(verified, proof)
  done()
}

/** `null` without `verifyKey`. */
function openAppKeys (fastify: FastifyInstance, options: AppKeysOptions): AppKeys | null {
  const keys = AppKeys.open(options, (error, what, requestId) => {
    fastify.log.error({ err: error, ...(requestId === undefined ? {} : { reqId: requestId }) }, what)
  })
  fastify.addHook('onClose', async () => { keys?.close() })
  return keys
}

/** Fetches the keys once the server listens, without delaying it; otherwise at the first token. */
function watchedIssuer (fastify: FastifyInstance, oauth: IssuerOptions): IssuerVerifier {
  const onTurn = (why: string | undefined): void => {
    const { issuer } = oauth
    if (why === undefined) fastify.log.info({ issuer }, "the identity provider's keys are available again")
    else fastify.log.error({ issuer, reason: why }, "the identity provider's keys are not available")
  }
  const verifier = createIssuerVerifier({ ...oauth, cache: { onTurn, ...oauth.cache } })
  let stop = (): void => {}
  fastify.addHook('onListen', async () => { stop = verifier.begin() })
  fastify.addHook('onClose', async () => { stop() })
  return verifier
}

async function tokenVerifier ({
  secret,
  previousSecrets = [],
  ...rules
}: TokenOptions): Promise<(token: string) => Verdict> {
  const { toleranceSeconds = 0 } = rules
  return createTokenVerifier(
    await Promise.all([secret, ...previousSecrets].map(one => tokenSecret(one, toleranceSeconds * 1000))),
    rules
  )
}

/**
 * Registers the JWT plugin on a separate instance. On the host's, it would collide with the host's own
 * registration or a second one of ours, and `app.jwt` of the host would sign with our secret.
 */
async function tokenSecret (secret: string, clockTolerance: number): Promise<TokenSecret> {
  if (typeof secret !== 'string' || secret.trim() === '') {
    throw new Error('`jwt.secret` and `jwt.previousSecrets` must not be empty')
  }
  const detached = createFastify()
  await detached.register(fastifyJwt, {
    secret,
    // Pinned: without it a public key could pass for an HMAC secret. No cache: it is keyed by pieces of the token.
    verify: { algorithms: ['HS256'], requiredClaims: ['sub', 'exp'], cache: false, clockTolerance, complete: true }
  })
  return { kid: kidOf(secret), verify: (token) => detached.jwt.verify(token) }
}

/**
 * Verifies the API key and the token of every request in this scope and sets `request.mcp.principal`. Any invalid
 * credential gets the same 401. A route with `config: { public: true }` is not authenticated. Throws on a weak secret.
 *
 * @example
 * await app.register(auth, { apiKeys: [key], jwt: { secret } })
 * app.get('/me', async request => request.mcp.principal)
 */
export default fp(auth, { name: 'mcp-auth', fastify: '5.x' })
