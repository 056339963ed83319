/** What was revoked, for who only wants to know: without a lock, and nothing is written. */
import { join } from 'node:path'
import { journalName, unusable } from './directory.js'
import { Ledger } from './ledger.js'
import { Tail } from './tail.js'

/** All that can be read; nothing is in it where there is no state. Throws a `StateError` where it may not be read. */
export async function peek (directory: string, toleranceMs = 0): Promise<Ledger> {
  const ledger = new Ledger(toleranceMs)
  const tail = new Tail(join(directory, journalName))
  try {
    for (const record of (await tail.read()).records) ledger.apply(record)
    return ledger
  } catch (error) {
    throw unusable(directory, error)
  } finally {
    await tail.close()
  }
}
