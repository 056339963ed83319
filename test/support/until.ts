/** Polls for a condition. */
import { setTimeout as sleep } from 'node:timers/promises'

type Nothing = false | undefined | null | 0 | ''

/**
 * Resolves with the first truthy value of `find`. Rejects after two minutes, which only ends waits for what
 * never happens and says nothing about speed.
 */
export async function until<T> (find: () => T | Promise<T>): Promise<Exclude<T, Nothing>> {
  for (let tries = 0; tries < 6000; tries++) {
    const found = await find()
    if (found) return found as Exclude<T, Nothing>
    await sleep(20)
  }
  throw new Error('the condition was not met within two minutes')
}
