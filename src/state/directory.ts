/** The directory that holds the state: made where it is missing, and nobody else's business. */
import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { codeOf } from '../atomic-file.js'

/** The state can not be used, for a reason that the operator can mend; the message is for them. */
export class StateError extends Error {
  override readonly name = 'StateError'
}

/** What the journal keeps in the directory. */
export const journalName = 'journal'
const ownFile = /^journal(\.|$)/

/**
 * Makes the directory with mode 0700. One that is there already becomes it where it is empty or
 * holds our state, as a fresh volume does; others are refused, so that nobody's `/tmp` is closed.
 * Throws a `StateError`.
 */
export function prepareDirectory (directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    // Windows has no such modes.
    if (process.platform === 'win32' || (statSync(directory).mode & 0o777) === 0o700) return
    if (readdirSync(directory).some(name => !ownFile.test(name) && name !== 'lost+found')) {
      throw new StateError(`The state directory ${directory} is not for its owner alone and holds other things: set STATE_DIR to a directory of its own, which is made with mode 0700.`)
    }
    chmodSync(directory, 0o700)
  } catch (error) {
    throw error instanceof StateError ? error : unusable(directory, error)
  }
}

/** The one sentence for a directory, or a file in it, that can not be read or written. */
export function unusable (directory: string, error: unknown): StateError {
  return new StateError(`The state directory ${directory} can not be used (${codeOf(error)}): set STATE_DIR to a directory that this user may write to.`, { cause: error })
}
