/** The options of the whole chain. */
import type { AuthOptions } from '../../plugins/auth.js'
import type { CorsOptions } from '../../plugins/cors.js'
import type { AuditOptions } from '../../plugins/audit.js'
import type { McpOptions } from '../../plugins/mcp.js'
import type { MetricsOptions } from '../../plugins/metrics.js'
import type { OAuthServerOptions } from '../../plugins/oauth-server.js'
import type { OverloadOptions } from '../../plugins/overload.js'
import type { PreauthLimitOptions } from '../../plugins/preauth-limit.js'
import type { PrincipalLimitOptions } from '../../plugins/principal-limit.js'
import type { OptionNames } from '../lib/require.js'
import type { EdgeRules } from '../net/origins.js'
import type { TokenSettings } from '../oauth/settings.js'
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
