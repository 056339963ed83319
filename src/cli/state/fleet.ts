/** Connects a command to the Redis of the servers, as configured in their settings. */
import { InProcessBus } from '../../fleet/in-process-bus.js'
import { ConfigError } from '../../config/load.js'
import { OperatorError } from '../../lib/operator-error.js'
import { createClients } from '../../redis/link/client.js'
import { RedisKeys } from '../../redis/link/keys.js'
import { sentenceOf } from '../../redis/link/faults.js'
import { Link } from '../../redis/link/link.js'
import { settingsAt, settingsWith } from './settings.js'
import type { Terminal } from '../terminal/terminal.js'

/** The parts for the Redis stores. The bus is local, because a command does not wait for messages. */
export interface CommandLink {
  readonly link: Link
  readonly keys: RedisKeys
  readonly bus: InProcessBus
}

/** The path of the service's endpoint. */
const endpoint = '/mcp'
/** How long to wait for Redis if it refuses the connection, and if it does not respond. */
const [refusedMs, silentMs] = [2000, 10_000]
const commandMs = 5000

/**
 * True if `REDIS_URL` is set. Throws a `ConfigError` if it is not valid. Ignores other problems of `.env`.
 */
export function hasFleet (terminal: Terminal): boolean {
  const { config, problems } = settingsAt(terminal)
  const faults = problems.filter(({ variable }) => variable === 'REDIS_URL')
  if (faults.length > 0) throw new ConfigError(faults)
  return config.REDIS_URL !== undefined
}

/** Runs `work` while connected to Redis. Rejects with an `OperatorError` if Redis cannot be reached. */
export async function withFleet<T> (terminal: Terminal, work: (link: CommandLink) => Promise<T>): Promise<T> {
  const { REDIS_URL: url } = settingsWith('REDIS_URL', terminal).config
  const { REDIS_PREFIX: prefix } = settingsWith('REDIS_PREFIX', terminal).config
  if (url === undefined) throw new OperatorError('REDIS_URL is not set: set it to the Redis that the servers share.')
  const { commands, reader } = createClients(url, commandMs)
  reader.disconnect()
  const keys = new RedisKeys(`${prefix}${endpoint}:`)
  // Longer than for the server, because no caller is waiting for a response.
  const link = new Link({ client: commands, keys, timeoutMs: commandMs })
  try {
    await reached(link)
    return await work({ link, keys, bus: new InProcessBus() })
  } finally {
    await link.close()
  }
}

async function reached (link: Link): Promise<void> {
  const timers: NodeJS.Timeout[] = []
  const up = new Promise<void>((resolve, reject) => {
    link.onUp(resolve)
    const giveUp = (): void => {
      reject(new OperatorError(`${sentenceOf(link.reason)}.`))
    }
    const giveUpIfRefused = (): void => {
      // CONNECTING and CLOSED do not say why Redis refuses, so it may still become available.
      if (link.reason !== 'CONNECTING' && link.reason !== 'CLOSED') giveUp()
    }
    timers.push(setTimeout(giveUpIfRefused, refusedMs), setTimeout(giveUp, silentMs))
  })
  link.start()
  await up.finally(() => { timers.forEach(clearTimeout) })
}
