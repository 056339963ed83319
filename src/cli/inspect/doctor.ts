/** `doctor`: checks the settings here, or a deployed endpoint from outside. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command, Option } from 'commander'
import { examineSettings } from '../../doctor/configuration.js'
import { examine } from '../../doctor/doctor.js'
import { exitCodeOf, type Finding } from '../../doctor/finding.js'
import { type HostName, hosts } from '../../doctor/visit.js'
import { codeOf } from '../../lib/guards.js'
import { OperatorError } from '../../lib/operator-error.js'
import { createRedactor } from '../../log/redact.js'
import { settingsAt } from '../state/settings.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
Without --url, checks the environment, the .env of this directory and the Redis in REDIS_URL. With --url,
calls a deployed endpoint like a client: 30 to 40 requests in about 30 seconds. Up to 10 of them count as failed
requests of this machine's address. The credential is sent only to this origin and never shown.

Exits with 2 if there is an error, with 1 if there is a warning, and otherwise with 0. If an argument is wrong,
prints nothing on stdout and exits with 1.
docs/troubleshooting.md explains each finding.

  $ fastify-mcp-auth doctor
  $ fastify-mcp-auth doctor --url https://mcp.example.com/mcp --as claude
  $ fastify-mcp-auth doctor --url https://mcp.example.com/mcp --key-file key.txt --json`

interface Arguments {
  readonly url?: string
  readonly keyFile?: string
  readonly tokenFile?: string
  readonly as?: HostName
  readonly json?: boolean
}

/** Calls `exit` with the exit code, unless it is 0. */
export function doctorCommand (terminal: Terminal, exit: (code: number) => void): Command {
  return new Command('doctor')
    .description('check the settings, or with --url a deployed endpoint')
    .option('--url <url>', 'the URL of the endpoint, as its users type it')
    .addOption(new Option('--key-file <file>', 'a file with an API key to call with').conflicts('tokenFile'))
    .option('--token-file <file>', 'a file with a token to call with')
    .addOption(new Option('--as <host>', 'add the checks for this client').choices(hosts))
    .option('--json', 'as JSON')
    .addHelpText('after', help)
    .action(async (given: Arguments) => {
      const { findings, secrets } = await findingsFor(given, terminal)
      // A server may echo the credential in its response.
      const redact = createRedactor(secrets)
      const shown = JSON.parse(redact(JSON.stringify(findings))) as Finding[]
      terminal.print(given.json === true ? JSON.stringify({ findings: shown }, null, 2) : report(shown))
      const code = exitCodeOf(findings)
      if (code !== 0) exit(code)
    })
}

async function findingsFor (
  given: Arguments,
  terminal: Terminal
): Promise<{ findings: Finding[]; secrets: readonly string[] }> {
  if (given.url === undefined) {
    if (given.keyFile !== undefined || given.tokenFile !== undefined || given.as !== undefined) {
      throw new OperatorError('--key-file, --token-file and --as require --url.')
    }
    return { findings: await examineSettings(settingsAt(terminal), terminal.directory, terminal.env), secrets: [] }
  }
  const url = urlOf(given.url)
  const key = secretIn('--key-file', given.keyFile, terminal)
  const token = secretIn('--token-file', given.tokenFile, terminal)
  const keyHeader = key === undefined ? undefined : { 'x-api-key': key }
  const credential = token === undefined ? keyHeader : { authorization: `Bearer ${token}` }
  const findings = await examine({ url, credential, as: given.as }, what => {
    terminal.complain(`Checking ${what} …`)
  })
  return { findings, secrets: [key, token].filter(secret => secret !== undefined) }
}

/** Not in the argument parser: it would print a refused argument, which may be a credential. */
function urlOf (text: string): URL {
  const url = /^https?:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) {
    throw new OperatorError('--url must be an http or https address, such as https://mcp.example.com/mcp')
  }
  if (url.username !== '' || url.password !== '' || /[?#]/.test(url.href)) {
    throw new OperatorError('--url must not contain a user name, a password, a query or a fragment')
  }
  return url
}

/** Errors name the option and not the path, because people pass the credential in its place. */
function secretIn (option: string, path: string | undefined, { directory }: Terminal): string | undefined {
  if (path === undefined) return undefined
  const text = textOf(option, resolve(directory, path)).trim()
  if (text === '') throw new OperatorError(`The file of ${option} is empty`)
  if (/^[\x21-\x7e]+$/.test(text)) return text
  throw new OperatorError(
    `The file of ${option} must contain one credential in ASCII and nothing else: no "Bearer", no second line`
  )
}

function textOf (option: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = codeOf(error)
    throw new OperatorError(`The file of ${option} cannot be read (${code}); pass its path, not the credential`)
  }
}

function report (findings: readonly Finding[]): string {
  if (findings.length === 0) return 'Nothing found.'
  return findings
    .map(
      ({ id, severity, what, why, fix }) =>
        `${severity.toUpperCase()} ${id}: ${what}.\n  Why: ${why}\n  Fix: ${fix}`
    )
    .join('\n\n')
}
