/** The event log of a single process. */
import type { RequestId } from '../../wire/messages.js'
import { EventBounds, type EventBoundsOptions } from './event-bounds.js'
import type { EventLog, KeptEvent, KeptStream } from './event-log.js'

interface Stream {
  readonly requests: readonly RequestId[]
  events: KeptEvent[]
  /** The number of the last event, whether it is still stored or not. */
  last: number
  isOver: boolean
}

export class EventsInMemory implements EventLog {
  readonly #options: EventBoundsOptions
  readonly #sessions = new Map<string, { readonly bounds: EventBounds, readonly streams: Map<string, Stream> }>()

  constructor (options: EventBoundsOptions = {}) {
    this.#options = options
  }

  open (session: string, name: string, requests: readonly RequestId[], isOwed: boolean): void {
    let kept = this.#sessions.get(session)
    if (kept === undefined) {
      this.#sessions.set(session, (kept = { bounds: new EventBounds(this.#options), streams: new Map() }))
    }
    kept.bounds.open(name, isOwed)
    kept.streams.set(name, { requests, events: [], last: 0, isOver: false })
  }

  append (session: string, name: string, event: KeptEvent): void {
    const kept = this.#sessions.get(session)
    const stream = kept?.streams.get(name)
    if (kept === undefined || stream === undefined) return
    stream.events.push(event)
    stream.last = event.n
    for (const { name: shorter, before } of kept.bounds.add(name, Buffer.byteLength(event.message))) {
      const shortened = kept.streams.get(shorter)
      if (before === Infinity) kept.streams.delete(shorter)
      else if (shortened !== undefined) shortened.events = shortened.events.filter(({ n }) => n >= before)
    }
  }

  finish (session: string, name: string): void {
    const stream = this.#sessions.get(session)?.streams.get(name)
    if (stream !== undefined) stream.isOver = true
  }

  deliver (session: string, name: string): void {
    this.#sessions.get(session)?.bounds.deliver(name)
  }

  read (session: string, name: string, n: number): KeptStream | undefined {
    const stream = this.#sessions.get(session)?.streams.get(name)
    if (stream === undefined || n > stream.last) return undefined
    const events = stream.events.filter(event => event.n > n)
    return events.length === stream.last - n ? { requests: stream.requests, isOver: stream.isOver, events } : undefined
  }

  drop (session: string): void {
    this.#sessions.delete(session)
  }
}
