/** The calls of a session that are under way, and which of them share a stream. */
import type { Refusal } from '../../errors.js'
import type { Exchange } from '../exchange/exchange.js'
import type { RequestId } from '../wire/messages.js'
import type { EventStream } from '../wire/event-stream.js'

/** The requests of one POST, which are answered on one stream. */
export class Post {
  /** Those without an answer yet. */
  readonly pending = new Set<RequestId>()
  /** The one that its caller reads now. */
  stream: EventStream | undefined
  /** The caller got all of it, or wants no more. */
  isDelivered = false
  /** How often a stream was closed on the caller, who is to come back for the rest. */
  timesLeft = 0

  get isOver (): boolean {
    return this.pending.size === 0
  }
}

export interface Call {
  readonly exchange: Exchange
  readonly post: Post
}

export class Calls {
  readonly #calls = new Map<RequestId, Call>()

  get (id: RequestId | undefined): Call | undefined {
    return id === undefined ? undefined : this.#calls.get(id)
  }

  has (id: RequestId): boolean {
    return this.#calls.has(id)
  }

  begin (id: RequestId, call: Call): void {
    this.#calls.set(id, call)
    call.post.pending.add(id)
  }

  /** Ends a call: its id is free from now on. */
  end (id: RequestId): void {
    const call = this.#calls.get(id)
    if (call === undefined) return
    call.exchange.end()
    call.post.pending.delete(id)
    this.#calls.delete(id)
  }

  /** Of all that is under way. */
  exchanges (): Exchange[] {
    return [...this.#calls.values()].map(({ exchange }) => exchange)
  }

  /** Ends all that is under way with `refusal`. The answers have gone out when this resolves. */
  async refuseAll (refusal: Refusal): Promise<void> {
    const open = this.exchanges()
    for (const exchange of open) exchange.abort(refusal)
    // Within two turns of the event loop: who lost a race is answered by the SDK, or in its place in the next one.
    if (open.length > 0) for (let turn = 0; turn < 2; turn++) await new Promise(resolve => setImmediate(resolve))
  }

  clear (): void {
    this.#calls.clear()
  }
}
