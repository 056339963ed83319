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
import { type OptionNames, requireKeys, requireLists, requireObjects } from '../lib/require.js'
import type { EdgeRules } from '../net/origins.js'
import type { OAuthOptions, TokenSettings } from '../oauth/settings.js'
import type { RedisSource } from '../redis/link/client.js'
import type { RedisOptions } from '../redis/stores.js'
import type { MintPolicy } from '../tokens/mint-policy.js'
import type { UpstreamsOptions } from '../upstreams/options.js'

// Each export adds the Fastify type declarations of its plugin to the package's types. Imports that are not
// exported are dropped from them.
export type { AuditOptions } from '../../plugins/audit.js'
export type { AuthOptions, Enrich, EnrichContext } from '../../plugins/auth.js'
export type { CorsOptions } from '../../plugins/cors.js'
export type { ErrorsOptions } from '../../plugins/errors.js'
export type { MetricsOptions } from '../../plugins/metrics.js'
export type { CredentialWatch, Endpoint, McpOptions } from '../../plugins/mcp.js'
export type { OverloadOptions } from '../../plugins/overload.js'
export type { PreauthLimitOptions } from '../../plugins/preauth-limit.js'
export type { PrincipalLimitOptions } from '../../plugins/principal-limit.js'
export type { RedisSource } from '../redis/link/client.js'
export type { RedisOptions } from '../redis/stores.js'
export type { UpstreamsOptions } from '../upstreams/options.js'

/**
 * The options of the chain; nothing is read from the environment. One of `apiKeys`, `apiKeysFile`, `verifyKey`,
 * `jwtSecret` and `oauth` is required.
 */
export interface McpAuthOptions
  extends
  Omit<McpOptions, 'limits' | 'bus' | 'sessionStores' | 'oneTime' | 'freezes' | 'laterTools'>,
  OwnUsersOptions,
  EdgeRules,
  Pick<CorsOptions, 'allowedHeaders'>,
  TokenSettings {
  /** Fastify's own option. Unknown paths below it are answered here; without a prefix, by the host. */
  readonly prefix?: string
  /** Keys accepted in `x-api-key`. */
  readonly apiKeys?: readonly string[] | undefined
  /** A file of managed keys, also accepted in `x-api-key`. Changes apply while the server runs. */
  readonly apiKeysFile?: string | undefined
  /** Where managed keys are stored: in `apiKeysFile`, or in the Redis of `redis`. Default `file`. */
  readonly apiKeysIn?: 'file' | 'redis' | undefined
  /**
   * Accept API keys under 16 characters and JWT secrets under 32 bytes, for tests. Default false: they
   * stop the start. Placeholders always do.
   */
  readonly allowWeakSecrets?: boolean
  /** Failures per address. Default: 30 in 60,000 ms. */
  readonly preauthLimit?: Pick<PreauthLimitOptions, 'max' | 'windowMs'>
  /** How long, in milliseconds, a verified credential passes from a locked address. Default 600,000; 0 is off. */
  readonly knownTtlMs?: number
  /** Refuses calls while the process is overloaded. Default: off. */
  readonly overload?: OverloadOptions | undefined
  /** Requests per caller. Default: 100 in 60,000 ms. */
  readonly rateLimit?: Pick<PrincipalLimitOptions, 'max' | 'windowMs'>
  /** The longest lifetime of a token from `generate-token`, in seconds. Default: 30 days. */
  readonly tokenMaxTtlSeconds?: number
  /** Who may create tokens with `generate-token`. Default `admin-tokens`. */
  readonly mintPolicy?: MintPolicy
  /**
   * What `generate-token` returns: the token, or a one-time link to it, which requires `publicUrl`.
   * Default `token`.
   */
  readonly tokenDelivery?: 'token' | 'link'
  /** The directory that records created and revoked tokens. Default: in memory, until the process ends. */
  readonly stateDir?: string | undefined
  /**
   * Let people sign in OAuth clients with an API key; `true` uses the defaults. Requires `publicUrl`, `jwtSecret` and a
   * source of keys. Default false.
   */
  readonly oauthServer?: boolean | OAuthServerSettings
  /**
   * The Redis that several instances share: a URL as in `REDIS_URL`, an ioredis client, or either as `source` with
   * more options. Default: nothing is shared.
   */
  readonly redis?: RedisSource | RedisOptions | undefined
  /** Record each decision about a caller in an audit log. Default: no audit. */
  readonly audit?: AuditOptions | undefined
  /** Provide Prometheus metrics. Default: no metrics. */
  readonly metrics?: MetricsOptions | undefined
  /** MCP servers behind this one, in the format of MCP clients; their items are also served. Default: none. */
  readonly upstreams?: UpstreamsOptions | undefined
  /**
   * Serve the server card and the AI Catalog: name, title, description and version of `info`, and the URL. Requires
   * `publicUrl`. Default false.
   */
  readonly serverCard?: boolean
  /** The token with which ChatGPT's directory checks the domain. Default: none. */
  readonly appsChallenge?: string | undefined
  /** Serve `whoami`, `generate-token` and the tools that list and revoke tokens, besides `tools`. Default true. */
  readonly builtIns?: boolean
}

/** Options of the authorization server. */
export interface OAuthServerSettings extends Pick<
  OAuthServerOptions,
  'clients' | 'accessTtlSeconds' | 'fetchDocument'
> {
  /** The scopes that clients request first. Default: those in access rules. */
  readonly scopes?: readonly string[]
  /** Which issuer the protected-resource metadata names if `oauth` is set too. Default `own`. */
  readonly advertise?: 'own' | 'issuer'
  /** Issuers whose assertions (ID-JAG) are accepted, besides those of `oauth` and `issuers`. Default: none. */
  readonly trustedIssuers?: readonly string[]
}

/** How an app looks up its own users and adds attributes to them. */
export type OwnUsersOptions = Pick<
  AuthOptions,
  'verifyKey' | 'verifyKeyTimeoutMs' | 'verifyKeyTtlMs' | 'stillGood' | 'enrich'
>

/** The options that are passed to `plugins/mcp.ts`, some of them extended. */
export const mcpOptionNames: OptionNames<
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

/** The options that are passed to `plugins/auth.ts` unchanged. */
export const ownUsersNames: OptionNames<OwnUsersOptions> = {
  verifyKey: true,
  verifyKeyTimeoutMs: true,
  verifyKeyTtlMs: true,
  stillGood: true,
  enrich: true
}

const names: OptionNames<McpAuthOptions> = {
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
  jwksTimeoutMs: true,
  oauthServer: true,
  audience: true,
  allowWeakSecrets: true,
  // Hosts, origins and limits.
  origins: true,
  allowedHeaders: true,
  allowedHosts: true,
  publicUrl: true,
  loopback: true,
  overload: true,
  preauthLimit: true,
  knownTtlMs: true,
  rateLimit: true,
  // Minted tokens and their records.
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

/** Fastify's own, for every plugin. */
const ofFastify = { logLevel: true, logSerializers: true }
const ofLimits = { max: true, windowMs: true }
const ofOverload: OptionNames<OverloadOptions> = {
  maxEventLoopDelayMs: true,
  maxHeapUsedBytes: true,
  retryAfterSeconds: true,
  sampleIntervalMs: true
}
const ofAudit: OptionNames<AuditOptions> = {
  file: true,
  stream: true,
  key: true,
  maxBytes: true,
  keep: true,
  secrets: true,
  maxQueuedBytes: true
}
const ofMetrics: OptionNames<MetricsOptions> = { port: true, host: true, token: true, gather: true }
const ofOAuth: OptionNames<OAuthOptions> = {
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
const ofOAuthServer: OptionNames<OAuthServerSettings> = {
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
 * Throws a `TypeError` that names the problem. A misspelt name would silently leave a limit or an access rule at its
 * default.
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
  const { overload, audit, metrics } = options
  if (overload !== undefined) requireKeys('`overload`', overload, ofOverload)
  if (audit !== undefined) requireKeys('`audit`', audit, ofAudit)
  if (metrics !== undefined) requireKeys('`metrics`', metrics, ofMetrics)
  if (oauth !== undefined) requireKeys('`oauth`', oauth, ofOAuth)
  if (typeof oauthServer === 'object') requireKeys('`oauthServer`', oauthServer, ofOAuthServer)
  const hasKeys = [apiKeys, issuers].some(list => Array.isArray(list) && list.length > 0)
  if (apiKeysIn === 'redis' && redis === undefined) throw new TypeError('`apiKeysIn: redis` needs `redis`')
  const shared = apiKeysIn === 'redis' ? apiKeysIn : undefined
  if (!hasKeys && [apiKeysFile, shared, verifyKey, jwtSecret, oauth].every(one => one === undefined)) {
    throw new TypeError(
      '`mcpAuth` requires at least one of `apiKeys`, `apiKeysFile`, `verifyKey`, `jwtSecret` and `oauth`'
    )
  }
}
