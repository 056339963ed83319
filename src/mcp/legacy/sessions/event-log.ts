/**
 * The port to the stored events of call streams, so that a stream can be resumed on any
 * instance.
 */
import type { Eventually } from '../../../lib/eventually.js'
import type { RequestId } from '../../wire/messages.js'

export interface KeptEvent {
  /** From 1, without gaps: one process writes a stream and counts its events. */
  readonly n: number
  /** The JSON text of a message. */
  readonly message: string
}

export interface KeptStream {
  /** The requests that the stream answers. */
  readonly requests: readonly RequestId[]
  /** The stream has ended. */
  readonly isOver: boolean
  readonly events: readonly KeptEvent[]
}

/**
 * Writes are not awaited and do not report failures. A stream belongs to one session, which
 * belongs to one principal: a guessed or stolen event id never gives access to another caller's events (GHSA-84j6).
 */
export interface EventLog {
  /** `isOwed`: the caller has the id of the stream's beginning, and may resume from it. */
  readonly open: (session: string, name: string, requests: readonly RequestId[], isOwed: boolean) => void
  readonly append: (session: string, name: string, event: KeptEvent) => void
  /** The stream has ended. */
  readonly finish: (session: string, name: string) => void
  /** The caller has received everything, or cancelled. */
  readonly deliver: (session: string, name: string) => void
  /** The events after event `n`. `undefined` if there is no such event, or if some are no longer stored. */
  readonly read: (session: string, name: string, n: number) => Eventually<KeptStream | undefined>
  /** Deletes all events of a session. */
  readonly drop: (session: string) => void
}
