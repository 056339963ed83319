/** Rejections that nobody hears: outside of the tests they would end the process. */
import type { Test } from 'tap'

/** Those of now on, for as long as the test runs. */
export function unhandledRejections (t: Test): readonly unknown[] {
  const seen: unknown[] = []
  const note = (reason: unknown): void => { seen.push(reason) }
  process.on('unhandledRejection', note)
  t.teardown(() => { process.off('unhandledRejection', note) })
  return seen
}
