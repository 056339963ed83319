/** The process: reads the environment, builds the app, listens, and ends in order. */
import type { FastifyInstance } from 'fastify'
import { type AppOptions, buildApp } from './app.js'
import { endpointOf, loadConfig, type Config, type Environment } from './config.js'
import { drainOnEnd } from './drain.js'
import { listen } from './listen.js'

/** Tools, resources, prompts and what else an endpoint has, beside the settings of the environment. */
export interface ServerOptions extends Omit<AppOptions, 'config'> {
  /** The environment. `process.env` where left out. */
  readonly env?: Environment
  /** As in `loadConfig`: a path, `true` for `./.env` (default), `false` for none. */
  readonly dotenv?: boolean | string
  /** Takes the one line for the person who started this. Default standard error: standard output is the log's. */
  readonly announce?: (line: string) => void
}

/** The server could not begin, for a reason that the operator can mend; the message is for them. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

/**
 * Starts the server and leaves the end of the process to it. Throws a `ConfigError` on faulty
 * settings, and a `StartError` where the address can not be had.
 */
export async function startServer ({ env = process.env, dotenv = true, announce = toStderr, ...rest }: ServerOptions = {}): Promise<FastifyInstance> {
  const { config, warnings } = loadConfig({ env, dotenv })
  const app = await buildApp({ ...rest, config })
  for (const warning of warnings) app.log.warn(warning)
  drainOnEnd(app)
  announce(`Ready: ${endpointOf(config, await listenOn(app, config))}`)
  return app
}

/** Resolves to the real port: `PORT=0` leaves the choice to the system. */
async function listenOn (app: FastifyInstance, { HOST: host, PORT: port }: Config): Promise<number> {
  try {
    return await listen(app, { host, port })
  } catch (error) {
    await app.close()
    const why = reasons[(error as NodeJS.ErrnoException).code ?? '']
    throw why === undefined ? error : new StartError(`Can not listen on ${host}, port ${port}: ${why}`, { cause: error })
  }
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is taken by another program; stop that one, or set PORT to another.',
  EACCES: 'this user may not; set PORT to 1024 or above.',
  EADDRNOTAVAIL: 'this machine does not have that address; set HOST to one that it has.',
  ENOTFOUND: 'there is no such name; set HOST to a name or an address of this machine.',
  EAI_AGAIN: 'the name can not be looked up; set HOST to an address of this machine.',
  EAFNOSUPPORT: 'this machine does not speak that kind of address; set HOST to another.'
}

function toStderr (line: string): void {
  process.stderr.write(`${line}\n`)
}
