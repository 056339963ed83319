/** Prepares the state directory: creates it if it is missing, and makes it private to its owner. */
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../../lib/guards.js'
import { OperatorError } from '../../lib/operator-error.js'
import { requireOwnPath } from '../../lib/path-owner.js'

/** The state cannot be used. The message tells the operator why, and how to fix it. */
export class StateError extends OperatorError {
  override readonly name = 'StateError'
}

/** The name of the journal file in the directory. */
export const journalName = 'journal'
const ownFile = /^(journal(\.|$)|oauth$)/
const ownOne = 'set STATE_DIR to a separate directory, which is created with mode 0700'

/**
 * Creates the directory with mode 0700. An existing directory gets that mode if this user owns it and it is
 * empty or already holds our state (a fresh volume, for example). Any other directory is refused: changing
 * the mode of a shared `/tmp` would lock others out, and another owner could tamper with the state. Throws a
 * `StateError`, or a `ForeignPathError` if this process runs as root and another user controls the directory.
 */
export function prepareDirectory (directory: string): void {
  try {
    const misfit = existsSync(directory) ? misfitOf(directory) : undefined
    if (misfit !== undefined) throw new StateError(`The state directory ${directory} ${misfit.wrong}: ${misfit.right}.`)
    requireOwnPath(directory)
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    if (!isPrivate(statSync(directory))) chmodSync(directory, 0o700)
  } catch (error) {
    throw error instanceof OperatorError ? error : unusable(directory, error)
  }
}

/**
 * Why an existing directory cannot hold our state, and how to fix that. `undefined` if it can hold the state
 * once its mode is 0700. Changes nothing. Throws if the directory cannot be read.
 */
export function misfitOf (directory: string): { wrong: string, right: string } | undefined {
  const stats = statSync(directory)
  const user = process.geteuid?.()
  if (isPrivate(stats)) return undefined
  if (stats.uid === 0 && user !== 0) {
    return {
      wrong: "is root's",
      right: `set STATE_DIR to a directory inside it, such as ${join(directory, 'state')}, which gets mode 0700`
    }
  }
  if (stats.uid !== user) return { wrong: 'belongs to another user, who could remove the state', right: ownOne }
  if ((stats.mode & 0o1000) !== 0) return { wrong: 'is open to other users and meant for sharing', right: ownOne }
  const isInUse = readdirSync(directory).some(name => !ownFile.test(name) && name !== 'lost+found')
  return isInUse ? { wrong: 'is open to other users and contains other files', right: ownOne } : undefined
}

/** Windows has no file modes or numeric owners, so the check does not apply there. */
function isPrivate ({ mode }: Stats): boolean {
  return process.geteuid === undefined || (mode & 0o777) === 0o700
}

const fixes: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free some space',
  EDQUOT: 'the disk quota is used up; free some space',
  EROFS: 'its file system is read-only; mount it read-write, or set STATE_DIR to another directory',
  EFBIG: 'the journal would exceed the file size limit of this process; raise that limit',
  EMFILE: 'this process has too many open files; raise that limit',
  ELOCKED: 'another process holds its lock; end that process, or wait for it',
  ELOOP: 'the journal is a symbolic link; remove it'
}

/** The error for a directory, or a file in it, that cannot be read or written. */
export function unusable (directory: string, error: unknown): StateError {
  const code = codeOf(error)
  const fix = fixes[code] ?? 'set STATE_DIR to a directory that this user may write to'
  return new StateError(`The state directory ${directory} cannot be used (${code}): ${fix}.`, { cause: error })
}
