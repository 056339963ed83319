/**
 * The port to what was sent on the streams of calls, kept for a while so that a stream can be resumed on
 * any instance.
 */
import type { Eventually } from '../../../lib/eventually.js'
import type { RequestId } from '../../wire/messages.js'

export interface KeptEvent {
  /** From 1, without a gap: one process writes a stream, and counts. */
  readonly n: number
  /** The JSON text of a message. */
  readonly message: string
}

export interface KeptStream {
  /** What is, or was to be, answered on it. */
  readonly requests: readonly RequestId[]
  /** Nothing is to come any more. */
  readonly isOver: boolean
  readonly events: readonly KeptEvent[]
}

/**
 * Nobody waits for what is written, and nobody hears that it could not be. A stream belongs to one session, which
 * belongs to one principal: no event id, guessed or stolen, reaches another's events (GHSA-84j6 was a store for all).
 */
export interface EventLog {
  /** `isOwed`: its caller has the id of its beginning, and a right to come back for it. */
  readonly open: (session: string, name: string, requests: readonly RequestId[], isOwed: boolean) => void
  readonly append: (session: string, name: string, event: KeptEvent) => void
  /** Nothing is to come any more. */
  readonly finish: (session: string, name: string) => void
  /** Its caller has all of it, or wants no more. */
  readonly deliver: (session: string, name: string) => void
  /** What comes after event `n`. `undefined` where that never was, or where some of it is forgotten. */
  readonly read: (session: string, name: string, n: number) => Eventually<KeptStream | undefined>
  /** Forgets all of a session. */
  readonly drop: (session: string) => void
}
