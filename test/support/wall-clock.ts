/** The clock on the wall, moved by a test; timers and the clock that nobody sets go on as they were. */
import type { Test } from 'tap'

export interface WallClock {
  /** Seconds. */
  advance: (seconds: number) => void
}

export function wallClock (t: Test): WallClock {
  const { now } = Date
  let offsetMs = 0
  Date.now = () => now() + offsetMs
  t.teardown(() => { Date.now = now })
  return { advance: seconds => { offsetMs += seconds * 1000 } }
}
