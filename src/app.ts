/** Every register call, in order, on one page: as a service of its own and inside another app. */
import Fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify'
import auth from '../plugins/auth.js'
import claim from '../plugins/claim.js'
import cors from '../plugins/cors.js'
import env from '../plugins/env.js'
import errors from '../plugins/errors.js'
import health from '../plugins/health.js'
import mcp, { type McpOptions } from '../plugins/mcp.js'
import oauthMetadata from '../plugins/oauth-metadata.js'
import preauthLimit, { type PreauthLimitOptions } from '../plugins/preauth-limit.js'
import principalLimit, { type PrincipalLimitOptions } from '../plugins/principal-limit.js'
import { type Keys, requireOptions } from './mcp-auth-options.js'
import { type Config, ConfigError, endpointOf, type Environment, isLoopback, loadConfig } from './config/load.js'
import { stateKeyOf } from './mcp/request-state-key.js'
import type { EdgeRules } from './net/origins.js'
import { policyFileProblem, readToolPolicies } from './tools/policy-file.js'
import { KeyFileError } from './api-keys/file.js'
import { KeyStore } from './api-keys/followed-file.js'
import { createKnownCredentials } from './principal/known-credentials.js'
import { identityOf, type MintPolicy } from './tokens/mint-policy.js'
import type { Principal } from './principal/principal.js'
import { withoutSlash } from './net/public-url.js'
import { type OAuthOptions, tokenParts, type TokenSettings } from './oauth/settings.js'
import { serverOptions } from './http/server-options.js'
import { Claims } from './tokens/one-time-links.js'
import { openStateFor } from './ledger/open.js'
import type { State } from './ledger/ledger.js'
import type { MintingOptions } from './built-ins/generate-token.js'
import { builtInTools } from './built-ins/index.js'

// Each export carries what its plugin declares on Fastify's types into the package's: an import that nothing names is left out of them.
export type { AuthOptions } from '../plugins/auth.js'
export type { CorsOptions } from '../plugins/cors.js'
export type { EnvOptions } from '../plugins/env.js'
export type { ErrorsOptions } from '../plugins/errors.js'
export type { CredentialWatch, Endpoint, McpOptions } from '../plugins/mcp.js'

/** What the chain needs; nothing of it is read from the environment. Of `apiKeys`, `apiKeysFile`, `jwtSecret` and `oauth` one is needed. */
export interface McpAuthOptions extends McpOptions, EdgeRules, TokenSettings {
  /** Fastify's own. Unknown paths below it are answered here; without one they are the host's. */
  readonly prefix?: string
  /** Keys accepted in `x-api-key`. */
  readonly apiKeys?: readonly string[] | undefined
  /** A file of managed keys, accepted in `x-api-key`, too; followed while the server runs. */
  readonly apiKeysFile?: string | undefined
  /** Accept API keys under 16 characters and JWT secrets under 32 bytes, as for tests. Default false: they stop the boot, and placeholders always do. */
  readonly allowWeakSecrets?: boolean
  /** Failures per address. Default 30 in 60,000 ms. */
  readonly preauthLimit?: Pick<PreauthLimitOptions, 'max' | 'windowMs'>
  /** Milliseconds that a verified credential passes from a locked-out address. Default 600,000; 0 never. */
  readonly knownTtlMs?: number
  /** Requests per caller. Default 100 in 60,000 ms. */
  readonly rateLimit?: PrincipalLimitOptions
  /** The longest lifetime of a token from `generate-token`, in seconds. Default 30 days. */
  readonly tokenMaxTtlSeconds?: number
  /** Who may mint with `generate-token`. Default `admin-tokens`. */
  readonly mintPolicy?: MintPolicy
  /** What `generate-token` returns: the token, or a one-time link to it, for which `publicUrl` is needed. Default `token`. */
  readonly tokenDelivery?: 'token' | 'link'
  /** The directory for what was minted and revoked. Default none: both are kept in memory, and forgotten with the process. */
  readonly stateDir?: string | undefined
  /** Serve `whoami`, `generate-token` and the tools to list and revoke tokens beside `tools`. Default true. */
  readonly builtIns?: boolean
}

/** The names of all options: the compiler holds the two together. */
const optionNames: Keys<McpAuthOptions> = {
  ...{ prefix: true, apiKeys: true, apiKeysFile: true, jwtSecret: true, jwtPreviousSecrets: true, clockToleranceSeconds: true, oauth: true, audience: true, allowWeakSecrets: true },
  ...{ origins: true, allowedHosts: true, publicUrl: true, loopback: true, preauthLimit: true, knownTtlMs: true, rateLimit: true },
  ...{ tokenMaxTtlSeconds: true, mintPolicy: true, tokenDelivery: true, stateDir: true, builtIns: true, watches: true, onEndpoint: true },
  ...{ tools: true, resources: true, prompts: true, toolPolicies: true, info: true, instructions: true, requestTimeoutMs: true, bodyLimit: true, path: true },
  ...{ eras: true, sessions: true, maxStreamsPerPrincipal: true, stateKey: true }
}

/** The scope's place in the app around it. */
interface Place {
  /** False where unknown paths belong to the host. */
  readonly ownsNotFound: boolean
  readonly logRefusals: boolean
}

/**
 * The whole chain in a scope of its own: `app.register(mcpAuth, { prefix: '/tools', apiKeys })`.
 * May be registered more than once; nothing of one reaches another or the host's own routes.
 */
export const mcpAuth: FastifyPluginAsync<McpAuthOptions> = async (scope, options) => {
  await registerChain(scope, options, { ownsNotFound: takeNotFound(scope, options), logRefusals: true })
}

/** The prefixes whose unknown paths one of our scopes answers, by server. */
const taken = new WeakMap<object, Set<string>>()

/**
 * True for the first registration with this prefix of its own; below an inherited one unknown paths
 * are the host's. Fastify takes one not-found handler a prefix, and a second in another scope ends the process.
 */
function takeNotFound ({ server, prefix }: FastifyInstance, { prefix: own = '' }: McpAuthOptions): boolean {
  if (own.replaceAll('/', '') === '') return false
  const prefixes = taken.get(server) ?? new Set()
  const isFirst = !prefixes.has(prefix)
  taken.set(server, prefixes.add(prefix))
  return isFirst
}

/**
 * The order is the security design; docs/request-life.md tells it from a request's side. Returns what
 * stands in the way of serving well, now and later.
 */
async function registerChain (scope: FastifyInstance, options: McpAuthOptions, { ownsNotFound, logRefusals }: Place): Promise<() => readonly string[]> {
  requireOptions(options, optionNames)
  const { apiKeys, apiKeysFile, allowWeakSecrets, jwtSecret, jwtPreviousSecrets, clockToleranceSeconds, oauth, audience, origins, allowedHosts, publicUrl, loopback, knownTtlMs = 600_000, preauthLimit: address, rateLimit, builtIns = true, stateDir, tools = [], watches: hostWatches = [], ...rest } = options
  const known = createKnownCredentials({ ttlMs: knownTtlMs })
  const keyRing = apiKeysFile === undefined ? undefined : await openKeys(scope, apiKeysFile)
  const state = await openStateFor(scope, stateDir, (clockToleranceSeconds ?? 0) * 1000)
  const watches = keyRing === undefined ? [state] : [keyRing, state]
  const minting = mintingOf(options, state)
  // A secret that all instances have, told apart by endpoint: what one of them asked, another may be answered.
  const stateKey = rest.stateKey !== undefined || jwtSecret === undefined ? {} : { stateKey: stateKeyOf(jwtSecret, scope.prefix + (rest.path ?? '/mcp')) }
  const { metadata, ...tokens } = tokenParts(options, publicUrl, rest.path ?? '/mcp')
  const own = builtIns ? builtInTools({ minting, state: jwtSecret === undefined && options.oauth === undefined ? undefined : state, audit: (fields, message) => { scope.log.info(fields, message) } }) : []
  const repeated = own.find(({ name }) => tools.some(tool => tool.name === name))
  if (repeated !== undefined) throw new TypeError(`${repeated.name} is a tool of this package: give yours another name, or leave those out with \`builtIns: false\``)

  // First, so that every later no has the one shape.
  await scope.register(errors, { notFound: ownsNotFound, logRefusals })
  // Before the limits: preflights carry no credential, and refusals keep their CORS headers.
  await scope.register(cors, defined({ origins, allowedHosts, publicUrl, loopback }))
  // Before any credential is looked at: a locked-out address costs us one look-up.
  await scope.register(preauthLimit, { ...address, known, stillGood: (principal, ip) => watches.every(watch => watch.stillGood(principal, ip)) })
  await scope.register(auth, defined({ apiKeys, keyRing, allowWeakSecrets, ...tokens, known, isRevoked: (principal: Principal) => state.isRevoked(principal) }))
  // After authentication: the key is the caller, not the address.
  await scope.register(principalLimit, { ...rateLimit })
  await scope.register(mcp, { ...rest, ...stateKey, tools: [...own, ...tools], watches: [...watches, ...hostWatches] })
  if (metadata !== undefined) await scope.register(oauthMetadata, metadata)
  if (minting?.link !== undefined) await scope.register(claim, { claims: minting.link.claims })
  return () => [...keyRing?.problems() ?? [], ...state.problems(), ...scope.issuerProblems()]
}

/** `undefined` where nothing is minted. Tokens name this server as issuer and audience where it knows its address. */
function mintingOf ({ jwtSecret: secret, tokenMaxTtlSeconds: maxTtlSeconds = 30 * 86_400, mintPolicy: policy, tokenDelivery, publicUrl, path = '/mcp', builtIns, oauth }: McpAuthOptions, state: State): MintingOptions | undefined {
  if (secret === undefined || policy === 'off' || builtIns === false) return undefined
  if (tokenDelivery === 'link' && publicUrl === undefined) throw new Error('`tokenDelivery: link` needs `publicUrl`: the links begin with it')
  const link = tokenDelivery === 'link' ? { claims: new Claims(), url: (code: string) => `${withoutSlash(publicUrl ?? '')}/claim/${code}` } : undefined
  return { secret, maxTtlSeconds, state, policy, ...identityOf(publicUrl, oauth?.issuer, path), link }
}

/** Throws a `KeyFileError` where the file can't be used. */
async function openKeys (scope: FastifyInstance, path: string): Promise<KeyStore> {
  const keys = await KeyStore.open({ path, log: scope.log })
  scope.addHook('onClose', async () => { await keys.close() })
  return keys
}

/** `stateDir` left out: that of `config`, or the `STATE_DIR` that is set in `env` or `dotenv`; without one, memory. */
export interface AppOptions extends McpOptions, Pick<McpAuthOptions, 'builtIns' | 'stateDir'> {
  /** Settings by their environment names, as docs/configuration.md lists them. */
  readonly env?: Environment
  /** A `.env` file to read beneath `env`: a path, or true for `./.env`. Default false. */
  readonly dotenv?: boolean | string
  /** Settings that were loaded already, in place of `env`. */
  readonly config?: Config
  /** Where log lines go. Default standard output. */
  readonly logStream?: { write: (line: string) => void }
}

/** The service as an app that does not listen yet. Throws a `ConfigError` that names every bad setting. */
export async function buildApp ({ env: environment = {}, dotenv = false, config: loaded, logStream, ...rest }: AppOptions): Promise<FastifyInstance> {
  const { config, warnings, sources } = loaded === undefined ? loadConfig({ env: environment, dotenv }) : { config: loaded, warnings: [], sources: undefined }
  // The default directory is for the service: an app in a test must not leave one behind.
  const stateDir = sources?.STATE_DIR === 'default' ? undefined : config.STATE_DIR
  const app = Fastify(serverOptions({
    logLevel: config.LOG_LEVEL,
    bodyLimit: config.BODY_LIMIT,
    trustProxy: config.TRUST_PROXY,
    secrets: [...config.API_KEYS, ...(config.JWT_SECRET === undefined ? [] : [config.JWT_SECRET]), ...config.JWT_SECRET_PREVIOUS, ...(config.STATE_KEY === undefined ? [] : [config.STATE_KEY])],
    ...(logStream === undefined ? {} : { logStream })
  }))
  for (const warning of warnings) app.log.warn(warning)
  try {
    await app.register(env, { config })
    const problems = await registerChain(app, { ...chainOptions(config, rest.path), stateDir, ...rest }, { ownsNotFound: true, logRefusals: false })
    await app.register(health, { problems })
    return app
  } catch (error) {
    // Nobody else can: files that are followed would be followed for ever.
    await app.close()
    throw asSetting(error, rest)
  }
}

function chainOptions (config: Config, path: string | undefined): McpAuthOptions {
  return {
    apiKeys: config.API_KEYS,
    apiKeysFile: config.API_KEYS_FILE,
    // Judged with the settings, which know where the server listens.
    allowWeakSecrets: true,
    jwtSecret: config.JWT_SECRET,
    jwtPreviousSecrets: config.JWT_SECRET_PREVIOUS,
    clockToleranceSeconds: config.JWT_CLOCK_TOLERANCE,
    audience: audienceOf(config, path),
    ...(config.JWT_ISSUER === undefined ? {} : { oauth: oauthOf(config, config.JWT_ISSUER) }),
    preauthLimit: { max: config.PREAUTH_RATE_LIMIT_MAX, windowMs: config.PREAUTH_RATE_LIMIT_WINDOW_MS },
    knownTtlMs: config.PREAUTH_KNOWN_TTL_MS,
    rateLimit: { max: config.RATE_LIMIT_MAX, windowMs: config.RATE_LIMIT_WINDOW_MS },
    origins: config.CORS_ORIGINS,
    allowedHosts: config.ALLOWED_HOSTS,
    loopback: isLoopback(config.HOST),
    ...(config.PUBLIC_URL === undefined ? {} : { publicUrl: config.PUBLIC_URL }),
    bodyLimit: config.BODY_LIMIT,
    requestTimeoutMs: config.REQUEST_TIMEOUT_MS,
    eras: config.MCP_ERAS,
    sessions: config.MCP_SESSIONS === 'on' && {
      idleMs: config.SESSION_IDLE_MS,
      lifetimeMs: config.SESSION_LIFETIME_MS,
      maxPerPrincipal: config.SESSION_MAX_PER_CALLER,
      max: config.SESSION_MAX
    },
    ...(config.STATE_KEY === undefined ? {} : { stateKey: stateKeyOf(config.STATE_KEY, path ?? '/mcp') }),
    maxStreamsPerPrincipal: config.STREAM_MAX_PER_CALLER,
    toolPolicies: readToolPolicies(config),
    tokenMaxTtlSeconds: config.TOKEN_MAX_TTL,
    mintPolicy: config.MINT_POLICY,
    tokenDelivery: config.TOKEN_DELIVERY
  }
}

/** A file that can't be used is a setting that can't. Policies that the host gave are no setting. */
function asSetting (error: unknown, { toolPolicies }: McpOptions): unknown {
  const problem = toolPolicies === undefined ? policyFileProblem(error) : undefined
  if (problem !== undefined) return new ConfigError([problem])
  if (!(error instanceof KeyFileError)) return error
  return new ConfigError([{ variable: 'API_KEYS_FILE', wrong: `names a file that ${error.wrong}`, right: error.right }])
}

function oauthOf (config: Config, issuer: string): OAuthOptions {
  return {
    issuer,
    jwksUrl: config.JWT_JWKS_URL,
    rolesClaim: config.JWT_ROLES_CLAIM,
    adminRole: config.JWT_ADMIN_ROLE,
    scopesClaim: config.JWT_SCOPES_CLAIM,
    scopes: config.OAUTH_SCOPES
  }
}

/** On loopback alone the server's own address names it where nothing else does. */
function audienceOf (config: Config, path: string | undefined): readonly string[] {
  const isNamed = config.PUBLIC_URL !== undefined || config.JWT_AUDIENCE.length > 0
  return isNamed || config.JWT_ISSUER === undefined ? config.JWT_AUDIENCE : [endpointOf(config, config.PORT, path)]
}

/** The entries that are set: an option of `undefined` would not mean its default everywhere. */
function defined<T extends object> (options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> }
}
