/** Stops `Date.now` and lets a test move it. Timers and the monotonic clock are unaffected. */
import type { Test } from 'tap'

export interface WallClock {
  /** Moves the clock by `seconds`. */
  advance: (seconds: number) => void
}

export function wallClock (t: Test): WallClock {
  const { now } = Date
  let time = now()
  Date.now = () => time
  t.teardown(() => { Date.now = now })
  return { advance: seconds => { time += seconds * 1000 } }
}
