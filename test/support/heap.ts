/** How much memory something goes on holding. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/**
 * Megabytes that are still held when `fill` has run. What was filled must be used afterwards, or it is gone
 * as well.
 */
export async function heldBy (fill: () => unknown): Promise<number> {
  collect()
  const before = process.memoryUsage().heapUsed
  await fill()
  collect()
  return (process.memoryUsage().heapUsed - before) / 2 ** 20
}
