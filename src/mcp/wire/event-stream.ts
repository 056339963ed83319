/** Server-sent events: their form on the wire, and a stream of them. */
import { PassThrough } from 'node:stream'

/**
 * Where this much waits for a caller, its stream is cut off: the buffer is our memory. Who waits for
 * what it writes never comes here.
 */
const maxBufferedBytes = 4 * 1024 * 1024
const keepAliveMs = 15_000

export const streamHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  // Nginx would hold events back until its buffer is full.
  'x-accel-buffering': 'no'
} as const

/** `message` as a server-sent event. `id`: where its reader can come back to; without line breaks. */
export function eventOf (message: string, id?: string): string {
  return id === undefined ? `event: message\ndata: ${message}\n\n` : `event: message\nid: ${id}\ndata: ${message}\n\n`
}

/** Server-sent events with comments that keep proxies from closing an idle connection. */
export class EventStream {
  readonly readable = new PassThrough()
  readonly #beat: NodeJS.Timeout
  #room: Promise<void> | undefined

  constructor () {
    this.#beat = setInterval(() => { void this.#put(': keep-alive\n\n') }, keepAliveMs)
    this.#beat.unref()
    this.readable.once('close', () => { clearInterval(this.#beat) })
    // One that is cut off before Fastify takes it would end the process.
    this.readable.on('error', () => {})
  }

  /**
   * `message`: the JSON text of one message, which has no line breaks. Where it has to wait for the
   * caller, returns a promise that resolves once it was read, or nobody reads any more.
   */
  write (message: string, id?: string): void | Promise<void> {
    return this.#put(eventOf(message, id))
  }

  /** Like `write`, for what is held in memory in any case: it goes out whatever waits already. */
  answer (message: string, id?: string): void {
    if (this.#isOpen) this.readable.write(eventOf(message, id))
  }

  /** Sends the headers on their way, which wait for a first byte: a stream may be silent for long. */
  begin (): void {
    void this.#put(': open\n\n')
  }

  /**
   * An event without a message, from which the rest of the stream can be resumed (MCP 2025-11-25,
   * Transports, Resumability).
   */
  prime (id: string, retryMs: number): void {
    void this.#put(`id: ${id}\nretry: ${retryMs}\ndata: \n\n`)
  }

  /** Text of an event stream as it is. Returns what `write` does. */
  pass (text: string): void | Promise<void> {
    return this.#put(text)
  }

  /** Resolves once there is room for more, or nobody reads any more; `undefined` where there is now. */
  get room (): Promise<void> | undefined {
    if (!this.#isOpen || !this.readable.writableNeedDrain) return undefined
    this.#room ??= new Promise(resolve => {
      const done = (): void => {
        this.#room = undefined
        this.readable.off('drain', done).off('close', done)
        resolve()
      }
      this.readable.on('drain', done).on('close', done)
    })
    return this.#room
  }

  end (): void {
    clearInterval(this.#beat)
    this.readable.end()
  }

  get #isOpen (): boolean {
    return !this.readable.writableEnded && !this.readable.destroyed
  }

  #put (text: string): void | Promise<void> {
    if (!this.#isOpen) return
    if (this.readable.writableLength + this.readable.readableLength > maxBufferedBytes) {
      this.readable.destroy(
        new Error(`cut off: more than ${maxBufferedBytes} bytes wait for a caller that does not read them`)
      )
      return
    }
    this.readable.write(text)
    return this.room
  }
}
