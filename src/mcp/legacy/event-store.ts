/** What a session sent, kept for a while so that a stream can be resumed. One store a session. */
import type { EventStore } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'

interface StoredEvent {
  readonly streamId: string
  readonly message: JSONRPCMessage
  readonly bytes: number
}

export interface EventStoreOptions {
  /** Default 256. */
  readonly maxEvents?: number
  /** JSON text of all events. Default 256 KiB. */
  readonly maxBytes?: number
}

/**
 * Forgets the oldest events first. A store belongs to one session, which belongs to one principal:
 * no event id, guessed or stolen, reaches another's events (GHSA-84j6 was a store for all).
 */
export class SessionEvents implements EventStore {
  readonly #events = new Map<string, StoredEvent>()
  readonly #maxEvents: number
  readonly #maxBytes: number
  readonly #weights = new WeakMap<JSONRPCMessage, number>()
  #bytes = 0
  #count = 0

  constructor ({ maxEvents = 256, maxBytes = 256 * 1024 }: EventStoreOptions = {}) {
    this.#maxEvents = maxEvents
    this.#maxBytes = maxBytes
  }

  /** Takes the size of a message that is about to be stored. Throws where JSON can not hold it. */
  weigh (message: JSONRPCMessage): void {
    this.#weights.set(message, Buffer.byteLength(JSON.stringify(message)))
  }

  async storeEvent (streamId: string, message: JSONRPCMessage): Promise<string> {
    const id = `${++this.#count}`
    // Only what the SDK makes up itself was not weighed: the empty message that opens a stream.
    const bytes = this.#weights.get(message) ?? 0
    this.#events.set(id, { streamId, message, bytes })
    this.#bytes += bytes
    for (const [oldest, event] of this.#events) {
      if (this.#events.size <= this.#maxEvents && this.#bytes <= this.#maxBytes) break
      this.#events.delete(oldest)
      this.#bytes -= event.bytes
    }
    return id
  }

  async getStreamIdForEventId (id: string): Promise<string | undefined> {
    return this.#events.get(id)?.streamId
  }

  async replayEventsAfter (lastId: string, { send }: { send: (id: string, message: JSONRPCMessage) => Promise<void> }): Promise<string> {
    const streamId = this.#events.get(lastId)?.streamId
    if (streamId === undefined) throw new Error('the event is not kept any more')
    for (const [id, event] of [...this.#events]) {
      const isPriming = !('jsonrpc' in event.message)
      if (Number(id) > Number(lastId) && event.streamId === streamId && !isPriming) await send(id, event.message)
    }
    return streamId
  }
}
