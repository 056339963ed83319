/** Opens the state for an app: its troubles go to the app's log, and it closes with the app. */
import type { FastifyInstance } from 'fastify'
import { State } from './ledger.js'

/** `directory` left out: in memory. Throws a `StateError` where it can't be used. */
export async function openStateFor (app: FastifyInstance, directory: string | undefined, toleranceMs: number): Promise<State> {
  const state = await State.open({ directory, toleranceMs, report: sentence => { app.log.error(sentence) } })
  app.addHook('onClose', async () => { await state.close() })
  return state
}
