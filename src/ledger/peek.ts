/** What was revoked, for who only wants to know: without a lock, and nothing is written. */
import { join } from 'node:path'
import { StateError, journalName, unusable } from './file/directory.js'
import { Ledger } from './index-in-memory.js'
import { Tail } from './file/tail.js'

/**
 * All that can be read; nothing is in it where there is no state. Throws a `StateError` where it may not be
 * read, or is damaged.
 */
export async function peek (directory: string, toleranceMs = 0): Promise<Ledger> {
  const ledger = new Ledger(toleranceMs)
  const path = join(directory, journalName)
  const tail = new Tail(path)
  try {
    const { records, isSound } = await tail.read()
    if (!isSound) throw new StateError(`The state in ${path} is damaged: restore it from a backup.`)
    for (const record of records) ledger.apply(record)
    return ledger
  } catch (error) {
    throw error instanceof StateError ? error : unusable(directory, error)
  } finally {
    await tail.close()
  }
}
