/** `why`: explains why a request was refused, by its id. */
import { createReadStream } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Command } from 'commander'
import { explainLine, isAbout, type Line } from '../../explain/request.js'
import { codeOf, isRecord } from '../../lib/guards.js'
import { OperatorError } from '../../lib/operator-error.js'
import { createRedactor } from '../../log/redact.js'
import { asideNames } from '../../telemetry/audit/files.js'
import { settingsWith } from '../state/settings.js'
import { safeText } from '../terminal/table.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
The id is the requestId in the response, or its header X-Request-Id. Searches the file of --log, or AUDIT_FILE
and its rotated files. Exits with 1 if the id is not found.

  $ fastify-mcp-auth why 0b9e6f2c-3c1f-4c55-9a6e-2f6a3b0d9c11 --log server.log`

export function whyCommand (terminal: Terminal, fail: () => void): Command {
  return new Command('why')
    .description('explain the response to a request')
    .argument('<request-id>', 'the requestId in the response')
    .option('-l, --log <file>', 'the server\'s log file (default: AUDIT_FILE)')
    .option('--json', 'the records themselves, as JSON')
    .addHelpText('after', help)
    .action(async (requestId: string, { log, json = false }: { readonly log?: string, readonly json?: boolean }) => {
      const paths = await pathsFor(log, terminal)
      const found: Line[] = []
      for (const path of paths) found.push(...await linesAbout(requestId, path))
      const redact = createRedactor()
      if (json) terminal.print(redact(JSON.stringify(found, null, 2)))
      else if (found.length > 0) {
        terminal.print(
          found
            .map(line =>
              explainLine(line)
                .map(text => safeText(redact(text)))
                .join('\n')
            )
            .join('\n\n')
        )
      }
      if (found.length > 0) return
      if (!json) terminal.print(`The request was not found in ${paths.join(', ')}.`)
      fail()
    })
}

async function pathsFor (log: string | undefined, terminal: Terminal): Promise<readonly string[]> {
  if (log !== undefined) return [resolve(terminal.directory, log)]
  const { AUDIT_FILE: file } = settingsWith('AUDIT_FILE', terminal).config
  if (file === undefined) {
    throw new OperatorError('AUDIT_FILE is not set: set it, or pass the server log with --log.')
  }
  const path = resolve(terminal.directory, file)
  const aside = await asideNames(path).catch(() => [])
  return [...aside.map(name => join(dirname(path), name)), path]
}

/** Skips lines that are not JSON, such as those of other programs. */
async function linesAbout (requestId: string, path: string): Promise<Line[]> {
  const found: Line[] = []
  try {
    for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
      const line = text.includes(requestId) ? parsed(text) : undefined
      if (line !== undefined && isAbout(line, requestId)) found.push(line)
    }
    return found
  } catch (error) {
    throw new OperatorError(`${path} cannot be read (${codeOf(error)}).`)
  }
}

function parsed (text: string): Line | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}
