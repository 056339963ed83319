/** Rereads, on SIGHUP, the log level and the file of tool policies. */
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
  /** What the server was started with. */
  readonly config: Config
  readonly endpoint: Endpoint
  /** False where the host gave the policies: no file holds them. */
  readonly hasPolicyFile: boolean
}

/** The content of the key file is followed without a signal. */
const reloaded: ReadonlySet<VariableName> = new Set(['LOG_LEVEL', 'TOOL_POLICY_FILE'])

/**
 * SIGHUP reloads from now on; what cannot be used leaves all as it was. Where a terminal started the
 * server and is gone, the signal is the end of that terminal, and ends the server as SIGTERM does.
 */
export function reloadOnHangUp (app: FastifyInstance, options: ReloadOptions): void {
  const hadTerminal = [0, 1, 2].some(isatty)
  process.on('SIGHUP', () => {
    if (hadTerminal && !hasTerminal()) process.kill(process.pid, 'SIGTERM')
    else reload(app, options)
  })
}

function reload (app: FastifyInstance, { config: atStart, endpoint, hasPolicyFile, env, dotenv }: ReloadOptions): void {
  try {
    const { config } = loadConfig({ env, ...(dotenv === undefined ? {} : { dotenv }) })
    if (hasPolicyFile) endpoint.applyToolPolicies(readToolPolicies(policyFileOf(config)))
    app.log.level = config.LOG_LEVEL
    // Named, never shown: some are secrets.
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
