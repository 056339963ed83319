/** What a session sent, kept for a while so that a stream can be resumed. One store a session. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { EventStore } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import type { Post } from './open-calls.js'

interface StoredEvent {
  readonly message: JSONRPCMessage
  readonly bytes: number
}

/** What went out on one stream, or will when its caller comes back. */
export class StreamLog {
  readonly id: string
  readonly events = new Map<string, StoredEvent>()
  bytes = 0
  /** It began with an id that its caller can come back with (MCP 2025-11-25, Transports, Resumability). */
  readonly isPrimed: boolean
  /** Whose stream it is. Unknown of the standing stream, and before the first message of one that is not primed. */
  post: Post | undefined

  constructor (id: string, isPrimed: boolean) {
    this.id = id
    this.isPrimed = isPrimed
  }

  /** It is the one stream of a session that belongs to no call. */
  get isStanding (): boolean {
    return !this.isPrimed && this.post === undefined
  }

  /** Nothing is to come any more. */
  get isOver (): boolean {
    return this.post?.isOver === true
  }

  /** The caller has a right to come back for it. */
  get isOwed (): boolean {
    return this.isPrimed && this.post?.isDelivered !== true
  }

  add (id: string, event: StoredEvent): void {
    this.events.set(id, event)
    this.bytes += event.bytes
  }

  drop (id: string, event: StoredEvent): void {
    this.events.delete(id)
    this.bytes -= event.bytes
  }

  /** Without what opened the stream, which the SDK sends as an empty message. */
  after (lastId: string): Array<readonly [string, JSONRPCMessage]> {
    return [...this.events]
      .filter(([id, { message }]) => Number(id) > Number(lastId) && 'jsonrpc' in message)
      .map(([id, { message }]) => [id, message])
  }

  /** As the SDK writes events. */
  textsAfter (lastId: string): string[] {
    return this.after(lastId).map(([id, message]) => `event: message\nid: ${id}\ndata: ${JSON.stringify(message)}\n\n`)
  }
}

export interface EventStoreOptions {
  /** Default 256. */
  readonly maxEvents?: number
  /** JSON text of all events. Default 256 KiB. */
  readonly maxBytes?: number
}

/** How much more is kept of what a caller may still come back for: 4 MiB by default, as of a stream that is read slowly. */
const owedFactor = 16
/** What an event weighs on the wire beside its message. */
const frameBytes = 64

/**
 * Forgets the oldest streams first. A store belongs to one session, which belongs to one principal:
 * no event id, guessed or stolen, reaches another's events (GHSA-84j6 was a store for all).
 */
export class SessionEvents implements EventStore {
  /** In the order of their last event. */
  readonly #logs = new Map<string, StreamLog>()
  readonly #notes = new WeakMap<JSONRPCMessage, { readonly bytes: number, readonly post: Post | undefined }>()
  /** Whose stream is opened. */
  readonly #opening = new AsyncLocalStorage<Post>()
  readonly #maxEvents: number
  readonly #maxBytes: number
  #lastId = 0

  constructor ({ maxEvents = 256, maxBytes = 256 * 1024 }: EventStoreOptions = {}) {
    this.#maxEvents = maxEvents
    this.#maxBytes = maxBytes
  }

  /** Notes the size of a message that is about to be stored, and whose it is. Throws where JSON cannot hold it. */
  weigh (message: JSONRPCMessage, post?: Post): void {
    this.#notes.set(message, { bytes: Buffer.byteLength(JSON.stringify(message)) + frameBytes, post })
  }

  /** Runs `open`, which opens the stream of `post`: its first event says nothing of whose it is. */
  opening<T> (post: Post, open: () => Promise<T>): Promise<T> {
    return this.#opening.run(post, open)
  }

  async storeEvent (streamId: string, message: JSONRPCMessage): Promise<string> {
    const id = `${++this.#lastId}`
    const isOpening = !('jsonrpc' in message)
    // Only what the SDK makes up itself was not weighed: the empty message that opens a stream.
    const { bytes = frameBytes, post = isOpening ? this.#opening.getStore() : undefined } = this.#notes.get(message) ?? {}
    const log = this.#logs.get(streamId) ?? new StreamLog(streamId, isOpening)
    log.post ??= post
    log.add(id, { message, bytes })
    this.#logs.delete(streamId)
    this.#logs.set(streamId, log)
    this.#forget()
    return id
  }

  /** The stream that an event was sent on; `undefined` where it is not kept any more. */
  find (eventId: string): StreamLog | undefined {
    for (const log of this.#logs.values()) if (log.events.has(eventId)) return log
    return undefined
  }

  async getStreamIdForEventId (id: string): Promise<string | undefined> {
    return this.find(id)?.id
  }

  async replayEventsAfter (lastId: string, { send }: { send: (id: string, message: JSONRPCMessage) => Promise<void> }): Promise<string> {
    const log = this.find(lastId)
    if (log === undefined) throw new Error('the event is not kept any more')
    for (const [id, message] of log.after(lastId)) await send(id, message)
    return log.id
  }

  #forget (): void {
    const logs = [...this.#logs.values()]
    this.#shorten(logs.filter(({ isOwed }) => !isOwed), 1)
    this.#shorten(logs, owedFactor)
  }

  /** Drops the oldest of what `logs` hold beyond the bounds. */
  #shorten (logs: readonly StreamLog[], factor: number): void {
    let events = 0
    let bytes = 0
    for (const log of logs) {
      events += log.events.size
      bytes += log.bytes
    }
    for (const log of logs) {
      for (const [id, event] of log.events) {
        if (events <= this.#maxEvents * factor && bytes <= this.#maxBytes * factor) return
        events -= 1
        bytes -= event.bytes
        log.drop(id, event)
      }
      if (log.events.size === 0) this.#logs.delete(log.id)
    }
  }
}
