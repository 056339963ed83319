/** Waiting times of the doctor in tests: long for an answer, none for further events. */
import type { Patience } from '../../src/doctor/visit.js'

const longMs = 120_000

/** The doctor closes a stream after its first event. A test of something late sets only that number. */
export const patient: Patience = { answerMs: longMs, slowMs: longMs, firstEventMs: longMs, holdMs: 0, keepAliveMs: 0 }
