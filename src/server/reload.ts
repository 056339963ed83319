/** Reloads the log level and the tool policies on SIGHUP. */
import { closeSync, openSync } from 'node:fs'
import { isatty } from 'node:tty'
import type { FastifyInstance } from 'fastify'
import {
  type Config, ConfigError, describeProblem, type LoadOptions, loadConfig, type VariableName, variableNames
} from '../config/load.js'
import type { Endpoint } from '../mcp/endpoint.js'
import { policyFileOf, settingProblemOf } from '../setting-files.js'
import { readToolPolicies } from '../tools/policy-file.js'

export interface ReloadOptions extends LoadOptions {
  /** The settings at the start. */
  readonly config: Config
  readonly endpoint: Endpoint
  /** False if the host passed the policies as an option, so that there is no file. */
  readonly hasPolicyFile: boolean
}

/** Settings that are applied without a restart. The key file is followed anyway. */
const reloaded: ReadonlySet<VariableName> = new Set(['LOG_LEVEL', 'TOOL_POLICY_FILE'])

/**
 * Reloads on SIGHUP from now on. If something is invalid, nothing changes. If the server was started from a
 * terminal that is now closed, SIGHUP means the end of that terminal, and stops the server like SIGTERM.
 */
export function reloadOnHangUp (app: FastifyInstance, options: ReloadOptions): void {
  const hadTerminal = [0, 1, 2].some(isatty)
  process.on('SIGHUP', () => {
    if (hadTerminal && !hasTerminal()) process.kill(process.pid, 'SIGTERM')
    else reload(app, options)
  })
}

function reload (app: FastifyInstance, { config: atStart, endpoint, hasPolicyFile, ...from }: ReloadOptions): void {
  try {
    const { config } = loadConfig(from)
    if (hasPolicyFile) endpoint.applyToolPolicies(readToolPolicies(policyFileOf(config)))
    app.log.level = config.LOG_LEVEL
    // Only names are logged, because some values are secrets.
    const needRestart = variableNames.filter(name => !reloaded.has(name) && !isSame(atStart[name], config[name]))
    app.log.info(needRestart.length === 0 ? {} : { needRestart }, 'reloaded the log level and the tool policies')
  } catch (error) {
    const problems =
      error instanceof ConfigError
        ? error.problems
        : [settingProblemOf(error)].filter(one => one !== undefined)
    const fields = problems.length === 0 ? { err: error } : { problems: problems.map(describeProblem) }
    app.log.error(fields, 'nothing was reloaded: the previous settings still apply')
  }
}

function isSame (one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

function hasTerminal (): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}
