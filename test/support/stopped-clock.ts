/** A monotonic clock that moves only by hand. */
import type { Test } from 'tap'

/** Moves the monotonic clock by hand until the test's end. */
export function stopClock (t: Test): { pass: (ms: number) => void } {
  let time = Math.ceil(performance.now())
  t.intercept(performance, 'now', { value: () => time })
  return { pass: (ms) => { time += ms } }
}
