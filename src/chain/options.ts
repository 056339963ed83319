/** The options of the whole chain, and their validation before anything is registered. */
import type { AuthOptions } from '../../plugins/auth.js'
import type { CorsOptions } from '../../plugins/cors.js'
import type { AuditOptions } from '../../plugins/audit.js'
import type { McpOptions } from '../../plugins/mcp.js'
import type { MetricsOptions } from '../../plugins/metrics.js'
import type { OAuthServerOptions } from '../../plugins/oauth-server.js'
import type { OverloadOptions } from '../../plugins/overload.js'
import type { PreauthLimitOptions } from '../../plugins/preauth-limit.js'
import type { PrincipalLimitOptions } from '../../plugins/principal-limit.js'
import { requireKeys, requireLists, requireObjects } from '../lib/require.js'
import type { EdgeRules } from '../net/origins.js'
import type { OAuthOptions, TokenSettings } from '../oauth/settings.js'
import type { RedisSource } from '../redis/link/client.js'
import type { RedisOptions } from '../redis/stores.js'
import type { MintPolicy } from '../tokens/mint-policy.js'
import type { UpstreamsOptions } from '../upstreams/options.js'

// Each export carries what its plugin declares on Fastify's types into the package's: an import that
// nothing names is left out of them.
export type { AuditOptions } from '../../plugins/audit.js'
export type { AuthOptions, Enrich, EnrichContext } from '../../plugins/auth.js'
export type { CorsOptions } from '../../plugins/cors.js'
export type { ErrorsOptions } from '../../plugins/errors.js'
export type { MetricsOptions } from '../../plugins/metrics.js'
export type { CredentialWatch, Endpoint, McpOptions } from '../../plugins/mcp.js'

/**
 * What the chain needs; nothing of it is read from the environment. One of `apiKeys`, `apiKeysFile`, `verifyKey`,
 * `jwtSecret` and `oauth` is required.
 */
export interface McpAuthOptions
  extends
  Omit<McpOptions, 'limits' | 'bus' | 'sessionStores' | 'oneTime' | 'freezes' | 'laterTools'>,
  OwnUsersOptions,
  EdgeRules,
  Pick<CorsOptions, 'allowedHeaders'>,
  TokenSettings {
  /** Fastify's own. Unknown paths below it are answered here; without one they are the host's. */
  readonly prefix?: string
  /** Keys accepted in `x-api-key`. */
  readonly apiKeys?: readonly string[] | undefined
  /** A file of managed keys, accepted in `x-api-key`, too; followed while the server runs. */
  readonly apiKeysFile?: string | undefined
  /** Where managed keys are kept: in `apiKeysFile`, or in the Redis of `redis`. Default `file`. */
  readonly apiKeysIn?: 'file' | 'redis' | undefined
  /**
   * Accept API keys under 16 characters and JWT secrets under 32 bytes, as for tests. Default false: they
   * stop the boot, and placeholders always do.
   */
  readonly allowWeakSecrets?: boolean
  /** Failures per address. Default 30 in 60,000 ms. */
  readonly preauthLimit?: Pick<PreauthLimitOptions, 'max' | 'windowMs'>
  /** Milliseconds that a verified credential passes from a locked-out address. Default 600,000; 0 never. */
  readonly knownTtlMs?: number
  /** When the process has too much to do for further calls. Default never. */
  readonly overload?: OverloadOptions | undefined
  /** Requests per caller. Default 100 in 60,000 ms. */
  readonly rateLimit?: Pick<PrincipalLimitOptions, 'max' | 'windowMs'>
  /** The longest lifetime of a token from `generate-token`, in seconds. Default 30 days. */
  readonly tokenMaxTtlSeconds?: number
  /** Who may mint with `generate-token`. Default `admin-tokens`. */
  readonly mintPolicy?: MintPolicy
  /**
   * What `generate-token` returns: the token, or a one-time link to it, for which `publicUrl` is needed.
   * Default `token`.
   */
  readonly tokenDelivery?: 'token' | 'link'
  /**
   * The directory for what was minted and revoked. Default none: both are kept in memory, and forgotten
   * with the process.
   */
  readonly stateDir?: string | undefined
  /**
   * Let people sign OAuth clients in with an API key: `true` for the defaults. Needs `publicUrl`, `jwtSecret` and a
   * source of keys. Default false.
   */
  readonly oauthServer?: boolean | OAuthServerSettings
  /**
   * What the instances of one server share: a URL as in `REDIS_URL`, a client of ioredis, or either as `source` with
   * more options. Default none: this process stands alone.
   */
  readonly redis?: RedisSource | RedisOptions | undefined
  /** Keep an audit of each decision about a caller. Default none. */
  readonly audit?: AuditOptions | undefined
  /** Count what is decided, as metrics for Prometheus. Default none. */
  readonly metrics?: MetricsOptions | undefined
  /** MCP servers behind this one, as clients write them: what they offer stands beside `tools`. Default none. */
  readonly upstreams?: UpstreamsOptions | undefined
  /**
   * Serve the server card below the endpoint and the AI Catalog: name, title, description and version of `info`, and
   * the address. Needs `publicUrl`. Default false.
   */
  readonly serverCard?: boolean
  /** The token by which ChatGPT's directory checks the domain. Default none. */
  readonly appsChallenge?: string | undefined
  /** Serve `whoami`, `generate-token` and the tools to list and revoke tokens beside `tools`. Default true. */
  readonly builtIns?: boolean
}

/** The authorization server, as options of the chain. */
export interface OAuthServerSettings extends Pick<
  OAuthServerOptions,
  'clients' | 'accessTtlSeconds' | 'fetchDocument'
> {
  /** The scopes that clients ask for first. Default those that access rules name. */
  readonly scopes?: readonly string[]
  /** Which issuer the protected-resource metadata names, where `oauth` is there, too. Default `own`. */
  readonly advertise?: 'own' | 'issuer'
  /** Issuers whose assertions (ID-JAG) are accepted besides those of `oauth` and `issuers`. Default none. */
  readonly trustedIssuers?: readonly string[]
}

/** How an app looks its own users up, and adds what it knows of them. */
export type OwnUsersOptions = Pick<
  AuthOptions,
  'verifyKey' | 'verifyKeyTimeoutMs' | 'verifyKeyTtlMs' | 'stillGood' | 'enrich'
>

/** The names of all options of a type: the compiler holds the two together. */
export type Keys<T> = Readonly<Record<keyof T, true>>

/** The options that go to `plugins/mcp.ts` as they are, or with ours added. */
export const mcpOptionNames: Keys<
  Omit<McpOptions, 'limits' | 'bus' | 'sessionStores' | 'oneTime' | 'freezes' | 'laterTools'>
> = {
  tools: true,
  resources: true,
  prompts: true,
  apps: true,
  toolPolicies: true,
  info: true,
  instructions: true,
  requestTimeoutMs: true,
  bodyLimit: true,
  resultLimit: true,
  securitySchemes: true,
  path: true,
  eras: true,
  sessions: true,
  maxStreamsPerPrincipal: true,
  stateKey: true,
  watches: true,
  unread: true,
  routeOptions: true,
  provide: true,
  beforeCall: true,
  afterCall: true,
  onEndpoint: true
}

/** The options that go to `plugins/auth.ts` as they are. */
export const ownUsersNames: Keys<OwnUsersOptions> = {
  verifyKey: true,
  verifyKeyTimeoutMs: true,
  verifyKeyTtlMs: true,
  stillGood: true,
  enrich: true
}

const names: Keys<McpAuthOptions> = {
  ...mcpOptionNames,
  ...ownUsersNames,
  prefix: true,
  // Credentials.
  apiKeys: true,
  apiKeysFile: true,
  apiKeysIn: true,
  jwtSecret: true,
  jwtPreviousSecrets: true,
  clockToleranceSeconds: true,
  principalClaims: true,
  oauth: true,
  issuers: true,
  oauthServer: true,
  audience: true,
  allowWeakSecrets: true,
  // The edge and the limits.
  origins: true,
  allowedHeaders: true,
  allowedHosts: true,
  publicUrl: true,
  loopback: true,
  overload: true,
  preauthLimit: true,
  knownTtlMs: true,
  rateLimit: true,
  // Minting and its records.
  tokenMaxTtlSeconds: true,
  mintPolicy: true,
  tokenDelivery: true,
  stateDir: true,
  redis: true,
  audit: true,
  metrics: true,
  upstreams: true,
  serverCard: true,
  appsChallenge: true,
  builtIns: true
}

/** Fastify's, of every plugin. */
const ofFastify = { logLevel: true, logSerializers: true }
const ofLimits = { max: true, windowMs: true }
const ofOverload: Keys<OverloadOptions> = {
  maxEventLoopDelayMs: true,
  maxHeapUsedBytes: true,
  retryAfterSeconds: true,
  sampleIntervalMs: true
}
const ofOAuth: Keys<OAuthOptions> = {
  issuer: true,
  jwksUrl: true,
  audienceClaim: true,
  requireAt: true,
  rolesClaim: true,
  adminRole: true,
  scopesClaim: true,
  cache: true,
  scopes: true
}
const ofOAuthServer: Keys<OAuthServerSettings> = {
  clients: true,
  accessTtlSeconds: true,
  fetchDocument: true,
  scopes: true,
  advertise: true,
  trustedIssuers: true
}
const lists = [
  'apiKeys',
  'issuers',
  'jwtPreviousSecrets',
  'audience',
  'principalClaims',
  'origins',
  'allowedHeaders',
  'allowedHosts',
  'tools',
  'resources',
  'prompts',
  'apps',
  'eras',
  'watches'
] as const satisfies ReadonlyArray<keyof McpAuthOptions>

/**
 * Throws a `TypeError` that names the fault, in the words of these options. A misspelt name would leave
 * a limit, or a door, as it is by default.
 */
export function requireOptions (options: McpAuthOptions): void {
  requireKeys('The options', options, { ...names, ...ofFastify })
  const {
    apiKeys = [],
    apiKeysFile,
    apiKeysIn,
    redis,
    verifyKey,
    jwtSecret,
    oauth,
    issuers = [],
    oauthServer,
    rateLimit,
    preauthLimit
  } = options
  requireLists(Object.fromEntries(lists.map(name => [name, options[name]])))
  const { tools, resources, prompts, apps, watches } = options
  requireObjects({ tools, resources, prompts, apps, watches })
  for (const [name, limit] of Object.entries({ rateLimit, preauthLimit })) {
    if (limit !== undefined) requireKeys(`\`${name}\``, limit, ofLimits)
  }
  if (options.overload !== undefined) requireKeys('`overload`', options.overload, ofOverload)
  if (oauth !== undefined) requireKeys('`oauth`', oauth, ofOAuth)
  if (typeof oauthServer === 'object') requireKeys('`oauthServer`', oauthServer, ofOAuthServer)
  const hasKeys = [apiKeys, issuers].some(list => Array.isArray(list) && list.length > 0)
  if (apiKeysIn === 'redis' && redis === undefined) throw new TypeError('`apiKeysIn: redis` needs `redis`')
  const shared = apiKeysIn === 'redis' ? apiKeysIn : undefined
  if (!hasKeys && [apiKeysFile, shared, verifyKey, jwtSecret, oauth].every(one => one === undefined)) {
    throw new TypeError(
      '`mcpAuth` needs `apiKeys`, `apiKeysFile`, `jwtSecret` or `oauth`, or `verifyKey`: without them ' +
        'nobody could get in'
    )
  }
}
