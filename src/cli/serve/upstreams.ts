/** `upstreams`: shows and approves changes to the tools of upstream servers. */
import { resolve, join } from 'node:path'
import { Command } from 'commander'
import { readSettings } from '../../config/load.js'
import { OperatorError } from '../../lib/operator-error.js'
import { asSetting, upstreamsOfSettings } from '../../setting-files.js'
import { difference } from '../../upstreams/difference.js'
import { type Lock, readLock, writeLock } from '../../upstreams/lock.js'
import { readUpstreams as checked } from '../../upstreams/options.js'
import type { Terminal } from '../terminal/terminal.js'
import { programOf } from './program.js'

const help = `
"check" compares what the servers in UPSTREAMS_FILE offer with UPSTREAMS_LOCK, and exits with 1 if
anything changed. "approve" writes the current definitions to UPSTREAMS_LOCK. A tool whose definition
differs from the approved one is not served. For a program that "proxy" serves, write it after "--":

  $ UPSTREAMS_LOCK=upstreams.lock.json fastify-mcp-auth upstreams approve -- node server.js`

export function upstreamsCommand (terminal: Terminal, fail: () => void): Command {
  const command = new Command('upstreams')
    .description('check and approve the tools of upstream servers')
    .addHelpText('after', help)
  const subcommand = (name: string, description: string, run: (found: Found) => void | Promise<void>): void => {
    command
      .command(name)
      .description(description)
      .argument('[command]', 'the program that "proxy" serves, instead of UPSTREAMS_FILE')
      .argument('[args...]', 'its arguments')
      .action(async (program: string | undefined, args: string[]) => {
        await run(await both(terminal, name, program, args))
      })
  }
  subcommand('check', 'show what changed since the last approval', ({ approved, offered }) => {
    const lines = difference(approved, offered)
    terminal.print(lines.length === 0 ? 'Nothing changed.' : lines.join('\n'))
    if (lines.length > 0) fail()
  })
  subcommand('approve', 'approve the current definitions', async ({ path, approved, offered }) => {
    const lines = difference(approved, offered)
    await asSetting(async () => { await writeLock(path, offered) })
    terminal.print([...lines, `Approved in ${path}; a running server needs a restart.`].join('\n'))
  })
  return command
}

interface Found {
  readonly path: string
  readonly approved: Lock
  readonly offered: Lock
}

async function both (
  { env, directory }: Terminal,
  name: string,
  program: string | undefined,
  args: readonly string[]
): Promise<Found> {
  const { config } = readSettings({ env, dotenv: join(directory, '.env') })
  const { UPSTREAMS_FILE, UPSTREAMS_LOCK: lock } = config
  if (program === undefined && UPSTREAMS_FILE === undefined) {
    throw new OperatorError(
      'UPSTREAMS_FILE is not set: set it to the file with `mcpServers`, or write a program after "--".'
    )
  }
  if (lock === undefined) {
    throw new OperatorError('UPSTREAMS_LOCK is not set: set it to the file for the approved definitions.')
  }
  const path = resolve(directory, lock)
  const { upstreams, approved } = await asSetting(() => ({
    upstreams: program === undefined
      ? checked(upstreamsOfSettings(config, env, directory), env)
      : checked(programOf(`upstreams ${name}`, program, args, UPSTREAMS_FILE)),
    approved: readLock(path) ?? {}
  }))
  const { offeredBy } = await import('../../upstreams/offered.js')
  return { path, approved, offered: await offeredBy(upstreams) }
}
