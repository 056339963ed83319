/**
 * The port between the instances of one server: news for all of them, letters to one. Everything sent is
 * plain JSON.
 */
import type { Eventually } from '../lib/eventually.js'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined }

export interface Origin {
  /** The sender's `Bus.id`. */
  readonly from: string
  /** The place of a piece of news in the order of all of them; `''` for a letter. */
  readonly id: string
}

export type Listener = (message: Json, origin: Origin) => void

export interface KeptNews {
  readonly id: string
  readonly message: Json
}

export interface Bus {
  /** This instance; another one after each start. */
  readonly id: string
  /** Others may be told something, and tell. */
  readonly isShared: boolean
  /**
   * Tells every instance, this one included, in one order for all, at least once. Rejects with a
   * `NotSharedError` where it could not be sent.
   */
  readonly tellAll: (topic: string, message: Json) => Promise<void>
  /** Tells one instance. False: it is not alive. Rejects with a `NotSharedError` where nobody could be asked. */
  readonly tell: (instance: string, topic: string, message: Json) => Promise<boolean>
  readonly isAlive: (instance: string) => Eventually<boolean>
  /** Calls `listener` with what is told under `topic`. It must not throw. Returns how to end that. */
  readonly on: (topic: string, listener: Listener) => () => void
  /**
   * Calls `listener` after news may have been lost: whoever keeps a copy of something reads it anew.
   * Returns how to end that.
   */
  readonly onGap: (listener: () => void) => () => void
  /** The news of a topic after the one with this id, the oldest first; `undefined` where some of it is forgotten. */
  readonly since: (topic: string, id: string) => Eventually<readonly KeptNews[] | undefined>
  readonly close: () => Promise<void>
}

/** Of two ids of news: true where the first came later. */
export function isLater (one: string, other: string): boolean {
  const [ms = 0, n = 0] = one.split('-').map(Number)
  const [otherMs = 0, otherN = 0] = other.split('-').map(Number)
  return ms === otherMs ? n > otherN : ms > otherMs
}

/** In force on this instance, and not (yet) on the others: they could not be reached. */
export class NotSharedError extends Error {
  override readonly name = 'NotSharedError'
}
