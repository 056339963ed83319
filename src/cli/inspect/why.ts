/** `why`: explains why a request was refused, by its id. */
import { Command } from 'commander'
import { explainLine, isAbout, type Line } from '../../explain/request.js'
import { OperatorError } from '../../lib/operator-error.js'
import { escapeUnprintable } from '../../log/printable-line.js'
import { createRedactor } from '../../log/redact.js'
import { linesOf } from '../../telemetry/audit/files.js'
import { parsedAtEnd } from '../../telemetry/audit/read-line.js'
import { once } from '../terminal/parse-arguments.js'
import { safeText } from '../terminal/table.js'
import type { Terminal } from '../terminal/terminal.js'
import { reading } from './audit-files.js'

const help = `
The id is the requestId in the response, or its header X-Request-Id. Searches the file of --log, or AUDIT_FILE
and its rotated files. Exits with 1 if the id is not found.

  $ fastify-mcp-auth why 0b9e6f2c-3c1f-4c55-9a6e-2f6a3b0d9c11 --log server.log`

export function whyCommand (terminal: Terminal, fail: () => void): Command {
  return new Command('why')
    .description('explain the response to a request')
    .argument('<request-id>', 'the requestId in the response')
    .option('-l, --log <file>', 'the server\'s log file (default: AUDIT_FILE)', once('--log'))
    .option('--json', 'the records themselves, as JSON')
    .addHelpText('after', help)
    .action(async (given: string, { log, json = false }: { readonly log?: string, readonly json?: boolean }) => {
      const requestId = given.trim()
      if (requestId === '') throw new OperatorError('The request id is empty: pass the requestId of the response.')
      const { lines, unread, paths } = await linesAbout(requestId, log, terminal)
      const redact = createRedactor()
      if (json) terminal.print(escapeUnprintable(redact(JSON.stringify(lines, null, 2))))
      else if (lines.length > 0) {
        const texts = lines.map(line => explainLine(line).map(text => safeText(redact(text))).join('\n'))
        terminal.print(texts.join('\n\n'))
      } else terminal.print(`The request was not found in ${paths.join(', ')}.`)
      if (unread > 0) {
        const which = unread === 1 ? '1 line contains the id but is' : `${unread} lines contain the id but are`
        terminal.complain(`Note: ${which} not complete JSON.`)
      }
      if (lines.length === 0) fail()
    })
}

interface Found {
  readonly lines: readonly Line[]
  /** The number of lines that contain the id, but are not JSON. */
  readonly unread: number
  readonly paths: readonly string[]
}

async function linesAbout (requestId: string, log: string | undefined, terminal: Terminal): Promise<Found> {
  const lines: Line[] = []
  let unread = 0
  // As it is written inside a line of JSON.
  const written = escapeUnprintable(JSON.stringify(requestId)).slice(1, -1)
  const given = log === undefined ? [] : [log]
  return await reading(given, { terminal, instead: 'the server log with --log' }, async files => {
    for (const file of files) {
      for await (const text of linesOf(file)) {
        if (!text.includes(written)) continue
        const line = parsedAtEnd(text)
        if (line === undefined) unread += 1
        else if (isAbout(line, requestId)) lines.push(line)
      }
    }
    return { lines, unread, paths: files.map(({ path }) => path) }
  })
}
