/** The port for messages between the instances of a server. All messages are plain JSON. */
import type { Eventually } from '../lib/eventually.js'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined }

export interface Origin {
  /** The sender's `Bus.id`. */
  readonly from: string
  /** The position of a message in the order of all messages; `''` for a message to one instance. */
  readonly id: string
}

export type Listener = (message: Json, origin: Origin) => void

export interface KeptNews {
  readonly id: string
  readonly message: Json
}

export interface Bus {
  /** The id of this instance; a new one after each start. */
  readonly id: string
  /** True if other instances can send and receive messages. */
  readonly isShared: boolean
  /**
   * Sends a message to every instance, including this one, in the same order for all, at least once. Rejects
   * with a `NotSharedError` if it could not be sent.
   */
  readonly tellAll: (topic: string, message: Json) => Promise<void>
  /**
   * Sends a message to one instance. False if the instance is not alive; if it was only suspended, it may still
   * get the message. Rejects with a `NotSharedError` if the store is unavailable, or too many messages wait.
   */
  readonly tell: (instance: string, topic: string, message: Json) => Promise<boolean>
  readonly isAlive: (instance: string) => Eventually<boolean>
  /**
   * Calls `listener` for each message of `topic`. It must not throw. Returns a function that unsubscribes.
   */
  readonly on: (topic: string, listener: Listener) => () => void
  /**
   * Calls `listener` after messages may have been lost, so that copies can be read again.
   * Returns a function that unsubscribes.
   */
  readonly onGap: (listener: () => void) => () => void
  /**
   * The messages of a topic after the one with this id, oldest first; `undefined` if some are no longer
   * stored.
   */
  readonly since: (topic: string, id: string) => Eventually<readonly KeptNews[] | undefined>
  readonly close: () => Promise<void>
}

/** Compares two message ids: true if the first is later. */
export function isLater (one: string, other: string): boolean {
  const [ms = 0, n = 0] = one.split('-').map(Number)
  const [otherMs = 0, otherN = 0] = other.split('-').map(Number)
  return ms === otherMs ? n > otherN : ms > otherMs
}

/** A change could not be shared with the other instances. It may already apply on this one. */
export class NotSharedError extends Error {
  override readonly name = 'NotSharedError'
}
