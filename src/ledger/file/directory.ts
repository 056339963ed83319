/** The state directory: created if missing, and private to its owner. */
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../../lib/guards.js'
import { OperatorError } from '../../lib/operator-error.js'
import { requireOwnPath } from '../../lib/path-owner.js'

/** The state cannot be used, for a reason that the operator can mend; the message is for them. */
export class StateError extends OperatorError {
  override readonly name = 'StateError'
}

/** What the journal keeps in the directory. */
export const journalName = 'journal'
const ownFile = /^(journal(\.|$)|oauth$)/
const ownOne = 'set STATE_DIR to a separate directory, which is created with mode 0700'

/**
 * Makes the directory with mode 0700. One that is there already becomes it where it is this user's
 * and empty, or holds our state, as a fresh volume does; others are refused, so that nobody's `/tmp`
 * is closed, and no state is in the hands of somebody else. Throws a `StateError`, or a
 * `ForeignPathError` where this is root and another user controls the directory.
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
 * Why a directory that is there cannot hold our state, and what would be right; `undefined` where it
 * can, once its mode is 0700. Changes nothing. Throws where it cannot be looked into.
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

/** Windows has no such modes and owners. */
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

/** The one sentence for a directory, or a file in it, that cannot be read or written. */
export function unusable (directory: string, error: unknown): StateError {
  const code = codeOf(error)
  const fix = fixes[code] ?? 'set STATE_DIR to a directory that this user may write to'
  return new StateError(`The state directory ${directory} cannot be used (${code}): ${fix}.`, { cause: error })
}
