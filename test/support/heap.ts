/** How much memory something goes on holding. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Megabytes of the heap that are in use once all garbage is collected. */
export function heapNow (): number {
  collect()
  return process.memoryUsage().heapUsed / 2 ** 20
}

/**
 * Megabytes that are still held when `fill` has run. What was filled must be used afterwards, or it is gone
 * as well.
 */
export async function heldBy (fill: () => unknown): Promise<number> {
  const before = heapNow()
  await fill()
  return heapNow() - before
}
