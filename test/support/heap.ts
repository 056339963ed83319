/** Measures how much memory is still in use after a function has run. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Returns the heap size in megabytes after a garbage collection. */
export function heapNow (): number {
  collect()
  return process.memoryUsage().heapUsed / 2 ** 20
}

/**
 * Returns the megabytes that are still in use after `fill` has run. Use the filled object afterwards, or it
 * is collected too.
 */
export async function heldBy (fill: () => unknown): Promise<number> {
  const before = heapNow()
  await fill()
  return heapNow() - before
}
