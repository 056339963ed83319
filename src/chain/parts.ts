/** Opens what the chain's plugins share, and turns the options of the chain into the options of each plugin. */
import type { FastifyInstance } from 'fastify'
import type { AuditOptions } from '../../plugins/audit.js'
import type { AuthOptions } from '../../plugins/auth.js'
import type { ClaimOptions } from '../../plugins/claim.js'
import type { CorsOptions } from '../../plugins/cors.js'
import type { DiscoveryOptions } from '../../plugins/discovery.js'
import type { McpOptions } from '../../plugins/mcp.js'
import type { MetricsOptions } from '../../plugins/metrics.js'
import type { OAuthServerOptions } from '../../plugins/oauth-server.js'
import type { OAuthMetadataOptions } from '../../plugins/oauth-metadata.js'
import type { OverloadOptions } from '../../plugins/overload.js'
import type { PreauthLimitOptions } from '../../plugins/preauth-limit.js'
import type { PrincipalLimitOptions } from '../../plugins/principal-limit.js'
import { UnavailableError, retryLater } from '../errors.js'
import { whoamiName } from '../built-ins/whoami.js'
import type { FreezeGate } from '../freeze/freezes.js'
import { measuresOf } from '../http/decisions.js'
import type { Ledger } from '../ledger/ledger.js'
import { openLedgerFor } from '../ledger/open.js'
import type { ReadinessProblem, Reason } from '../http/readiness.js'
import { requireFixedPath } from '../http/endpoint/route-options.js'
import { defaultInfo } from '../http/server-info.js'
import { bucketOf } from '../limits/limits.js'
import { requireOptions } from './check-options.js'
import { type McpAuthOptions, mcpOptionNames, type OwnUsersOptions, ownUsersNames } from './options.js'
import { stateKeyOf } from '../mcp/request-state-key.js'
import { tokenParts } from '../oauth/settings.js'
import { createKnownCredentials } from '../principal/known-credentials.js'
import type { Principal } from '../principal/principal.js'
import { redisOptionsOf } from '../redis/stores.js'
import type { FleetHealth } from '../fleet/health.js'
import type { Json } from '../fleet/bus.js'
import { compareSettings } from '../fleet/same-settings.js'
import { withoutSlash } from '../net/public-url.js'
import { recordApplied } from './applied-changes.js'
import { openKeys } from './keys.js'
import { grantsWatch, oauthServerOf, ownServerOf } from './oauth-server.js'
import { mintingOf, toolsOf } from './own-tools.js'
import { pluginProblems } from './problems.js'
import { openStores } from './stores.js'
import { openUpstreams } from './upstreams.js'
import { defined, picked } from '../lib/pick.js'
import type { Measures } from '../telemetry/measures.js'
import type { Channel } from '../workers/channel.js'
import { issueLeewaySeconds } from '../tokens/claims.js'

/** The options of each plugin of the chain. */
export interface Parts {
  /** Missing if decisions are not recorded. */
  readonly audit?: AuditOptions | undefined
  /** Missing if nothing is counted. */
  readonly metrics?: MetricsOptions | undefined
  readonly cors: CorsOptions
  /** Missing if no overload bounds are set. */
  readonly overload?: OverloadOptions | undefined
  readonly preauthLimit: PreauthLimitOptions
  /** Missing if clients cannot be signed in here. */
  readonly oauthServer?: OAuthServerOptions | undefined
  readonly auth: AuthOptions
  readonly principalLimit: PrincipalLimitOptions
  readonly mcp: McpOptions
  /** Missing if the server does not know its own URL, or accepts no tokens of a provider. */
  readonly oauthMetadata?: OAuthMetadataOptions | undefined
  /** Missing if no public documents are served. */
  readonly discovery?: DiscoveryOptions | undefined
  /** Missing if minted tokens are not delivered by one-time links. */
  readonly claim?: ClaimOptions | undefined
  /** The problems that limit the service. Call it after the plugins are registered. */
  readonly problems: () => readonly ReadinessProblem[]
}

/**
 * Throws if an option cannot be used; throws a `KeyFileError` or `StateError` if a file cannot. Everything it opens
 * closes with `scope`.
 */
export async function openParts (scope: FastifyInstance, options: McpAuthOptions, channel?: Channel): Promise<Parts> {
  requireOptions(options)
  requireFixedPath(scope.prefix + (options.path ?? '/mcp'))
  const { clockToleranceSeconds = 0, jwtSecret, publicUrl, path = '/mcp', stateDir } = options
  const { knownTtlMs = 600_000 } = options
  const stores = openStores({
    knownTtlMs,
    redis: redisOptionsOf(options.redis),
    channel,
    endpoint: scope.prefix + path,
    log: scope.log
  })
  scope.addHook('onClose', async () => { await stores.close() })
  const { limits } = stores
  const measures = measuresOf(scope)
  const known = createKnownCredentials({ ttlMs: knownTtlMs, there: stores.knownThere })
  measures.add('known_credentials', () => known.size)
  addStoreMeasures(measures, stores.health)
  const state = await openLedgerFor(
    scope,
    stateDir,
    Math.max(clockToleranceSeconds, issueLeewaySeconds) * 1000,
    stores.records
  )
  await stores.ready(state.merged())
  compareSettings({
    bus: stores.bus,
    settings: limitsOf(options),
    warn: names => {
      scope.log.warn({ names }, 'another instance on this Redis has different limits: set the same limits on all')
    }
  })
  const keyRing = await openKeys(scope, options, stores)
  state.onUnlock((address, at) => {
    // An unavailable store must not end the process: the lock expires by itself.
    Promise.resolve(limits.clear(bucketOf('address', address), at)).catch((error: unknown) => {
      scope.log.warn({ err: error }, 'the store failed to unlock an address')
    })
  })
  recordApplied(scope, state)
  const oauthServer = oauthServerOf(scope, options, { keyRing, state, documents: stores.documents })
  const watches = [
    ...(keyRing === undefined ? [] : [keyRing]),
    state,
    ...(oauthServer === undefined ? [] : [grantsWatch(scope, keyRing)])
  ]
  const minting = mintingOf(options, state, stores.oneTime)
  const { metadata, ...tokens } = tokenParts(options, publicUrl, path, ownServerOf(options))
  const upstreams = await openUpstreams(scope, options)
  const { origins, allowedHeaders, allowedHosts, loopback, apiKeys, allowWeakSecrets } = options

  return {
    audit: options.audit,
    metrics: options.metrics,
    cors: defined({ origins, allowedHeaders, allowedHosts, publicUrl, loopback }),
    overload: options.overload,
    preauthLimit: {
      ...options.preauthLimit,
      limits,
      known,
      stillGood: (principal, ip) => watches.every(watch => watch.stillGood(principal, ip))
    },
    oauthServer,
    auth: defined({
      apiKeys,
      keyRing,
      allowWeakSecrets,
      ...picked<OwnUsersOptions>(options, ownUsersNames),
      ...tokens,
      known,
      isRevoked: (principal: Principal) => {
        if (stores.mustRefuse()) {
          throw new UnavailableError(
            retryLater(1000, { reason: 'Redis is unavailable, and REDIS_DOWN_REVOCATIONS is refuse' })
          )
        }
        return state.isRevoked(principal)
      }
    }),
    principalLimit: { ...options.rateLimit, limits },
    mcp: {
      securitySchemes: metadata !== undefined,
      ...picked<McpOptions>(options, mcpOptionNames),
      limits,
      bus: stores.bus,
      oneTime: stores.oneTime,
      ...defined({ sessionStores: stores.sessions }),
      freezes: freezesOf(options, state),
      // All instances have this secret, so another instance can accept the answer. Endpoints derive different keys.
      ...defined({
        stateKey:
          options.stateKey ??
          (jwtSecret === undefined ? undefined : stateKeyOf(jwtSecret, scope.prefix + path))
      }),
      tools: toolsOf(scope, options, minting, state),
      watches: [...watches, ...(options.watches ?? [])],
      ...(upstreams === undefined ? {} : { laterTools: (name: string) => upstreams.mayServe(name) }),
      onEndpoint: endpoint => {
        upstreams?.serve(endpoint)
        options.onEndpoint?.(endpoint)
      }
    },
    oauthMetadata: metadata,
    discovery: discoveryOf(options, metadata !== undefined),
    claim: minting?.link === undefined ? undefined : { claims: minting.link.links },
    // Neither is fatal: the start fails unless keys and state can be read once.
    problems: () => [
      ...problemOf('keys', keyRing?.problems()),
      ...problemOf('state', state.problems()),
      ...(upstreams?.problems() ?? []),
      ...problemOf(
        'frozen',
        state.frozen().filter(target => target === 'all')
      ),
      ...problemOf('redis', stores.health().state === 'degraded' ? [stores.health().reason] : []),
      ...pluginProblems(scope, options)
    ]
  }
}

/** Throws a `TypeError` if a server card is requested and the server does not know its own URL. */
function discoveryOf (options: McpAuthOptions, oauth: boolean): DiscoveryOptions | undefined {
  const { appsChallenge, serverCard = false, publicUrl, path = '/mcp', info = defaultInfo, eras } = options
  if (!serverCard) return appsChallenge === undefined ? undefined : { appsChallenge }
  if (publicUrl === undefined) throw new TypeError('`serverCard` requires `publicUrl`')
  const { apiKeys = [], apiKeysFile, apiKeysIn, verifyKey, jwtSecret } = options
  const hasKeys = apiKeys.length > 0 || apiKeysFile !== undefined || apiKeysIn === 'redis' || verifyKey !== undefined
  const accepted = { apiKeys: hasKeys, tokens: jwtSecret !== undefined, oauth }
  return { card: { url: withoutSlash(publicUrl) + path, info, eras, accepted }, appsChallenge, path }
}

/** The limits in a form that instances can compare; null for a default. */
function limitsOf ({ preauthLimit, rateLimit, knownTtlMs, sessions }: McpAuthOptions): Record<string, Json> {
  const { idleMs, lifetimeMs, max, maxPerPrincipal } = typeof sessions === 'object' ? sessions : {}
  const limits = {
    addressMax: preauthLimit?.max,
    addressWindowMs: preauthLimit?.windowMs,
    max: rateLimit?.max,
    windowMs: rateLimit?.windowMs,
    knownTtlMs,
    sessionIdleMs: idleMs,
    sessionLifetimeMs: lifetimeMs,
    sessionMax: max,
    sessionMaxPerPrincipal: maxPerPrincipal
  }
  return Object.fromEntries(Object.entries(limits).map(([name, value]) => [name, value ?? null]))
}

/** Empty if nothing is shared with other instances. */
function addStoreMeasures (measures: Measures, health: () => FleetHealth): void {
  if (health().state === 'alone') return
  measures.add('store_up', () => health().state === 'ok' ? 1 : 0)
  measures.add('store_instances', () => health().instances)
}

/** One problem if any part has one; the texts are for the log. */
function problemOf (reason: Reason, sentences: readonly string[] = []): ReadinessProblem[] {
  return sentences.length === 0 ? [] : [{ reason }]
}

/** `whoami` cannot be frozen, so that callers can find out what is. */
function freezesOf ({ builtIns = true }: McpAuthOptions, state: Ledger): FreezeGate {
  return {
    frozenFor: (principal, tool) => builtIns && tool === whoamiName ? undefined : state.frozenFor(principal, tool),
    onFreeze: listener => state.onRecord(({ kind }) => { if (kind === 'frozen') listener() })
  }
}
