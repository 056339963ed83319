/** A monotonic clock that only the test moves. */
import type { Test } from 'tap'

/** Stops the monotonic clock until the test's end. `pass` moves it. */
export function stopClock (t: Test): { pass: (ms: number) => void } {
  let time = Math.ceil(performance.now())
  t.intercept(performance, 'now', { value: () => time })
  return { pass: (ms) => { time += ms } }
}
