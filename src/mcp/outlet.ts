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

/** A caller that reads slower than we write is cut off here: its buffer is our memory. */
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
 * Collects what a POST is answered with, each message as its JSON text. The reply is JSON unless something is said before the
 * last answer; then it is a stream (MCP 2025-11-25, Transports, Sending Messages to the Server).
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

  /** Sends something before the answer, which makes the reply a stream. */
  say (message: string): void {
    if (this.#pending === 0 || !this.#mayStream) return
    if (this.#stream === undefined) {
      this.#stream = new EventStream()
      for (const answer of this.#answers ?? []) this.#stream.write(answer)
      this.#resolve({ status: 200, headers: streamHeaders, stream: this.#stream.readable })
    }
    this.#stream.write(message)
  }

  /** The answer to one message; the last one ends the reply. `status` and `headers` count where it is not a stream. */
  answer (message: string, status = 200, headers?: Readonly<Record<string, string>>): void {
    if (this.#pending === 0) return
    this.#pending -= 1
    if (this.#stream !== undefined) {
      this.#stream.write(message)
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

  constructor () {
    this.#beat = setInterval(() => { this.#put(': keep-alive\n\n') }, keepAliveMs)
    this.#beat.unref()
    this.readable.once('close', () => { clearInterval(this.#beat) })
  }

  /** `message`: the JSON text of one message, which has no line breaks. */
  write (message: string): void {
    this.#put(eventOf(message))
  }

  /** Sends the headers on their way, which wait for a first byte: a stream may be silent for long. */
  begin (): void {
    this.#put(': open\n\n')
  }

  /** Events that somebody else wrote already. */
  pass (events: Uint8Array | string): void {
    this.#put(events)
  }

  end (): void {
    clearInterval(this.#beat)
    this.readable.end()
  }

  #put (text: string | Uint8Array): void {
    if (this.readable.writableEnded || this.readable.destroyed) return
    if (this.readable.writableLength + this.readable.readableLength > maxBufferedBytes) {
      this.readable.destroy()
      return
    }
    this.readable.write(text)
  }
}
