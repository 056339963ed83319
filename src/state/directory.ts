/** The directory that holds the state: made where it is missing, and nobody else's business. */
import { chmodSync, closeSync, constants, fchownSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { codeOf } from '../values.js'

/** The state cannot be used, for a reason that the operator can mend; the message is for them. */
export class StateError extends Error {
  override readonly name = 'StateError'
}

/** What the journal keeps in the directory. */
export const journalName = 'journal'
const ownFile = /^journal(\.|$)/
const ownOne = 'set STATE_DIR to a directory of its own, which is made with mode 0700.'

/**
 * Makes the directory with mode 0700. One that is there already becomes it where it is this user's
 * and empty, or holds our state, as a fresh volume does; others are refused, so that nobody's `/tmp`
 * is closed, and no state is in the hands of somebody else. Throws a `StateError`.
 */
export function prepareDirectory (directory: string): void {
  try {
    if (mkdirSync(directory, { recursive: true, mode: 0o700 }) === directory) return handOver(directory)
    // Windows has no such modes and owners.
    const user = process.geteuid?.()
    const { mode, uid } = statSync(directory)
    if (user === undefined || (mode & 0o777) === 0o700) return
    if (uid === 0 && user !== 0) throw new StateError(`The state directory ${directory} is root's: set STATE_DIR to a directory inside it, such as ${join(directory, 'state')}, which is made with mode 0700.`)
    if (uid !== user) throw new StateError(`The state directory ${directory} belongs to another user, who could take the state away: ${ownOne}`)
    const isShared = (mode & 0o1000) !== 0
    if (isShared || readdirSync(directory).some(name => !ownFile.test(name) && name !== 'lost+found')) {
      throw new StateError(`The state directory ${directory} is not for its owner alone and ${isShared ? 'is made for sharing' : 'holds other things'}: ${ownOne}`)
    }
    chmodSync(directory, 0o700)
  } catch (error) {
    throw error instanceof StateError ? error : unusable(directory, error)
  }
}

/** What root makes where another user's server runs is for that server. */
function handOver (directory: string): void {
  if (process.geteuid?.() !== 0) return
  const { uid, gid } = statSync(dirname(directory))
  // By what is open and no link: whoever owns the parent may put something else in its place.
  const opened = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    fchownSync(opened, uid, gid)
  } finally {
    closeSync(opened)
  }
}

/** The one sentence for a directory, or a file in it, that cannot be read or written. */
export function unusable (directory: string, error: unknown): StateError {
  return new StateError(`The state directory ${directory} cannot be used (${codeOf(error)}): set STATE_DIR to a directory that this user may write to.`, { cause: error })
}
