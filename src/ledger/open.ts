/** Opens the state for an app: its troubles go to the app's log, and it closes with the app. */
import type { FastifyInstance } from 'fastify'
import { State } from './ledger.js'
import type { SharedRecords } from './shared-records.js'

/**
 * `directory` left out: in memory. `share`: what other servers share with this one. Throws a `StateError`
 * where it can't be used.
 */
export async function openStateFor (
  app: FastifyInstance,
  directory: string | undefined,
  toleranceMs: number,
  share?: SharedRecords
): Promise<State> {
  const report = (sentence: string, isGood: boolean): void => {
    if (isGood) app.log.info(sentence)
    else app.log.error(sentence)
  }
  const state = await State.open({ directory, toleranceMs, share, report })
  app.addHook('onClose', async () => {
    await state.close()
  })
  return state
}
