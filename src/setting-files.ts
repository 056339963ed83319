/** The files and directories that settings name, and their problems. */
import { constants, existsSync } from 'node:fs'
import { access, open, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { type Config, ConfigError, type Environment, type Problem } from './config/load.js'
import { KeyFileError, readKeyFile } from './api-keys/file.js'
import { journalName, misfitOf } from './ledger/file/directory.js'
import { JournalTail } from './ledger/file/tail.js'
import { codeOf } from './lib/guards.js'
import { AuditFileError } from './telemetry/audit/audit-log.js'
import { type PolicyFile, readToolPolicies } from './tools/policy-file.js'
import { type IssuerEntry, IssuersFileError, readIssuersFile } from './tokens/provider/issuers-file.js'
import { ToolPolicyError } from './tools/tool-policies.js'
import { readUpstreamsFile } from './upstreams/file.js'
import { LockError, readLock } from './upstreams/lock.js'
import { UpstreamError } from './upstreams/options.js'

/** All problems of these files. Changes nothing: a check must not create a directory. */
export async function placeProblems (
  config: Config,
  directory: string,
  environment: Environment
): Promise<Problem[]> {
  const { API_KEYS_FILE, AUDIT_FILE: audit, STATE_DIR, UPSTREAMS_LOCK: lock } = config
  const found = [
    API_KEYS_FILE === undefined ? undefined : await problemIn(() => readKeyFile(resolve(directory, API_KEYS_FILE))),
    // Only the start knows whether tools of these names exist.
    await problemIn(() => readToolPolicies(policyFileOf(config, directory))),
    await problemIn(() => readIssuers(config, directory)),
    await problemIn(() => upstreamsOfSettings(config, environment, directory)),
    lock === undefined ? undefined : await problemIn(() => readLock(resolve(directory, lock))),
    audit === undefined ? undefined : await auditProblem(resolve(directory, audit)),
    await stateProblem(resolve(directory, STATE_DIR))
  ]
  return found.filter(problem => problem !== undefined)
}

/** Turns an error of one of these files into a problem of its setting; `undefined` for other errors. */
export function settingProblemOf (error: unknown): Problem | undefined {
  if (error instanceof ToolPolicyError) {
    const { wrong, right = 'write it as docs/tools.md shows' } = error
    return { variable: 'TOOL_POLICY_FILE', wrong, right }
  }
  if (error instanceof IssuersFileError) {
    const { message: wrong, right = 'write it as docs/oauth.md shows' } = error
    return { variable: 'JWT_ISSUERS_FILE', wrong, right }
  }
  if (error instanceof AuditFileError) {
    return {
      variable: 'AUDIT_FILE',
      wrong: `names a file that cannot be written (${codeOf(error.cause)})`,
      right: 'name a file in an existing directory that this user can write to'
    }
  }
  if (error instanceof LockError) {
    const { message: wrong, right = 'name a file written by "upstreams approve"' } = error
    return { variable: 'UPSTREAMS_LOCK', wrong, right }
  }
  if (error instanceof UpstreamError) {
    return { variable: 'UPSTREAMS_FILE', wrong: error.message, right: error.right ?? 'write it as docs/proxy.md shows' }
  }
  if (error instanceof KeyFileError) {
    return { variable: 'API_KEYS_FILE', wrong: `names a file that ${error.wrong}`, right: error.right }
  }
  return undefined
}

/** Runs `work`. Reports an invalid file as a problem of its setting: rejects with a `ConfigError`. */
export async function asSetting<T> (work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw settingErrorOf(error)
  }
}

/** A `ConfigError` if the error is about the file of a setting; otherwise the error itself. */
export function settingErrorOf (error: unknown): unknown {
  const problem = settingProblemOf(error)
  return problem === undefined ? error : new ConfigError([problem])
}

/**
 * The identity providers of `JWT_ISSUERS_FILE`; a relative path is resolved against `directory`. Throws
 * an `IssuersFileError`.
 */
export function readIssuers ({ JWT_ISSUERS_FILE: file, JWT_ISSUER }: Config, directory = '.'): readonly IssuerEntry[] {
  const issuers = file === undefined ? [] : readIssuersFile(resolve(directory, file))
  if (issuers.some(({ issuer }) => issuer === JWT_ISSUER)) {
    throw new IssuersFileError('names a file that also contains JWT_ISSUER')
  }
  return issuers
}

/** The upstreams file; `undefined` without one. Throws an `UpstreamError`. */
export function upstreamsOfSettings (
  { UPSTREAMS_FILE: file }: Config,
  environment: Environment,
  directory = '.'
): ReturnType<typeof readUpstreamsFile> | undefined {
  return file === undefined ? undefined : readUpstreamsFile(resolve(directory, file), environment)
}

/** The policy file; a relative path is resolved against `directory`. */
export function policyFileOf (
  { TOOL_POLICY_FILE: file, RATE_LIMIT_MAX, API_KEYS_FILE }: Config,
  directory = '.'
): PolicyFile {
  return {
    file: file === undefined ? undefined : resolve(directory, file),
    // Managed keys may have higher limits.
    maxCost: API_KEYS_FILE === undefined ? RATE_LIMIT_MAX : undefined
  }
}

async function problemIn (read: () => unknown): Promise<Problem | undefined> {
  try {
    await read()
    return undefined
  } catch (error) {
    const problem = settingProblemOf(error)
    if (problem === undefined) throw error
    return problem
  }
}

/** Opens the file as the start does, but does not create it. */
async function auditProblem (path: string): Promise<Problem | undefined> {
  try {
    await (await open(path, constants.O_RDWR | constants.O_APPEND)).close()
    return undefined
  } catch (error) {
    const parent = codeOf(error) === 'ENOENT' ? await writableProblem(dirname(path)) : error
    return parent === undefined ? undefined : settingProblemOf(new AuditFileError('', { cause: parent }))
  }
}

async function stateProblem (path: string): Promise<Problem | undefined> {
  const journal = new JournalTail(join(path, journalName))
  try {
    const misfit = existsSync(path) ? misfitOf(path) : undefined
    if (misfit !== undefined) {
      return { variable: 'STATE_DIR', wrong: `names a directory that ${misfit.wrong}`, right: misfit.right }
    }
    await mayWrite(path)
    const { isSound } = await journal.read()
    return isSound
      ? undefined
      : {
          variable: 'STATE_DIR',
          wrong: 'contains a damaged state',
          right: 'restore it from a backup, or move it away to start without it'
        }
  } catch (error) {
    return {
      variable: 'STATE_DIR',
      wrong: `cannot be used (${codeOf(error)})`,
      right: 'name a directory that this user can write to'
    }
  } finally {
    await journal.close()
  }
}

/** Returns the error if the path is not a directory that this user can write to. */
async function writableProblem (path: string): Promise<unknown> {
  try {
    // The trailing slash makes `stat` fail for a file.
    await stat(join(path, '/'))
    await access(path, constants.W_OK | constants.X_OK)
    return undefined
  } catch (error) {
    return error
  }
}

/** Rejects if the directory, or its nearest existing parent, is not a directory or not writable by this user. */
async function mayWrite (path: string): Promise<void> {
  const error = await writableProblem(path)
  if (error === undefined) return
  if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
  await mayWrite(dirname(path))
}
