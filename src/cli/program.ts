/** Runs the commands and reports their errors. The code of a command is loaded when it is run. */
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { OperatorError } from '../lib/operator-error.js'
import { type Acting, actAsOwnerOf } from '../lib/path-owner.js'
import { version } from '../version.js'
import { InputCancelledError } from './terminal/secret-input.js'
import type { Terminal } from './terminal/terminal.js'

const examples = `
A first run:
  $ fastify-mcp-auth init     # writes .env with a fresh API key and JWT secret
  $ fastify-mcp-auth start    # serves http://localhost:3000/mcp

Settings come from the environment and from .env in the working directory. The environment takes
precedence. "fastify-mcp-auth config" shows the effective settings.`

/**
 * Creates a command. The command calls `exit` if it succeeded, but its result is negative, such as a key that
 * is not valid. The default exit code is then 1.
 */
type CommandMaker = (terminal: Terminal, exit: (code?: number) => void) => Promise<Command>

/** The commands, in the order of the help. */
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
    // Before anything is read. If root worked in a directory of another user, that user could abuse it
    // (symlinks).
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
    // Commander also throws for --help and --version.
    if (error instanceof CommanderError) {
      await report(faults, terminal)
      return error.exitCode
    }
    if (error instanceof InputCancelledError) return 130
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

/**
 * Returns only the makers that are needed: one for a command, all for the help and unknown names, none for
 * the version.
 */
function makersFor ([name = '']: readonly string[]): readonly CommandMaker[] {
  if (name === '--version' || name === '-V') return []
  const named = Object.hasOwn(commands, name) ? commands[name] : undefined
  return named === undefined ? Object.values(commands) : [named]
}

/** Redacts the message: the parser repeats the unexpected argument, which may be a credential. */
async function report (faults: readonly string[], { complain }: Terminal): Promise<void> {
  if (faults.length === 0) return
  const { createRedactor } = await import('../log/redact.js')
  complain(createRedactor()(faults.join('')).trimEnd())
}

function withSubcommands (command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)]
}
