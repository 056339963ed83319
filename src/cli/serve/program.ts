/** Turns the program after "--" into the options of a single upstream. */
import { basename } from 'node:path'
import { OperatorError } from '../../lib/operator-error.js'
import type { UpstreamsOptions } from '../../upstreams/options.js'

/**
 * Returns the upstream that `proxy` serves, with all defaults. `name` is that of the command, `file` is
 * UPSTREAMS_FILE. Throws an `OperatorError` if the program is missing, or if UPSTREAMS_FILE is set, too.
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
      `UPSTREAMS_FILE is set, but "${name} -- …" uses a single program. Add the program to that file and omit ` +
        'it here ("start" then serves it), or unset UPSTREAMS_FILE.'
    )
  }
  return { mcpServers: { [nameOf(command)]: { command, args } } }
}

function nameOf (command: string): string {
  const name = basename(command).replaceAll(/[^A-Za-z0-9_.-]/g, '').slice(0, 64)
  return name === '' ? 'upstream' : name
}
