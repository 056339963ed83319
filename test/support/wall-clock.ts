/** The clock on the wall, which a test stops and moves by hand; timers and the monotonic clock go on as they were. */
import type { Test } from 'tap'

export interface WallClock {
  /** Seconds. */
  advance: (seconds: number) => void
}

export function wallClock (t: Test): WallClock {
  const { now } = Date
  let time = now()
  Date.now = () => time
  t.teardown(() => { Date.now = now })
  return { advance: seconds => { time += seconds * 1000 } }
}
