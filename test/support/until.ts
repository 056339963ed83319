/** Waits for what is about to happen, by asking again. */
import { setTimeout as sleep } from 'node:timers/promises'

type Nothing = false | undefined | null | 0 | ''

/**
 * Resolves with the first value of `find` that is neither false, undefined, null, zero nor empty. Rejects after two
 * minutes: no measure of how long it may take, only an end for what never comes.
 */
export async function until<T> (find: () => T | Promise<T>): Promise<Exclude<T, Nothing>> {
  for (let tries = 0; tries < 6000; tries++) {
    const found = await find()
    if (found) return found as Exclude<T, Nothing>
    await sleep(20)
  }
  throw new Error('it did not happen within two minutes')
}
