/** How long the doctor waits in tests: for what comes, as long as it takes; for nothing else. */
import type { Patience } from '../../src/doctor/visit.js'

const longMs = 120_000

/** A stream is left with its first event. A test that wants something to be late sets that one number. */
export const patient: Patience = { answerMs: longMs, slowMs: longMs, firstEventMs: longMs, holdMs: 0, keepAliveMs: 0 }
