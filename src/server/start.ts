/** Starts the service: reads the environment, builds the app, listens, and shuts down gracefully. */
import type { FastifyInstance } from 'fastify'
import { type AppOptions, appOptionNames, buildApp, type ServiceApp } from '../app.js'
import { endpointOf, loadConfig, type Config, type Environment } from '../config/load.js'
import { drainOnEnd } from './drain.js'
import { listen } from './listen.js'
import { OperatorError } from '../lib/operator-error.js'
import { type OptionNames, requireKeys } from '../lib/require.js'
import type { Endpoint } from '../mcp/endpoint.js'
import { reloadOnHangUp } from './reload.js'
import { announceInWorker, channelOfWorker, isOurWorker, obeyPrimary, runWorkers, workersOf } from './workers.js'

/** The options of an endpoint (tools, resources, prompts and more), and the source of the settings. */
export interface ServerOptions extends Omit<AppOptions, 'config'> {
  /** The environment. Default `process.env`. */
  readonly env?: Environment
  /** A `.env` file, as for `loadConfig`: a path, `true` for `./.env` (default), or `false`. */
  readonly dotenv?: boolean | string
  /**
   * Prints messages for the person who started the server. Default: standard error, because the log uses
   * stdout.
   */
  readonly announce?: (line: string) => void
  /**
   * What to do if the start fails for a reason that the operator can fix. `exit` (default) announces the
   * message and ends the process with 1. `throw` throws the error.
   */
  readonly onFailure?: 'exit' | 'throw'
}

const { config: _, ...ofApp } = appOptionNames
const optionNames: OptionNames<ServerOptions> = { ...ofApp, announce: true, onFailure: true }

/** The server could not start, for a reason that the operator can fix. The message is for the operator. */
export class StartError extends OperatorError {
  override readonly name = 'StartError'
}

/**
 * Starts the service: reads `.env`, listens, and stops on SIGTERM and SIGINT. Resolves once it listens. If a setting is
 * invalid it prints one sentence and exits. With `onFailure: 'throw'` it throws a `ConfigError` for settings, a
 * `StartError` if it cannot bind to the address, and a `StateError` if it cannot use `STATE_DIR`. Other errors are
 * always thrown, such as a `TypeError` for an unknown option. With `WORKERS` above 1 this program is started once
 * for each worker: the promise resolves in each worker, and never in the primary process, which serves nothing.
 *
 * @example
 * await startServer({ tools: [greet] })
 */
export async function startServer ({
  announce = toStderr,
  onFailure = 'exit',
  ...rest
}: ServerOptions = {}): Promise<ServiceApp> {
  requireKeys('The options', { announce, onFailure, ...rest }, optionNames)
  try {
    return await start({ announce, ...rest })
  } catch (error) {
    const isWorker = isOurWorker(process.env)
    if ((onFailure === 'throw' && !isWorker) || !(error instanceof OperatorError)) throw error
    if (isWorker) await announceInWorker(error.message)
    else announce(error.message)
    process.exit(1)
  }
}

async function start ({
  env = process.env,
  dotenv = true,
  announce,
  ...rest
}: Omit<ServerOptions, 'onFailure'> & Required<Pick<ServerOptions, 'announce'>>): Promise<ServiceApp> {
  const from = { env, dotenv, hasVerifyKey: rest.verifyKey !== undefined }
  const { config, warnings, fileWarnings } = loadConfig(from)
  const workers = workersOf(config.WORKERS)
  const isWorker = isOurWorker(process.env)
  const isByNpm = process.env.npm_lifecycle_event !== undefined
  if (workers > 1 && !isWorker) return await runWorkers(workers, { announce, isByNpm })
  const channel = isWorker ? channelOfWorker() : undefined
  let endpoint: Endpoint | undefined
  const onEndpoint = (made: Endpoint): void => {
    endpoint = made
    rest.onEndpoint?.(made)
  }
  const app = await buildApp({ ...rest, config, env, onEndpoint }, channel)
  if (endpoint !== undefined) {
    reloadOnHangUp(app, { ...from, config, endpoint, hasPolicyFile: rest.toolPolicies === undefined })
  }
  for (const warning of [...warnings, ...fileWarnings]) app.log.warn(warning)
  drainOnEnd(app, {
    delayMs: config.DRAIN_DELAY_MS ?? (isOneOfMany(config) ? 1000 : 0),
    graceMs: config.DRAIN_GRACE_MS,
    isByNpm
  })
  if (isWorker) obeyPrimary()
  const port = await listenOn(app, config)
  const line = `Ready: ${endpointOf(config, port, rest.path)}`
  if (isWorker) await announceInWorker(line, port)
  else announce(line)
  return app
}

/** True if several instances share a store. A balancer then has to notice which of them stops. */
function isOneOfMany (config: Config): boolean {
  return config.REDIS_URL !== undefined
}

/** Resolves to the actual port, which the system picks if `PORT` is 0. */
async function listenOn (app: FastifyInstance, { HOST: host, PORT: port }: Config): Promise<number> {
  try {
    return await listen(app, { host, port })
  } catch (error) {
    await app.close()
    const why = reasons[(error as NodeJS.ErrnoException).code ?? '']
    throw why === undefined ? error : new StartError(`Cannot listen on ${host}, port ${port}: ${why}`, { cause: error })
  }
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program uses the port; stop that program, or set PORT to another port.',
  EACCES: 'this user lacks permission; set PORT to 1024 or above.',
  EADDRNOTAVAIL: 'this machine does not have that address; set HOST to one of its addresses.',
  ENOTFOUND: 'the name does not exist; set HOST to a name or an address of this machine.',
  EAI_AGAIN: 'the name cannot be looked up; set HOST to an address of this machine.',
  EAFNOSUPPORT: 'this machine does not support that kind of address; set HOST to another one.'
}

function toStderr (line: string): void {
  process.stderr.write(`${line}\n`)
}
