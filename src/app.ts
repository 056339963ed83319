/** The service as a Fastify app: turns settings into options of the chain, and adds `/health` and `/ready`. */
import { fastify as createFastify, type FastifyInstance } from 'fastify'
import health from '../plugins/health.js'
import type { OverloadOptions } from '../plugins/overload.js'
import { type Config, ConfigError, endpointOf, type Environment, isLoopback, loadConfig } from './config/load.js'
import { measuresOf } from './http/decisions.js'
import { serverOptions, tuneServer } from './http/server-options.js'
import { requireKeys } from './lib/require.js'
import { canonicalJson } from './lib/canonical-json.js'
import { sha256 } from './lib/sha256.js'
import { toStandardOutput } from './log/stdout.js'
import { registerChain } from './mcp-auth.js'
import {
  type Keys,
  type McpAuthOptions,
  mcpOptionNames,
  type McpOptions,
  type OwnUsersOptions,
  ownUsersNames
} from './chain/options.js'
import { stateKeyOf } from './mcp/request-state-key.js'
import type { OAuthOptions } from './oauth/settings.js'
import { infoOf } from './server-info.js'
import { policyFileOf, readIssuers, readUpstreams, settingProblemOf } from './setting-files.js'
import { secretsOf } from './setting-secrets.js'
import { readToolPolicies } from './tools/policy-file.js'
import { ToolPolicyError } from './tools/tool-policies.js'
import type { Channel } from './workers/channel.js'
import { workerMetrics } from './workers/ports.js'

/** The app of the service. `config` is typed here, because a host may declare its own `config` on every app. */
export type ServiceApp = FastifyInstance & { readonly config: Config }

/** Without `stateDir`: that of `config`, or `STATE_DIR` of `env` or `dotenv` if set; otherwise memory. */
export interface AppOptions
  extends
  Omit<McpOptions, 'limits' | 'bus' | 'sessionStores' | 'oneTime' | 'freezes' | 'laterTools'>,
  OwnUsersOptions,
  Pick<McpAuthOptions, 'builtIns' | 'stateDir' | 'upstreams'> {
  /** Settings by environment variable, as listed in docs/configuration.md. */
  readonly env?: Environment
  /** A `.env` file with lower precedence than `env`: a path, or true for `./.env`. Default false. */
  readonly dotenv?: boolean | string
  /** Settings that are already loaded, instead of `env`. */
  readonly config?: Config
  /** Where log lines go. Default standard output. */
  readonly logStream?: { write: (line: string) => void }
}

/** The names of all options; the compiler checks that the list is complete. */
export const appOptionNames: Keys<AppOptions> = {
  ...mcpOptionNames,
  ...ownUsersNames,
  builtIns: true,
  upstreams: true,
  stateDir: true,
  env: true,
  dotenv: true,
  config: true,
  logStream: true
}

/**
 * Builds the service as a Fastify app that does not listen yet. Reads only `env`. Throws a `ConfigError` that lists
 * every invalid setting. `channel` is for workers of `startServer`.
 *
 * @example
 * const app = await buildApp({ env: { API_KEYS: key }, tools: [greet] })
 * const client = createTestClient(app, { key })
 */
export async function buildApp (options: AppOptions, channel?: Channel): Promise<ServiceApp> {
  requireKeys('The options', { ...options }, appOptionNames)
  const { env: environment = {}, dotenv = false, config: loaded, logStream, ...rest } = options
  const { config, warnings, fileWarnings, sources } = loaded === undefined
    ? loadConfig({ env: environment, dotenv, hasVerifyKey: rest.verifyKey !== undefined })
    : { config: loaded, warnings: [], fileWarnings: [], sources: undefined }
  // The default directory is for the service only: an app in a test must not create one.
  const stateDir = sources?.STATE_DIR === 'default' ? undefined : config.STATE_DIR
  const app = createFastify(serverOptions({
    logLevel: config.LOG_LEVEL,
    bodyLimit: config.BODY_LIMIT,
    trustProxy: config.TRUST_PROXY,
    secrets: secretsOf(config),
    ...(logStream === undefined ? {} : { logStream })
  }))
  tuneServer(app.server)
  for (const warning of [...warnings, ...fileWarnings]) app.log.warn(warning)
  try {
    // A dynamic import: a static one would add its types to the package's, and declare `config` on every app.
    const { default: env } = await import('../plugins/env.js')
    await app.register(env, { config })
    const chain = {
      ...chainOptions(config, rest.path, logStream),
      ...metricsOf(config, channel),
      stateDir,
      ...rest,
      ...upstreamsOf(config, environment, rest.upstreams)
    }
    const problems = await registerChain(app, chain, { ownsNotFound: true, logRequests: true, channel })
    await app.register(health, { problems })
    // No values, only a digest: it shows whether the settings changed.
    const digest = sha256(canonicalJson(config))
    app.decisions.note({ kind: 'configured', outcome: 'allowed', at: Date.now(), about: { digest } })
    measuresOf(app).add('config_info', () => [[{ digest }, 1]])
    return app
  } catch (error) {
    // A host of `buildApp` cannot call `close` if the start failed, and followed files would be polled forever.
    await app.close()
    throw asSetting(error, rest)
  }
}

function auditOf (config: Config, logStream: AppOptions['logStream']): Pick<McpAuthOptions, 'audit'> {
  const { AUDIT_FILE: file, AUDIT_STDOUT, AUDIT_KEY: key, AUDIT_MAX_BYTES: maxBytes, AUDIT_KEEP: keep } = config
  const stream = AUDIT_STDOUT === 'on' ? logStream ?? toStandardOutput() : undefined
  if (file === undefined && stream === undefined) return {}
  return { audit: { file, stream, key, maxBytes, keep, secrets: secretsOf(config) } }
}

function metricsOf (config: Config, channel: Channel | undefined): Pick<McpAuthOptions, 'metrics'> {
  const { METRICS_PORT: port, METRICS_HOST: host, METRICS_TOKEN: token } = config
  if (port === undefined) return {}
  if (channel === undefined) return { metrics: { port, host, token } }
  return { metrics: { port, host, token, gather: own => workerMetrics(channel, own) } }
}

/** `given` takes the place of the file that the settings name, and may override the other settings. */
function upstreamsOf (
  config: Config,
  environment: Environment,
  given: McpAuthOptions['upstreams']
): Pick<McpAuthOptions, 'upstreams'> {
  const upstreams = given ?? readUpstreams(config, environment)
  if (upstreams === undefined) return {}
  return { upstreams: { lockFile: config.UPSTREAMS_LOCK, maxResultBytes: config.UPSTREAM_MAX_RESULT, ...upstreams } }
}

function chainOptions (config: Config, path: string | undefined, logStream: AppOptions['logStream']): McpAuthOptions {
  return {
    apiKeys: config.API_KEYS,
    apiKeysFile: config.API_KEYS_FILE,
    apiKeysIn: config.API_KEYS_IN,
    // Checked with the settings, which say where the server listens.
    allowWeakSecrets: true,
    jwtSecret: config.JWT_SECRET,
    jwtPreviousSecrets: config.JWT_SECRET_PREVIOUS,
    clockToleranceSeconds: config.JWT_CLOCK_TOLERANCE,
    principalClaims: config.JWT_PRINCIPAL_CLAIMS,
    audience: audienceOf(config, path),
    ...(config.JWT_ISSUER === undefined ? {} : { oauth: oauthOf(config, config.JWT_ISSUER) }),
    issuers: readIssuers(config),
    oauthServer: config.OAUTH_SERVER === 'on' && {
      clients: config.OAUTH_CLIENTS,
      advertise: config.OAUTH_ADVERTISE,
      accessTtlSeconds: config.OAUTH_ACCESS_TTL,
      scopes: config.OAUTH_SCOPES,
      trustedIssuers: config.OAUTH_TRUSTED_ISSUERS
    },
    ...auditOf(config, logStream),
    preauthLimit: { max: config.PREAUTH_RATE_LIMIT_MAX, windowMs: config.PREAUTH_RATE_LIMIT_WINDOW_MS },
    knownTtlMs: config.PREAUTH_KNOWN_TTL_MS,
    overload: overloadOf(config),
    rateLimit: { max: config.RATE_LIMIT_MAX, windowMs: config.RATE_LIMIT_WINDOW_MS },
    origins: config.CORS_ORIGINS,
    allowedHeaders: config.CORS_HEADERS,
    allowedHosts: config.ALLOWED_HOSTS,
    loopback: isLoopback(config.HOST),
    ...(config.PUBLIC_URL === undefined ? {} : { publicUrl: config.PUBLIC_URL }),
    info: infoOf(config),
    serverCard: config.SERVER_CARD === 'on',
    appsChallenge: config.OPENAI_APPS_CHALLENGE,
    bodyLimit: config.BODY_LIMIT,
    resultLimit: config.RESULT_LIMIT,
    unread: { maxBytesPerCaller: config.UNREAD_MAX_PER_CALLER, maxBytes: config.UNREAD_MAX },
    requestTimeoutMs: config.REQUEST_TIMEOUT_MS,
    eras: config.MCP_ERAS,
    sessions: config.MCP_SESSIONS === 'on' && {
      idleMs: config.SESSION_IDLE_MS,
      lifetimeMs: config.SESSION_LIFETIME_MS,
      maxPerPrincipal: config.SESSION_MAX_PER_CALLER,
      max: config.SESSION_MAX
    },
    ...(config.REQUEST_STATE_KEY === undefined
      ? {}
      : { stateKey: stateKeyOf(config.REQUEST_STATE_KEY, path ?? '/mcp') }),
    maxStreamsPerPrincipal: config.STREAM_MAX_PER_CALLER,
    toolPolicies: readToolPolicies(policyFileOf(config)),
    tokenMaxTtlSeconds: config.TOKEN_MAX_TTL,
    mintPolicy: config.MINT_POLICY,
    tokenDelivery: config.TOKEN_DELIVERY,
    redis:
      config.REDIS_URL === undefined
        ? undefined
        : {
            source: config.REDIS_URL,
            prefix: config.REDIS_PREFIX,
            timeoutMs: config.REDIS_TIMEOUT_MS,
            whenDownLimits: config.REDIS_DOWN_LIMITS,
            whenDownRevocations: config.REDIS_DOWN_REVOCATIONS,
            start: config.REDIS_START
          }
  }
}

/** Reports an unusable file as a problem of its setting. Policies that were passed as an option are not a setting. */
function asSetting (error: unknown, { toolPolicies }: Pick<McpOptions, 'toolPolicies'>): unknown {
  const problem = settingProblemOf(error)
  const isOfHost = toolPolicies !== undefined && error instanceof ToolPolicyError
  return problem === undefined || isOfHost ? error : new ConfigError([problem])
}

function overloadOf ({ OVERLOAD_DELAY_MS: delayMs, OVERLOAD_HEAP_MB: heap }: Config): OverloadOptions {
  return { maxEventLoopDelayMs: delayMs, maxHeapUsedBytes: heap === undefined ? undefined : heap * 1024 ** 2 }
}

function oauthOf (config: Config, issuer: string): OAuthOptions {
  return {
    issuer,
    jwksUrl: config.JWT_JWKS_URL,
    audienceClaim: config.JWT_AUDIENCE_CLAIM,
    requireAt: config.JWT_REQUIRE_AT === 'on',
    rolesClaim: config.JWT_ROLES_CLAIM,
    adminRole: config.JWT_ADMIN_ROLE,
    scopesClaim: config.JWT_SCOPES_CLAIM,
    scopes: config.OAUTH_SCOPES
  }
}

/** On loopback, the server's own address identifies it if nothing else does. */
function audienceOf (config: Config, path: string | undefined): readonly string[] {
  const isNamed = config.PUBLIC_URL !== undefined || config.JWT_AUDIENCE.length > 0
  return isNamed || config.JWT_ISSUER === undefined ? config.JWT_AUDIENCE : [endpointOf(config, config.PORT, path)]
}
