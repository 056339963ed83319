/** The commands, and what becomes of their failures. */
import { Command, CommanderError } from 'commander'
import { ConfigError } from '../config/load.js'
import { createRedactor } from '../http/request-log.js'
import { KeyChangeError } from '../api-keys/changes.js'
import { KeyFileError } from '../api-keys/file.js'
import { StartError } from '../server/start.js'
import { StateError } from '../ledger/file/directory.js'
import { version } from '../version.js'
import { configCommand } from './config.js'
import { initCommand } from './init.js'
import { keysCommand } from './keys/command.js'
import { OperatorError } from './operator-error.js'
import { CancelledError } from './secret-input.js'
import { startCommand } from './start.js'
import type { Terminal } from './terminal.js'
import { tokenCommand } from './token.js'
import { tokensCommand } from './tokens.js'

const examples = `
A first run:
  $ fastify-mcp-auth init     # writes .env with a fresh API key and JWT secret
  $ fastify-mcp-auth start    # serves http://localhost:3000/mcp

Settings come from the environment and from .env in the working directory; the environment
wins. "fastify-mcp-auth config" shows what is in effect.`

/** Runs one command line. Resolves to the exit code; `start` resolves once the server listens. */
export async function run (args: readonly string[], terminal: Terminal): Promise<number> {
  let code = 0
  const program = new Command('fastify-mcp-auth')
    .description('An MCP server over HTTP: API keys, JWTs, two rate limits.')
    .version(version)
    .addHelpText('after', examples)
  const commands = [startCommand(terminal), initCommand(terminal), tokenCommand(terminal), tokensCommand(terminal), keysCommand(terminal, () => { code = 1 }), configCommand(terminal, () => { code = 1 })]
  for (const command of commands) program.addCommand(command)
  const redact = createRedactor()
  for (const command of withSubcommands(program)) {
    command.exitOverride().configureOutput({
      // It repeats the argument that it did not expect, which may be a credential pasted in the wrong place.
      outputError: (text, write) => { write(redact(text)) },
      writeOut: text => terminal.print(text.trimEnd()),
      writeErr: text => terminal.complain(text.trimEnd())
    })
  }
  try {
    await program.parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    // The parser has said it already; help and version end this way, too.
    if (error instanceof CommanderError) return error.exitCode
    if (error instanceof CancelledError) return 130
    if (!isForOperator(error)) throw error
    terminal.complain(error.message)
    return 1
  }
}

function withSubcommands (command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)]
}

function isForOperator (error: unknown): error is Error {
  return [ConfigError, StartError, OperatorError, KeyFileError, KeyChangeError, StateError].some(Kind => error instanceof Kind)
}
