/** Work that each connection to Redis begins with. */
import type { Link } from './link.js'

/** The delay until a command that failed while Redis was available is repeated, in milliseconds. */
export const againMs = 500

/**
 * Runs `work` now if Redis is available, and each time that it becomes available or was emptied. Repeats it if it
 * fails while Redis stays available, which happens on a Cluster: one slow node does not make it unavailable.
 */
export function eachUp (link: Link, work: () => Promise<void>): void {
  let last = 0
  const begin = (): void => {
    last += 1
    const run = last
    const attempt = (): void => {
      work().catch(() => {
        setTimeout(() => { if (run === last && link.isUp) attempt() }, againMs).unref()
      })
    }
    attempt()
  }
  link.onUp(begin)
  if (link.isUp) begin()
}
