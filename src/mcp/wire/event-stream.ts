/** Server-sent events: their format, and a stream of them. */
import { PassThrough } from 'node:stream'

/**
 * If this much data waits for a caller, its stream is closed, because the buffer uses our memory. Writers that wait for
 * the reader never reach this.
 */
const maxBufferedBytes = 4 * 1024 * 1024
const keepAliveMs = 15_000

export const streamHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  // Nginx would buffer events until its buffer is full.
  'x-accel-buffering': 'no'
} as const

/** `message` as a server-sent event. `id`: where its reader can resume; without line breaks. */
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
    // An error before Fastify takes the stream would end the process.
    this.readable.on('error', () => {})
  }

  /**
   * `message`: the JSON text of one message, without line breaks. If the caller reads slowly,
   * returns a promise that resolves when the data was read or the caller has disconnected.
   */
  write (message: string, id?: string): void | Promise<void> {
    return this.#put(eventOf(message, id))
  }

  /** Like `write`, for data that is in memory anyway: ignores the limit on waiting data. */
  answer (message: string, id?: string): void {
    if (this.#isOpen) this.readable.write(eventOf(message, id))
  }

  /** Sends the headers, which otherwise wait for the first byte: a stream may be silent for long. */
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

  /** Writes raw text of an event stream. Returns what `write` returns. */
  pass (text: string): void | Promise<void> {
    return this.#put(text)
  }

  /** Resolves when there is room, or the caller has disconnected; `undefined` if there is room now. */
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
        new Error(`cut off: more than ${maxBufferedBytes} bytes wait for a caller that does not read`)
      )
      return
    }
    this.readable.write(text)
    return this.room
  }
}
