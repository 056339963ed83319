/** Unhandled rejections. Outside the tests they would end the process. */
import type { Test } from 'tap'

/** Collects unhandled rejections until the test's end. */
export function unhandledRejections (t: Test): readonly unknown[] {
  const seen: unknown[] = []
  const note = (reason: unknown): void => { seen.push(reason) }
  process.on('unhandledRejection', note)
  t.teardown(() => { process.off('unhandledRejection', note) })
  return seen
}
