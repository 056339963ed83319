/** How one POST is answered: as a single JSON body, or as a stream once a handler speaks first. */
import type { Readable } from 'node:stream'
import { EventStream, streamHeaders } from './event-stream.js'

export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** A finished JSON text. Neither this nor `stream`: an empty body. */
  readonly json?: string
  /** Server-sent events. */
  readonly stream?: Readable
}

/** Takes the answer to each request of a POST. */
export interface AnswerWriter {
  /** `message`: the JSON text of the answer. `status` and `headers` count where it goes out alone. */
  readonly answer: (message: string, status: number, headers?: Readonly<Record<string, string>>) => void
}

export interface ReplyWriterOptions {
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
export class ReplyWriter implements AnswerWriter {
  readonly reply: Promise<Reply>
  #resolve: (reply: Reply) => void = ignore
  #stream: EventStream | undefined
  readonly #batch: boolean
  #pending: number
  #answers: string[] | undefined
  readonly #mayStream: boolean

  constructor ({ expected = 1, batch = false, mayStream = true }: ReplyWriterOptions = {}) {
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
