/** Opens what the chain's plugins share, and turns the options of the chain into the options of each plugin. */
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { AuthOptions } from '../../plugins/auth.js'
import type { ClaimOptions } from '../../plugins/claim.js'
import type { CorsOptions } from '../../plugins/cors.js'
import type { DiscoveryOptions } from '../../plugins/discovery.js'
import type { CredentialWatch, McpOptions } from '../../plugins/mcp.js'
import type { OAuthServerOptions } from '../../plugins/oauth-server.js'
import type { OAuthMetadataOptions } from '../../plugins/oauth-metadata.js'
import type { OverloadOptions } from '../../plugins/overload.js'
import type { PreauthLimitOptions } from '../../plugins/preauth-limit.js'
import type { PrincipalLimitOptions } from '../../plugins/principal-limit.js'
import { UnavailableError, retryLater } from '../errors.js'
import { countKeys, nextExpiryDays } from '../api-keys/key-counts.js'
import { changesBetween } from '../api-keys/record-changes.js'
import { KeyStore } from '../api-keys/followed-file.js'
import { SharedKeyStore } from '../api-keys/followed-source.js'
import type { FollowedKeys } from '../api-keys/key-source.js'
import { builtInTools } from '../built-ins/index.js'
import { whoamiName } from '../built-ins/whoami.js'
import type { FreezeGate } from '../freeze/freezes.js'
import type { MintingOptions } from '../built-ins/generate-token.js'
import { decisionsOf, measuresOf } from '../http/decisions.js'
import type { State } from '../ledger/ledger.js'
import { openStateFor } from '../ledger/open.js'
import type { Problem, Reason } from '../http/readiness.js'
import { requireFixedPath } from '../http/endpoint/route-options.js'
import { defaultInfo } from '../http/server-info.js'
import { bucketOf } from '../limits/limits.js'
import {
  type McpAuthOptions,
  mcpOptionNames,
  type OAuthServerSettings,
  type OwnUsersOptions,
  ownUsersNames,
  requireOptions
} from './options.js'
import { stateKeyOf } from '../mcp/request-state-key.js'
import { identityOf, withoutSlash } from '../net/public-url.js'
import type { Documents } from '../oauth/server/documents/documents.js'
import { documentsInFiles } from '../oauth/server/documents/in-files.js'
import { documentsInMemory } from '../oauth/server/documents/in-memory.js'
import type { TrustedIssuer } from '../oauth/server/id-jag.js'
import { issuerOf } from '../oauth/server/protocol/metadata.js'
import { type OwnServer, tokenParts } from '../oauth/settings.js'
import { createKnownCredentials } from '../principal/known-credentials.js'
import type { Principal } from '../principal/principal.js'
import { proofOf } from '../principal/proof.js'
import { redisOptionsOf } from '../redis/stores.js'
import type { FleetHealth } from '../fleet/health.js'
import type { Json } from '../fleet/bus.js'
import { compareSettings } from '../fleet/same-settings.js'
import { openStores, type Stores } from './stores.js'
import type { Measures } from '../telemetry/measures.js'
import type { Channel } from '../workers/channel.js'
import { whoOf } from '../telemetry/classify.js'
import { issueLeewaySeconds } from '../tokens/claims.js'
import { issuerPrefix } from '../tokens/provider/issuer.js'
import { OneTimeLinks } from '../tokens/one-time-links.js'
import type { OneTimeStore } from '../tokens/one-time-store.js'
import type { Tool } from '../tools/tool.js'
import { readLock } from '../upstreams/lock.js'
import { readUpstreams } from '../upstreams/options.js'
import type { Upstreams } from '../upstreams/upstreams.js'

/** The options of each plugin of the chain. */
export interface Parts {
  readonly cors: CorsOptions
  /** Left out where nothing bounds the load. */
  readonly overload?: OverloadOptions | undefined
  readonly preauthLimit: PreauthLimitOptions
  /** Left out where clients cannot be signed in here. */
  readonly oauthServer?: OAuthServerOptions | undefined
  readonly auth: AuthOptions
  readonly principalLimit: PrincipalLimitOptions
  readonly mcp: McpOptions
  /** Left out where the server does not know its own address, or no provider's tokens are accepted. */
  readonly oauthMetadata?: OAuthMetadataOptions | undefined
  /** Left out where nothing is told before a client connects. */
  readonly discovery?: DiscoveryOptions | undefined
  /** Left out where minted tokens are not handed out by one-time links. */
  readonly claim?: ClaimOptions | undefined
  /** What stands in the way of serving well. */
  readonly problems: () => readonly Problem[]
}

/**
 * Throws where an option cannot be used, a `KeyFileError` or `StateError` where a file cannot. All of it
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
  const state = await openStateFor(
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
      scope.log.warn({ names }, 'another instance with this Redis has other limits: set the same on all')
    }
  })
  const keyRing = await openKeys(scope, options, stores)
  state.onUnlock(address => {
    // A store that is away must not end the process: the lock ends by itself.
    Promise.resolve(limits.clear(bucketOf('address', address))).catch((error: unknown) => {
      scope.log.warn({ err: error }, 'an address was not unlocked in the store')
    })
  })
  const oauthServer = oauthServerOf(scope, options, { keyRing, state, documents: stores.documents })
  const watches = [
    ...(keyRing === undefined ? [] : [keyRing]),
    state,
    ...(oauthServer === undefined ? [] : [grantsWatch(scope, keyRing)])
  ]
  const minting = mintingOf(options, state, stores.oneTime)
  const { metadata, ...tokens } = tokenParts(options, publicUrl, path, ownServerOf(options))
  const upstreams = await upstreamsOf(scope, options)
  const { origins, allowedHeaders, allowedHosts, loopback, apiKeys, allowWeakSecrets } = options

  return {
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
            retryLater(1000, { reason: 'Redis is away, and REDIS_DOWN_REVOCATIONS is refuse' })
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
      freezes: freezesOf(scope, options, state),
      // A secret that all instances have, told apart by endpoint: what one of them asked, another may be answered.
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
    // Neither is fatal: keys and state were read once, or the start had failed.
    problems: () => [
      ...problemOf('keys', keyRing?.problems()),
      ...problemOf('state', state.problems()),
      ...(upstreams?.problems() ?? []),
      ...problemOf(
        'frozen',
        state.frozen().filter(target => target === 'all')
      ),
      ...problemOf('redis', stores.health().state === 'degraded' ? [stores.health().reason] : [])
    ]
  }
}

/** Throws a `TypeError` where there is to be a card and the server does not know its own address. */
function discoveryOf (options: McpAuthOptions, oauth: boolean): DiscoveryOptions | undefined {
  const { appsChallenge, serverCard = false, publicUrl, path = '/mcp', info = defaultInfo, eras } = options
  if (!serverCard) return appsChallenge === undefined ? undefined : { appsChallenge }
  if (publicUrl === undefined) throw new TypeError('`serverCard` needs `publicUrl`: the card tells the address')
  const { apiKeys = [], apiKeysFile, apiKeysIn, verifyKey, jwtSecret } = options
  const hasKeys = apiKeys.length > 0 || apiKeysFile !== undefined || apiKeysIn === 'redis' || verifyKey !== undefined
  const accepted = { apiKeys: hasKeys, tokens: jwtSecret !== undefined, oauth }
  return { card: { url: withoutSlash(publicUrl) + path, info, eras, accepted }, appsChallenge, path }
}

/** Connects to the servers behind this one; `undefined` where there are none. Throws an `UpstreamError`. */
async function upstreamsOf (scope: FastifyInstance, { upstreams }: McpAuthOptions): Promise<Upstreams | undefined> {
  if (upstreams === undefined) return undefined
  const { environment, lockFile, maxResultBytes } = upstreams
  const checked = readUpstreams(upstreams, environment)
  // Not at the top: the client of the SDK is for those who have upstreams.
  const { Upstreams } = await import('../upstreams/upstreams.js')
  const lock = lockFile === undefined ? undefined : readLock(lockFile) ?? {}
  const opened = await Upstreams.open(checked, { log: scope.log, maxResultBytes, lock })
  scope.addHook('onClose', async () => { await opened.close() })
  return opened
}

/** What all instances count by; null where the default is in force. */
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

/** Nothing where this process stands alone. */
function addStoreMeasures (measures: Measures, health: () => FleetHealth): void {
  if (health().state === 'alone') return
  measures.add('store_up', () => health().state === 'ok' ? 1 : 0)
  measures.add('store_instances', () => health().instances)
}

/** One problem where a part has any; its sentences are for the log. */
function problemOf (reason: Reason, sentences: readonly string[] = []): Problem[] {
  return sentences.length === 0 ? [] : [{ reason }]
}

function oauthSettings ({ oauthServer = false }: McpAuthOptions): OAuthServerSettings | undefined {
  if (typeof oauthServer === 'object') return oauthServer
  return oauthServer ? {} : undefined
}

/** What the metadata and the challenges tell of our own authorization server. */
function ownServerOf (options: McpAuthOptions): OwnServer | undefined {
  const settings = oauthSettings(options)
  if (settings === undefined) return undefined
  const { publicUrl = '', oauth } = options
  const { advertise = 'own', scopes = oauth?.scopes ?? [] } = settings
  return { issuer: advertise === 'own' ? issuerOf(publicUrl) : undefined, scopes }
}

interface Kept {
  readonly keyRing: FollowedKeys | undefined
  readonly state: State
  /** Those of a fleet. */
  readonly documents: Documents | undefined
}

function oauthServerOf (
  scope: FastifyInstance,
  options: McpAuthOptions,
  { keyRing, state, documents: shared }: Kept
): OAuthServerOptions | undefined {
  const settings = oauthSettings(options)
  if (settings === undefined) return undefined
  const {
    publicUrl,
    jwtSecret,
    jwtPreviousSecrets,
    apiKeys,
    path,
    stateDir,
    clockToleranceSeconds,
    allowWeakSecrets,
    oauth,
    issuers = []
  } = options
  if (publicUrl === undefined || jwtSecret === undefined) {
    throw new TypeError('`oauthServer` needs `publicUrl` and `jwtSecret`')
  }
  const {
    clients,
    accessTtlSeconds,
    fetchDocument,
    trustedIssuers = [],
    scopes = oauth?.scopes ?? []
  } = settings
  const trusted: readonly TrustedIssuer[] = [
    ...(oauth === undefined ? [] : [{ ...oauth, prefix: issuerPrefix(undefined) }]),
    ...issuers.map(issuer => ({ ...issuer, prefix: issuerPrefix(issuer.name) })),
    // No name has a `%`, so that its callers are nobody else's.
    ...trustedIssuers.map(issuer => ({ issuer, prefix: issuerPrefix(encodeURIComponent(issuer)) }))
  ]
  return defined({
    publicUrl,
    path,
    jwtSecret,
    jwtPreviousSecrets,
    apiKeys,
    keyRing,
    allowWeakSecrets,
    clients,
    accessTtlSeconds,
    fetchDocument,
    clockToleranceSeconds,
    ownUsers: options.verifyKey !== undefined,
    trustedIssuers: trusted.filter(
      ({ issuer }, index) => trusted.findIndex(one => one.issuer === issuer) === index
    ),
    documents:
      shared ??
      (stateDir === undefined
        ? documentsInMemory()
        : documentsInFiles({ directory: join(stateDir, 'oauth') })),
    ledger: state,
    // Asked when a client asks: by then the endpoint is there.
    scopes: () => (scopes.length > 0 ? scopes : scope.mcp.scopes())
  })
}

/** Ends the streams of a client when the key behind its grant ends, or gives other rights. */
function grantsWatch (scope: FastifyInstance, keyRing: FollowedKeys | undefined): CredentialWatch {
  return {
    stillGood: principal => scope.oauthServer.accessTokens.stillGood(proofOf(principal)),
    onChange: listener => keyRing?.onChange(listener) ?? (() => {})
  }
}

/** `whoami` stays on, so that callers learn what is off. What is switched is a decision, whoever did it. */
function freezesOf (scope: FastifyInstance, { builtIns = true }: McpAuthOptions, state: State): FreezeGate {
  state.onFreeze(({ kind, id, by }) => {
    decisionsOf(scope).note({ kind, outcome: 'allowed', at: Date.now(), about: { target: id, by: by.principal } })
  })
  return {
    frozenFor: (principal, tool) => builtIns && tool === whoamiName ? undefined : state.frozenFor(principal, tool),
    onFreeze: listener => state.onFreeze(({ kind }) => { if (kind === 'frozen') listener() })
  }
}

/** The options that are set, of those that are called so. */
function picked<T extends object> (options: T, names: object): Partial<T> {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => Object.hasOwn(names, name) && value !== undefined)
  ) as Partial<T>
}

/** Our own tools and the host's. Throws a `TypeError` where both have one of a name. */
function toolsOf (
  scope: FastifyInstance,
  options: McpAuthOptions,
  minting: MintingOptions | undefined,
  state: State
): readonly Tool[] {
  const { builtIns = true, jwtSecret, oauth, tools = [] } = options
  if (!builtIns) return tools
  const takesTokens = jwtSecret !== undefined || oauth !== undefined
  const own = builtInTools({
    minting,
    state: takesTokens ? state : undefined,
    frozenFor: (principal, tool) => state.frozenFor(principal, tool),
    // Asked when a tool is called: by then the server is there.
    grants:
      oauthSettings(options) === undefined
        ? undefined
        : {
            list: filter => scope.oauthServer.grants.list(filter),
            revoke: (id, by) => scope.oauthServer.grants.revoke(id, by)
          },
    audit: (kind, about, { principal, requestId }) => {
      decisionsOf(scope).note({
        kind,
        outcome: 'allowed',
        at: Date.now(),
        requestId,
        ...whoOf(principal),
        about
      })
    }
  })
  const repeated = own.find(({ name }) => tools.some(tool => tool.name === name))
  if (repeated === undefined) return [...own, ...tools]
  throw new TypeError(
    `${repeated.name} is a tool of this package: give yours another name, or leave those out with \`builtIns: false\``
  )
}

/** `undefined` where nothing is minted. Tokens name this server as issuer and audience where it knows its address. */
function mintingOf (options: McpAuthOptions, state: State, oneTime: OneTimeStore): MintingOptions | undefined {
  const {
    jwtSecret: secret,
    tokenMaxTtlSeconds: maxTtlSeconds = 30 * 86_400,
    mintPolicy: policy,
    tokenDelivery
  } = options
  const { publicUrl, path = '/mcp', builtIns, oauth } = options
  if (secret === undefined || policy === 'off' || builtIns === false) return undefined
  const identity = identityOf(publicUrl, oauth?.issuer, path)
  if (tokenDelivery !== 'link') return { secret, maxTtlSeconds, state, policy, ...identity }
  if (publicUrl === undefined) throw new Error('`tokenDelivery: link` needs `publicUrl`: the links begin with it')
  const links = new OneTimeLinks({ store: oneTime, isRevoked: token => state.isRevoked(token) })
  const link = { links, url: (code: string) => `${withoutSlash(publicUrl)}/claim/${code}` }
  return { secret, maxTtlSeconds, state, policy, ...identity, link }
}

/** Throws a `KeyFileError` where the file cannot be used. `undefined` where there are no managed keys. */
async function openKeys (
  scope: FastifyInstance,
  { apiKeysIn, apiKeysFile }: McpAuthOptions,
  stores: Stores
): Promise<FollowedKeys | undefined> {
  const keys = await followedKeys(
    scope,
    apiKeysIn === 'redis' ? undefined : apiKeysFile,
    apiKeysIn === 'redis' ? stores : {}
  )
  if (keys === undefined) return undefined
  measuresOf(scope).add('keys', () =>
    Object.entries(countKeys(keys.records, Date.now())).map(([state, count]) => [{ state }, count] as const)
  )
  measuresOf(scope).add('keys_next_expiry_days', () => nextExpiryDays(keys.records, Date.now()))
  let seen = keys.records
  keys.onChange(() => {
    const changes = changesBetween(seen, keys.records)
    seen = keys.records
    for (const {
      kind,
      record: { id: keyId, owner, role, scopes }
    } of changes) {
      decisionsOf(scope).note({
        kind,
        outcome: 'allowed',
        at: Date.now(),
        about: { keyId, owner, role, scopes }
      })
    }
  })
  scope.addHook('onClose', async () => {
    await keys.close()
  })
  return keys
}

async function followedKeys (
  { log }: FastifyInstance,
  path: string | undefined,
  { keySource: source, keyUsage: usage }: Partial<Stores>
): Promise<FollowedKeys | undefined> {
  if (path !== undefined) return await KeyStore.open({ path, log })
  return source === undefined || usage === undefined
    ? undefined
    : await SharedKeyStore.open({ source, usage, log })
}

/** The entries that are set: an option of `undefined` would not mean its default everywhere. */
function defined<T extends object> (options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> }
}
