/**
 * Limits the stored events of a session's streams, and decides which are dropped first. Knows only sizes, wherever
 * the events are stored.
 */

export interface EventBoundsOptions {
  /** The maximum number of stored events. Default 256. */
  readonly maxEvents?: number
  /** The maximum size of all events, in bytes of JSON. Default 256 KiB. */
  readonly maxBytes?: number
}

/** Drop the events of this stream before event `before`, or all events if the stream is no longer stored. */
export interface Forgotten {
  readonly name: string
  readonly before: number
}

interface Stream {
  /** Sizes of the stored events. The first one is event `first`; event 0 is the beginning of the stream. */
  readonly sizes: number[]
  first: number
  bytes: number
  isOwed: boolean
}

/**
 * The factor of both limits for events that were not delivered yet: 4 MiB by default, as for a slow reader.
 */
const owedFactor = 16
/** The size of an event on the wire besides its message. */
const frameBytes = 64

export class EventBounds {
  /** The streams in the order of their last event. */
  readonly #streams = new Map<string, Stream>()
  readonly #maxEvents: number
  readonly #maxBytes: number

  constructor ({ maxEvents = 256, maxBytes = 256 * 1024 }: EventBoundsOptions = {}) {
    this.#maxEvents = maxEvents
    this.#maxBytes = maxBytes
  }

  has (name: string): boolean {
    return this.#streams.has(name)
  }

  open (name: string, isOwed: boolean): void {
    this.#streams.set(name, { sizes: [frameBytes], first: 0, bytes: frameBytes, isOwed })
  }

  /** Adds an event of `bytes`. Returns the events to drop. */
  add (name: string, bytes: number): Forgotten[] {
    const stream = this.#streams.get(name)
    if (stream === undefined) return []
    stream.sizes.push(bytes + frameBytes)
    stream.bytes += bytes + frameBytes
    this.#streams.delete(name)
    this.#streams.set(name, stream)
    return [...this.#shorten(({ isOwed }) => !isOwed, 1), ...this.#shorten(() => true, owedFactor)]
  }

  deliver (name: string): void {
    const stream = this.#streams.get(name)
    if (stream !== undefined) stream.isOwed = false
  }

  get isEmpty (): boolean {
    return this.#streams.size === 0
  }

  #shorten (concerns: (stream: Stream) => boolean, factor: number): Forgotten[] {
    const streams = [...this.#streams].filter(([, stream]) => concerns(stream))
    let events = 0
    let bytes = 0
    for (const [, stream] of streams) {
      events += stream.sizes.length
      bytes += stream.bytes
    }
    const forgotten: Forgotten[] = []
    for (const [name, stream] of streams) {
      if (events <= this.#maxEvents * factor && bytes <= this.#maxBytes * factor) break
      let count = 0
      while (count < stream.sizes.length && (events > this.#maxEvents * factor || bytes > this.#maxBytes * factor)) {
        const size = stream.sizes[count] ?? 0
        stream.bytes -= size
        bytes -= size
        events -= 1
        count += 1
      }
      stream.sizes.splice(0, count)
      stream.first += count
      const isGone = stream.sizes.length === 0
      if (isGone) this.#streams.delete(name)
      forgotten.push({ name, before: isGone ? Infinity : stream.first })
    }
    return forgotten
  }
}
