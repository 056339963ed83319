/** `proxy`: serves a stdio MCP server with keys, limits and rights. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { readSettings } from '../../config/load.js'
import { stayOwnerOf } from '../../lib/path-owner.js'
import { init } from './init.js'
import { programOf } from './program.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
Starts the endpoint with the usual settings and runs the program once for each caller. If there is no .env and
the environment has no credential, writes .env first and shows the new key. For several servers, or for a
server over HTTP, set UPSTREAMS_FILE and use "start".

  $ fastify-mcp-auth proxy -- npx -y @modelcontextprotocol/server-filesystem ./data`

export function proxyCommand (terminal: Terminal): Command {
  return new Command('proxy')
    .description('serve a stdio MCP server over HTTP: proxy -- command args')
    .argument('[command]', 'the program to run')
    .argument('[args...]', 'its arguments')
    .addHelpText('after', help)
    // An option before "--" is most likely meant for the program: show the usage instead of "unknown option".
    .allowUnknownOption()
    .action(async (command: string | undefined, args: string[]) => {
      const { env, directory, complain } = terminal
      const { config } = readSettings({ env, dotenv: join(directory, '.env') })
      const upstreams = programOf('proxy', command, args, config.UPSTREAMS_FILE)
      const { startServer } = await import('../../server/start.js')
      if (isFirstRun(terminal)) init(terminal, true)
      // Root privileges are dropped for the whole life of the server.
      stayOwnerOf(join(directory, '.env'))
      await startServer({
        env,
        dotenv: join(directory, '.env'),
        announce: complain,
        onFailure: 'throw',
        upstreams
      })
    })
}

function isFirstRun ({ env, directory }: Terminal): boolean {
  const credentials = ['API_KEYS', 'API_KEYS_FILE', 'API_KEYS_IN', 'JWT_SECRET', 'JWT_ISSUER', 'JWT_ISSUERS_FILE']
  return !existsSync(join(directory, '.env')) && credentials.every(name => (env[name] ?? '') === '')
}
