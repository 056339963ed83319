/** `config`: shows the effective settings and their sources, with secrets masked. */
import { Command } from 'commander'
import {
  describeProblem,
  endpointOf,
  variableNames,
  variables,
  type LoadedConfig,
  type Source,
  type VariableName
} from '../../config/load.js'
import { createRedactor } from '../../log/redact.js'
import { placeProblems } from '../../setting-files.js'
import { settingsAt } from '../state/settings.js'
import { table } from '../terminal/table.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
Exits with 1 if the server, run by this user, would not start with these settings. Secrets are never
printed. Tool names in TOOL_POLICY_FILE are only checked when the server starts.

  $ fastify-mcp-auth config
  $ fastify-mcp-auth config --json`

const redact = createRedactor()

interface Setting {
  readonly name: VariableName
  readonly value: unknown
  readonly from: Source
}

/** Calls `fail` if there are problems. */
export function configCommand (terminal: Terminal, fail: () => void): Command {
  const { directory, env, print, complain } = terminal
  return new Command('config')
    .description('show the effective settings, secrets masked')
    .option('--json', 'as JSON, with the parsed values')
    .addHelpText('after', help)
    .action(async ({ json = false }: { json?: boolean }) => {
      const reading = settingsAt(terminal)
      const warnings = [...reading.warnings, ...reading.fileWarnings]
      const settings = variableNames.map(name => describeSetting(name, reading))
      const problems = [...reading.problems, ...(await placeProblems(reading.config, directory, env))].map(
        problem => redact(describeProblem(problem))
      )
      const starts = problems.length === 0
      const endpoint = starts ? endpointOf(reading.config) : null
      if (json) print(JSON.stringify({ starts, endpoint, settings, problems, warnings }, null, 2))
      else {
        print(table(settings.map(({ name, value, from }) => [name, shown(value), from])))
        print(starts ? `\nThe server would start, at ${endpoint}` : '\nThe server would not start.')
        for (const warning of warnings) complain(`Warning: ${warning}`)
        for (const problem of problems) complain(`Problem: ${problem}`)
      }
      if (!starts) fail()
    })
}

function describeSetting (name: VariableName, { config, problems, sources }: LoadedConfig): Setting {
  const from = sources[name]
  const faulty = from !== 'default' && problems.some(({ variable }) => variable === name)
  const value = config[name] ?? null
  if (variables[name].secret) return { name, value: mask(value, faulty), from }
  return { name, value: faulty ? '(invalid)' : withoutCredential(value), from }
}

/** Redacts other settings, too: a value may contain a key by mistake, or in the query of a URL. */
function withoutCredential (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutCredential)
  if (typeof value !== 'string') return value
  return redact(value.replace(/^(https?:\/\/[^?]*\?).+$/s, '$1…'))
}

/** Shows only how many secrets are set, and their lengths. */
function mask (value: unknown, faulty: boolean): string | null {
  const pieces = (Array.isArray(value) ? value : [value]).filter(piece => typeof piece === 'string')
  if (pieces.length === 0) return faulty ? '(invalid)' : null
  const lengths = `${pieces.map(piece => piece.length).join(', ')} characters`
  return pieces.length === 1 ? `(set, ${lengths})` : `(${pieces.length} set, ${lengths})`
}

function shown (value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '(none)' : value.join(', ')
  return value === null ? '(none)' : String(value)
}
