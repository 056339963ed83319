/** Converts settings to options of `mcpAuth`. */
import type { OverloadOptions } from '../../plugins/overload.js'
import type { McpAuthOptions } from '../chain/options.js'
import { type Config, endpointOf, type Environment, isLoopback } from '../config/load.js'
import { toStandardOutput } from '../log/stdout.js'
import { stateKeyOf } from '../mcp/request-state-key.js'
import type { OAuthOptions } from '../oauth/settings.js'
import { infoOf } from './server-info.js'
import { policyFileOf, readIssuers, settingErrorOf, upstreamsOfSettings } from '../setting-files.js'
import { secretsOf } from '../setting-secrets.js'
import { readToolPolicies } from '../tools/policy-file.js'
import type { Channel } from '../workers/channel.js'
import { workerMetrics } from '../workers/ports.js'

interface LogStream { write: (line: string) => void }

/**
 * Converts the settings in `config` to options, for an app that registers `mcpAuth` itself and is configured
 * like the service. Put your own options after them. The app applies the settings of the server itself
 * (`HOST`, `PORT`, `LOG_LEVEL`, `TRUST_PROXY`, `WORKERS`, `DRAIN_…`). Throws a `ConfigError` if a file named
 * by a setting cannot be used.
 *
 * @example
 * const { config } = loadConfig({ env: process.env })
 * await app.register(mcpAuth, { ...mcpAuthOptions(config), tools: [greet] })
 */
export function mcpAuthOptions (
  config: Config,
  { env = {}, path }: {
    /** The values for `${NAME}` in `UPSTREAMS_FILE`. Default: none. */
    readonly env?: Environment
    /** The option `path` of `mcpAuth`. Default `/mcp`. */
    readonly path?: string
  } = {}
): McpAuthOptions {
  try {
    return {
      ...chainOptions(config, path),
      ...metricsOf(config),
      ...upstreamsOf(config, env),
      ...(path === undefined ? {} : { path }),
      stateDir: config.STATE_DIR
    }
  } catch (error) {
    throw settingErrorOf(error)
  }
}

function auditOf (config: Config, logStream?: LogStream): Pick<McpAuthOptions, 'audit'> {
  const { AUDIT_FILE: file, AUDIT_STDOUT, AUDIT_KEY: key, AUDIT_MAX_BYTES: maxBytes, AUDIT_KEEP: keep } = config
  const stream = AUDIT_STDOUT === 'on' ? logStream ?? toStandardOutput() : undefined
  if (file === undefined && stream === undefined) return {}
  return { audit: { file, stream, key, maxBytes, keep, secrets: secretsOf(config) } }
}

export function metricsOf (config: Config, channel?: Channel): Pick<McpAuthOptions, 'metrics'> {
  const { METRICS_PORT: port, METRICS_HOST: host, METRICS_TOKEN: token } = config
  if (port === undefined) return {}
  if (channel === undefined) return { metrics: { port, host, token } }
  return { metrics: { port, host, token, gather: own => workerMetrics(channel, own) } }
}

/** `given` replaces the file named by the settings, and may override the other settings. */
export function upstreamsOf (
  config: Config,
  environment: Environment,
  given?: McpAuthOptions['upstreams']
): Pick<McpAuthOptions, 'upstreams'> {
  const upstreams = given ?? upstreamsOfSettings(config, environment)
  if (upstreams === undefined) return {}
  return { upstreams: { lockFile: config.UPSTREAMS_LOCK, maxResultBytes: config.UPSTREAM_MAX_RESULT, ...upstreams } }
}

/** All options except those that depend on the process: metrics, upstreams and the state. */
export function chainOptions (config: Config, path?: string, logStream?: LogStream): McpAuthOptions {
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
    jwksTimeoutMs: config.JWT_JWKS_TIMEOUT_MS,
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
