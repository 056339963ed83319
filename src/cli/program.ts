/** The commands, each loaded when it is run, and the handling of their failures. */
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { OperatorError } from '../lib/operator-error.js'
import { type Acting, actAsOwnerOf } from '../lib/path-owner.js'
import { version } from '../version.js'
import { CancelledError } from './terminal/secret-input.js'
import type { Terminal } from './terminal/terminal.js'

const examples = `
A first run:
  $ fastify-mcp-auth init     # writes .env with a fresh API key and JWT secret
  $ fastify-mcp-auth start    # serves http://localhost:3000/mcp

Settings come from the environment and from .env in the working directory; the environment
wins. "fastify-mcp-auth config" shows the effective settings.`

/**
 * Makes a command. It calls `exit` where it did its work and the answer is no; the exit code is 1 where
 * none is given.
 */
type CommandMaker = (terminal: Terminal, exit: (code?: number) => void) => Promise<Command>

/** In the order of the help. */
const commands: Readonly<Record<string, CommandMaker>> = {
  start: async terminal => (await import('./serve/start.js')).startCommand(terminal),
  proxy: async terminal => (await import('./serve/proxy.js')).proxyCommand(terminal),
  upstreams: async (terminal, fail) => (await import('./serve/upstreams.js')).upstreamsCommand(terminal, fail),
  init: async terminal => (await import('./serve/init.js')).initCommand(terminal),
  token: async terminal => (await import('./access/token.js')).tokenCommand(terminal),
  tokens: async terminal => (await import('./access/tokens.js')).tokensCommand(terminal),
  unlock: async terminal => (await import('./access/unlock.js')).unlockCommand(terminal),
  audit: async (terminal, exit) => (await import('./inspect/audit.js')).auditCommand(terminal, exit),
  keys: async (terminal, exit) => (await import('./keys/command.js')).keysCommand(terminal, exit),
  freeze: async terminal => (await import('./access/freeze.js')).freezeCommand(terminal),
  thaw: async terminal => (await import('./access/freeze.js')).thawCommand(terminal),
  grants: async terminal => (await import('./access/grants.js')).grantsCommand(terminal),
  clients: async terminal => (await import('./access/clients.js')).clientsCommand(terminal),
  card: async terminal => (await import('./inspect/card.js')).cardCommand(terminal),
  lint: async (terminal, exit) => (await import('./inspect/lint.js')).lintCommand(terminal, exit),
  can: async (terminal, exit) => (await import('./inspect/can.js')).canCommand(terminal, exit),
  why: async (terminal, exit) => (await import('./inspect/why.js')).whyCommand(terminal, exit),
  doctor: async (terminal, exit) => (await import('./inspect/doctor.js')).doctorCommand(terminal, exit),
  config: async (terminal, exit) => (await import('./inspect/config.js')).configCommand(terminal, exit)
}

/** Runs one command line. Resolves to the exit code; `start` resolves once the server listens. */
export async function run (args: readonly string[], terminal: Terminal): Promise<number> {
  let code = 0
  let acting: Acting | undefined
  const program = new Command('fastify-mcp-auth')
    .description('An MCP server over HTTP with API keys, JWTs and rate limits.')
    .version(version)
    .addHelpText('after', examples)
    // Before anything is read: what root does in a directory of another user, that user could turn against it.
    .hook('preAction', () => { acting = actAsOwnerOf(join(terminal.directory, '.env')) })
  for (const make of makersFor(args)) program.addCommand(await make(terminal, (exitCode = 1) => { code = exitCode }))
  const faults: string[] = []
  for (const command of withSubcommands(program)) {
    command.exitOverride().configureOutput({
      outputError: text => { faults.push(text) },
      writeOut: text => terminal.print(text.trimEnd()),
      writeErr: text => terminal.complain(text.trimEnd())
    })
  }
  try {
    await program.parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    // Help and the version end this way, too.
    if (error instanceof CommanderError) {
      await report(faults, terminal)
      return error.exitCode
    }
    if (error instanceof CancelledError) return 130
    if (!(error instanceof OperatorError)) throw error
    terminal.complain(error.message)
    if (acting?.as !== undefined) {
      terminal.complain(`(This ran as the user ${acting.as.name}, who controls ${terminal.directory}.)`)
    }
    return 1
  } finally {
    acting?.end()
  }
}

/** Of the command that is run, or of all for the help and for a name that is unknown; of none for the version. */
function makersFor ([name = '']: readonly string[]): readonly CommandMaker[] {
  if (name === '--version' || name === '-V') return []
  const named = Object.hasOwn(commands, name) ? commands[name] : undefined
  return named === undefined ? Object.values(commands) : [named]
}

/** The parser repeats the argument that it did not expect, which may be a credential pasted in the wrong place. */
async function report (faults: readonly string[], { complain }: Terminal): Promise<void> {
  if (faults.length === 0) return
  const { createRedactor } = await import('../log/redact.js')
  complain(createRedactor()(faults.join('')).trimEnd())
}

function withSubcommands (command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)]
}
