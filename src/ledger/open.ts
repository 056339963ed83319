/** Opens the state for an app: problems go to the app's log, and the state closes with the app. */
import type { FastifyInstance } from 'fastify'
import { Ledger } from './ledger.js'
import type { SharedRecords } from './shared-records.js'

/**
 * Without `directory` the state is in memory. `share` is the store shared with other servers. Throws a
 * `StateError` if the directory cannot be used.
 */
export async function openLedgerFor (
  app: FastifyInstance,
  directory: string | undefined,
  toleranceMs: number,
  share?: SharedRecords
): Promise<Ledger> {
  const report = (sentence: string, isGood: boolean): void => {
    if (isGood) app.log.info(sentence)
    else app.log.error(sentence)
  }
  const state = await Ledger.open({ directory, toleranceMs, share, report })
  app.addHook('onClose', async () => {
    await state.close()
  })
  return state
}
