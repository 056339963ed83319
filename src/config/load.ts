/** Reads, parses and validates all settings, and reports every problem at once. */
import { resolve } from 'node:path'
import { isLoopback } from '../net/loopback.js'
import { crossCheck } from './cross-checks.js'
import { readDotenv, type DotenvFile } from './dotenv.js'
import { ConfigError, type Problem } from './problem.js'
import type { Report } from './types/basic.js'
import { variableNames, variables, type Config, type Variable, type VariableName } from './variables.js'

export { isLoopback }
export { ConfigError, describeProblem, type Problem } from './problem.js'
export { configSchema, variableNames, variables, type Config, type VariableName } from './variables.js'

export type Environment = Readonly<Record<string, string | undefined>>

export type Source = 'default' | '.env' | 'environment'

export interface LoadedConfig {
  /** Valid only if `problems` is empty. A faulty setting has its default value. */
  readonly config: Config
  readonly problems: readonly Problem[]
  /** Sentences for the operator, without values. */
  readonly warnings: readonly string[]
  /** Warnings about the file itself. For the log of a server, not for each command that reads a setting. */
  readonly fileWarnings: readonly string[]
  /** The warnings about unknown names in `.env`, which may explain why a setting is missing. */
  readonly unread: readonly string[]
  readonly sources: Readonly<Record<VariableName, Source>>
}

export interface LoadOptions {
  readonly env: Environment
  /** A path, `true` for `./.env` (default), or `false` for no file. The file may be missing. */
  readonly dotenv?: boolean | string
  /** True if the app verifies keys itself and needs no credential in the settings. Default false. */
  readonly hasVerifyKey?: boolean
}

/**
 * Reads `.env` and the environment, which takes precedence. Throws a `ConfigError` with every problem.
 *
 * @example
 * const { config, warnings } = loadConfig({ env: process.env })
 */
export function loadConfig (options: LoadOptions): Omit<LoadedConfig, 'problems' | 'unread'> {
  const { problems, unread, ...reading } = readSettings(options)
  if (problems.length > 0) throw new ConfigError(problems, unread)
  return reading
}

/** Like `loadConfig`, but returns the problems instead of throwing them. */
export function readSettings ({ env, dotenv = true, hasVerifyKey = false }: LoadOptions): LoadedConfig {
  if (dotenv === false) return readConfig(env, noFile, hasVerifyKey)
  return readConfig(env, readDotenv(resolve(dotenv === true ? '.env' : dotenv)), hasVerifyKey)
}

const noFile: DotenvFile = { values: {}, faults: [] }

/**
 * Parses settings from values. `environment` takes precedence over `file`; an empty value counts as unset.
 */
export function readConfig (environment: Environment, file: DotenvFile = noFile, hasVerifyKey = false): LoadedConfig {
  const problems: Problem[] = [
    ...file.faults.map(fault => ({ variable: '.env', ...fault })),
    ...renamedSettings(environment, file.values)
  ]
  const sources: Partial<Record<VariableName, Source>> = {}
  const values: Partial<Record<VariableName, unknown>> = {}
  for (const name of variableNames) {
    const { text, source } = pick(name, environment, file.values)
    const found: Problem[] = []
    const value = parse(variables[name], text, (wrong, right) => found.push({ variable: name, wrong, right }))
    values[name] = found.length === 0 ? value : parse(variables[name], '', () => {})
    sources[name] = source
    problems.push(...found)
  }
  const config = Object.freeze(values) as Config
  const checked = crossCheck(config, new Set(problems.map(({ variable }) => variable)), hasVerifyKey)
  const unread = unknownNames(file.values)
  return {
    config,
    problems: [...problems, ...checked.problems],
    warnings: [...checked.warnings, ...unread, ...repeatedSettings(file)],
    fileWarnings: publicSecrets(file, sources),
    unread,
    sources: sources as Record<VariableName, Source>
  }
}

/** The URL of the endpoint. Pass `port` if the actual port is known. */
export function endpointOf (config: Config, port = config.PORT, path = '/mcp'): string {
  if (config.PUBLIC_URL !== undefined) return config.PUBLIC_URL + path
  const host = config.HOST === '0.0.0.0' || config.HOST === '::' ? 'localhost' : config.HOST
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}${path}`
}

/** Warns if other users can read the secrets in `.env`. */
function publicSecrets ({ isPublic = false }: DotenvFile, sources: Partial<Record<VariableName, Source>>): string[] {
  const isSecretInFile = variableNames.some(name => variables[name].secret && sources[name] === '.env')
  return isPublic && isSecretInFile
    ? [
        '.env contains secrets, but every user of this machine can read or write it; set its mode to 0600: ' +
          'chmod 600 .env'
      ]
    : []
}

function repeatedSettings ({ repeated = [] }: DotenvFile): string[] {
  return repeated
    .filter(name => Object.hasOwn(variables, name))
    .map(name => `.env sets ${name} more than once; only the last value applies`)
}

function pick (name: VariableName, environment: Environment, file: Environment): { text: string, source: Source } {
  const fromEnvironment = environment[name]?.trim() ?? ''
  if (fromEnvironment !== '') return { text: fromEnvironment, source: 'environment' }
  const fromFile = file[name]?.trim() ?? ''
  if (fromFile !== '') return { text: fromFile, source: '.env' }
  return { text: '', source: 'default' }
}

function parse (row: Variable<unknown>, text: string, report: Report): unknown {
  const effective = text === '' ? row.fallback : text
  if (row.secret && hasLineBreak(effective, Array.isArray(row.unset))) {
    report(
      'contains a line break',
      'write it on one line; an earlier quote may be unclosed, and openssl rand -base64 breaks long ' +
        'output into lines, while -hex does not'
    )
    return row.unset
  }
  const value = effective === '' ? row.unset : row.parse(effective, report)
  if (Array.isArray(value) && value.length === 0 && row.fallback !== '') {
    report('has no entries', 'name at least one, or remove the setting for its default')
  }
  return typeof value === 'object' ? Object.freeze(value) : value
}

/** An unclosed quote includes the following lines. In a list, line breaks around commas are allowed. */
function hasLineBreak (text: string, isList: boolean): boolean {
  return (isList ? text.split(',') : [text]).some(entry => /[\r\n]/.test(entry.trim()))
}

/** New names by old name. */
const renamed: Readonly<Record<string, VariableName>> = { STATE_KEY: 'REQUEST_STATE_KEY' }

/** Reports old names, because they would be silently ignored. */
function renamedSettings (...places: readonly Environment[]): Problem[] {
  return Object.entries(renamed)
    .filter(([old]) => places.some(values => (values[old]?.trim() ?? '') !== ''))
    .map(([variable, name]) => ({
      variable,
      wrong: 'has been renamed',
      right: `set ${name} instead, and remove ${variable}`
    }))
}

/** Prints only names that look like settings: a name may be a secret on its own line (base64 ends in `=`). */
function unknownNames (file: Environment): string[] {
  return Object.keys(file)
    .filter(name => !Object.hasOwn(variables, name) && !Object.hasOwn(renamed, name))
    .map(name => {
      const upper = name.toUpperCase()
      if (Object.hasOwn(variables, upper)) return `.env sets ${name}, which is not read; the name is ${upper}`
      const meant = variableNames.find(known => isOneEdit(upper, known))
      if (meant !== undefined) {
        return `.env sets ${name}, which is not a setting of this server; did you mean ${meant}?`
      }
      if (/^([A-Z][A-Z0-9]*(_[A-Z0-9]+)+|[A-Za-z][A-Za-z0-9]{0,14})$/.test(name)) {
        return `.env sets ${name}, which is not a setting of this server`
      }
      return '.env sets a name that is not a setting of this server'
    })
}

/** True if adding, removing or changing one character, or swapping two, turns one text into the other. */
function isOneEdit (one: string, other: string): boolean {
  let same = 0
  while (same < one.length && one[same] === other[same]) same++
  const [a, b] = [one.slice(same), other.slice(same)]
  const isSwapped = a[0] === b[1] && a[1] === b[0] && a.slice(2) === b.slice(2)
  return a.slice(1) === b || b.slice(1) === a || a.slice(1) === b.slice(1) || isSwapped
}
