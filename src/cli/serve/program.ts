/** The program after "--" as the one upstream. */
import { basename } from 'node:path'
import { OperatorError } from '../../lib/operator-error.js'
import type { UpstreamsOptions } from '../../upstreams/options.js'

/**
 * As `proxy` serves it: with all defaults. `name`: of the command. Throws an `OperatorError` where no program follows
 * "--", or where UPSTREAMS_FILE (`file`) is set, too.
 */
export function programOf (
  name: string,
  command: string | undefined,
  args: readonly string[],
  file: string | undefined
): UpstreamsOptions {
  if (command === undefined || command === '' || command.startsWith('-')) {
    throw new OperatorError(`The program to run is missing. Write it after "--":
  fastify-mcp-auth ${name} -- npx -y @modelcontextprotocol/server-filesystem ./data`)
  }
  if (file !== undefined) {
    throw new OperatorError(
      `UPSTREAMS_FILE is set, but "${name} -- …" is for one program alone. Add the program to that file and leave ` +
        'it out here (the server then starts with "start"), or unset UPSTREAMS_FILE.'
    )
  }
  return { mcpServers: { [nameOf(command)]: { command, args } } }
}

function nameOf (command: string): string {
  const name = basename(command).replaceAll(/[^A-Za-z0-9_.-]/g, '').slice(0, 64)
  return name === '' ? 'upstream' : name
}
