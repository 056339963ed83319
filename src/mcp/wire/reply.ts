/** How one POST is answered: as a single JSON body, or as a stream once a handler speaks first. */
import { PassThrough, type Readable } from 'node:stream'

export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** A finished JSON text. Neither this nor `stream`: an empty body. */
  readonly json?: string
  /** Server-sent events. */
  readonly stream?: Readable
}

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

export interface OutletOptions {
  /** How many answers are due. Default 1. */
  readonly expected?: number
  /** The answers go out as an array. Default false. */
  readonly batch?: boolean
  /** False: the caller takes JSON alone, and what is said before the answer is lost. Default true. */
  readonly mayStream?: boolean
}

/**
 * Collects what a POST is answered with, each message as its JSON text. The reply is JSON unless
 * something is said before the last answer; then it is a stream (MCP 2025-11-25, Transports, Sending
 * Messages to the Server).
 */
export class Outlet {
  readonly reply: Promise<Reply>
  #resolve: (reply: Reply) => void = ignore
  #stream: EventStream | undefined
  readonly #batch: boolean
  #pending: number
  #answers: string[] | undefined
  readonly #mayStream: boolean

  constructor ({ expected = 1, batch = false, mayStream = true }: OutletOptions = {}) {
    this.#pending = expected
    this.#batch = batch
    this.#mayStream = mayStream
    this.reply = new Promise(resolve => { this.#resolve = resolve })
  }

  /** Sends something before the answer, which makes the reply a stream. Returns what `EventStream.write` does. */
  say (message: string): void | Promise<void> {
    if (this.#pending === 0 || !this.#mayStream) return
    if (this.#stream === undefined) {
      this.#stream = new EventStream()
      for (const answer of this.#answers ?? []) this.#stream.answer(answer)
      this.#resolve({ status: 200, headers: streamHeaders, stream: this.#stream.readable })
    }
    return this.#stream.write(message)
  }

  /** The answer to one message; the last one ends the reply. `status` and `headers` count where it is not a stream. */
  answer (message: string, status = 200, headers?: Readonly<Record<string, string>>): void {
    if (this.#pending === 0) return
    this.#pending -= 1
    if (this.#stream !== undefined) {
      this.#stream.answer(message)
      if (this.#pending === 0) this.#stream.end()
      return
    }
    if (!this.#batch) {
      this.#resolve({ status, json: message, ...(headers === undefined ? {} : { headers }) })
      return
    }
    this.#answers ??= []
    this.#answers.push(message)
    if (this.#pending === 0) this.#resolve({ status: 200, json: `[${this.#answers.join(',')}]` })
  }
}

function ignore (): void {}

/** `message` as a server-sent event. */
export function eventOf (message: string): string {
  return `event: message\ndata: ${message}\n\n`
}

/** Server-sent events with comments that keep proxies from closing an idle connection. */
export class EventStream {
  readonly readable = new PassThrough()
  readonly #beat: NodeJS.Timeout
  #room: Promise<void> | undefined

  constructor () {
    this.#beat = setInterval(() => { this.#put(': keep-alive\n\n') }, keepAliveMs)
    this.#beat.unref()
    this.readable.once('close', () => { clearInterval(this.#beat) })
    // One that is cut off before Fastify takes it would end the process.
    this.readable.on('error', () => {})
  }

  /**
   * `message`: the JSON text of one message, which has no line breaks. Where it has to wait for the
   * caller, returns a promise that resolves once it was read, or nobody reads any more.
   */
  write (message: string): void | Promise<void> {
    return this.#put(eventOf(message))
  }

  /** Like `write`, for what is held in memory in any case: it goes out whatever waits already. */
  answer (message: string): void {
    if (this.#isOpen) this.readable.write(eventOf(message))
  }

  /** Sends the headers on their way, which wait for a first byte: a stream may be silent for long. */
  begin (): void {
    this.#put(': open\n\n')
  }

  /** Events that somebody else wrote already. Returns what `write` does. */
  pass (events: Uint8Array | string): void | Promise<void> {
    return this.#put(events)
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

  #put (text: string | Uint8Array): void | Promise<void> {
    if (!this.#isOpen) return
    if (this.readable.writableLength + this.readable.readableLength > maxBufferedBytes) {
      this.readable.destroy(new Error(`cut off: more than ${maxBufferedBytes} bytes wait for a caller that does not read them`))
      return
    }
    this.readable.write(text)
    return this.room
  }
}
