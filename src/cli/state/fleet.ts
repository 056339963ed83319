/** Redis for commands: configured like the server's, and open only while a command needs it. */
import { InProcessBus } from '../../fleet/in-process-bus.js'
import { ConfigError } from '../../config/load.js'
import { OperatorError } from '../../lib/operator-error.js'
import { createClients } from '../../redis/link/client.js'
import { Keys } from '../../redis/link/keys.js'
import { sentenceOf } from '../../redis/link/faults.js'
import { Link } from '../../redis/link/link.js'
import { settingsAt, settingsWith } from './settings.js'
import type { Terminal } from '../terminal/terminal.js'

/** What the parts over Redis are made of. There are no news: a command hears what it asks for. */
export interface CommandLink {
  readonly link: Link
  readonly keys: Keys
  readonly bus: InProcessBus
}

/** The path of the service's endpoint. */
const endpoint = '/mcp'
/** How long to wait for a Redis that refuses, and for one that does not answer at all. */
const [refusedMs, silentMs] = [2000, 10_000]
const commandMs = 5000

/**
 * True where the servers share what they know in Redis. Throws a `ConfigError` where the setting is faulty. A `.env`
 * with a fault sets nothing; whether a command may go on without it, the setting of its own place says.
 */
export function hasFleet (terminal: Terminal): boolean {
  const { config, problems } = settingsAt(terminal)
  const faults = problems.filter(({ variable }) => variable === 'REDIS_URL')
  if (faults.length > 0) throw new ConfigError(faults)
  return config.REDIS_URL !== undefined
}

/** Throws an `OperatorError` where Redis cannot be reached. */
export async function withFleet<T> (terminal: Terminal, work: (link: CommandLink) => Promise<T>): Promise<T> {
  const { REDIS_URL: url } = settingsWith('REDIS_URL', terminal).config
  const { REDIS_PREFIX: prefix } = settingsWith('REDIS_PREFIX', terminal).config
  if (url === undefined) throw new OperatorError('REDIS_URL is not set: set it to the Redis that the servers share.')
  const { commands, reader } = createClients(url)
  reader.disconnect()
  const keys = new Keys(`${prefix}${endpoint}:`)
  // Nobody waits for a command as callers do.
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
    const giveUpIfRefused = (): void => { if (link.reason !== 'CONNECTING') giveUp() }
    timers.push(setTimeout(giveUpIfRefused, refusedMs), setTimeout(giveUp, silentMs))
  })
  link.start()
  await up.finally(() => { timers.forEach(clearTimeout) })
}
