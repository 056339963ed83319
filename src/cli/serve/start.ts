/** `start`: serves until a signal stops it. */
import { join } from 'node:path'
import { Command } from 'commander'
import { stayOwnerOf } from '../../lib/path-owner.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
SIGTERM and SIGINT stop the server: it finishes accepted calls within DRAIN_GRACE_MS (default: ten seconds)
and exits with 0. A second signal stops it immediately. SIGHUP rereads LOG_LEVEL and TOOL_POLICY_FILE. Changes
to the key file apply without a signal.

  $ fastify-mcp-auth start
  $ PORT=8080 LOG_LEVEL=debug fastify-mcp-auth start
  $ fastify-mcp-auth start --demo`

export function startCommand ({ env, directory, complain }: Terminal): Command {
  return new Command('start')
    .description('start the server')
    .option('--demo', 'also serve a few tools, resources and a prompt to try clients with')
    .addHelpText('after', help)
    .action(async ({ demo: isDemo = false }: { readonly demo?: boolean }) => {
      // Loaded here, so that the help does not load the server.
      const { startServer } = await import('../../server/start.js')
      // Root privileges are dropped for the whole life of the server.
      stayOwnerOf(join(directory, '.env'))
      const items = isDemo ? (await import('../../demo/items.js')).demo : {}
      await startServer({ env, dotenv: join(directory, '.env'), announce: complain, onFailure: 'throw', ...items })
    })
}
