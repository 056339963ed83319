/** Builds the service as a Fastify app: converts settings to options, and adds `/health` and `/ready`. */
import { fastify as createFastify, type FastifyInstance } from 'fastify'
import health from '../plugins/health.js'
import { type Config, type Environment, loadConfig } from './config/load.js'
import { measuresOf } from './http/decisions.js'
import { serverOptions, tuneServer } from './http/server-options.js'
import { type OptionNames, requireKeys } from './lib/require.js'
import { canonicalJson } from './lib/canonical-json.js'
import { sha256 } from './lib/sha256.js'
import { registerChain } from './mcp-auth.js'
import {
  type McpAuthOptions,
  mcpOptionNames,
  type McpOptions,
  type OwnUsersOptions,
  ownUsersNames
} from './chain/options.js'
import { settingErrorOf } from './setting-files.js'
import { secretsOf } from './setting-secrets.js'
import { chainOptions, metricsOf, upstreamsOf } from './settings/mcp-auth-options.js'
import { ToolPolicyError } from './tools/tool-policies.js'
import type { Channel } from './workers/channel.js'

/**
 * The app of the service. `config` is typed here, because a host may declare its own `config` on every app.
 */
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
  /** The output for log lines. Default standard output. */
  readonly logStream?: { write: (line: string) => void }
}

/** The names of all options; the compiler checks that the list is complete. */
export const appOptionNames: OptionNames<AppOptions> = {
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
    // A host of `buildApp` cannot call `close` if the start failed, and followed files would be polled
    // forever.
    await app.close()
    // Policies that were passed as an option are not a setting.
    const isOfHost = rest.toolPolicies !== undefined && error instanceof ToolPolicyError
    throw isOfHost ? error : settingErrorOf(error)
  }
}
