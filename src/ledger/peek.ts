/** Reads the state without taking the lock and without writing. */
import { join } from 'node:path'
import { StateError, journalName, unusable } from './file/directory.js'
import { LedgerIndex } from './index-in-memory.js'
import { JournalTail } from './file/tail.js'

/**
 * A ledger with everything that can be read; empty if there is no state. Throws a `StateError` if the state
 * cannot be read or is damaged.
 */
export async function peek (directory: string, toleranceMs = 0): Promise<LedgerIndex> {
  const ledger = new LedgerIndex(toleranceMs)
  const path = join(directory, journalName)
  const tail = new JournalTail(path)
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
