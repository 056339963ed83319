/** `upstreams`: shows and approves changes to the tools of upstream servers. */
import { resolve, join } from 'node:path'
import { Command } from 'commander'
import { ConfigError, readSettings } from '../../config/load.js'
import { OperatorError } from '../../lib/operator-error.js'
import { readUpstreams, settingProblemOf } from '../../setting-files.js'
import { difference } from '../../upstreams/difference.js'
import { type Lock, readLock, writeLock } from '../../upstreams/lock.js'
import { readUpstreams as checked } from '../../upstreams/options.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
"check" compares what the servers in UPSTREAMS_FILE offer with UPSTREAMS_LOCK, and exits with 1 if
anything changed. "approve" writes the current definitions to UPSTREAMS_LOCK. A tool whose definition
differs from the approved one is not served.`

export function upstreamsCommand (terminal: Terminal, fail: () => void): Command {
  const command = new Command('upstreams')
    .description('check and approve the tools of upstream servers')
    .addHelpText('after', help)
  command.command('check').description('show what changed since the last approval').action(async () => {
    const { approved, offered } = await both(terminal)
    const lines = difference(approved, offered)
    terminal.print(lines.length === 0 ? 'Nothing changed.' : lines.join('\n'))
    if (lines.length > 0) fail()
  })
  command.command('approve').description('approve the current definitions').action(async () => {
    const { path, approved, offered } = await both(terminal)
    const lines = difference(approved, offered)
    await writeLock(path, offered)
    terminal.print([...lines, `Approved in ${path}; a running server needs a restart.`].join('\n'))
  })
  return command
}

async function both ({ env, directory }: Terminal): Promise<{ path: string, approved: Lock, offered: Lock }> {
  const { config } = readSettings({ env, dotenv: join(directory, '.env') })
  const { UPSTREAMS_LOCK: lock } = config
  const file = asSetting(() => readUpstreams(config, env, directory))
  if (file === undefined) {
    throw new OperatorError('UPSTREAMS_FILE is not set: set it to the file with `mcpServers`.')
  }
  if (lock === undefined) {
    throw new OperatorError('UPSTREAMS_LOCK is not set: set it to the file for the approved definitions.')
  }
  const path = resolve(directory, lock)
  const { offeredBy } = await import('../../upstreams/offered.js')
  return { path, approved: asSetting(() => readLock(path)) ?? {}, offered: await offeredBy(checked(file, env)) }
}

/** Reports an invalid file as a problem of its setting. */
function asSetting<T> (read: () => T): T {
  try {
    return read()
  } catch (error) {
    const problem = settingProblemOf(error)
    throw problem === undefined ? error : new ConfigError([problem])
  }
}
