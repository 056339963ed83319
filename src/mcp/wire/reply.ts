/** The reply to one POST: a single JSON body, or a stream if a handler sends messages before the answer. */
import type { Readable } from 'node:stream'
import { EventStream, streamHeaders } from './event-stream.js'

export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** A finished JSON text. Without this and `stream`: an empty body. */
  readonly json?: string
  /** Server-sent events. */
  readonly stream?: Readable
}

/** Receives the answer to each request of a POST. */
export interface AnswerWriter {
  /** `message`: the JSON text of the answer. `status` and `headers` apply to a JSON reply with one answer. */
  readonly answer: (message: string, status: number, headers?: Readonly<Record<string, string>>) => void
}

export interface ReplyWriterOptions {
  /** The number of expected answers. Default 1. */
  readonly expected?: number
  /** Send the answers as an array. Default false. */
  readonly batch?: boolean
  /** False: the caller accepts only JSON, and messages before the answer are dropped. Default true. */
  readonly mayStream?: boolean
}

/**
 * Collects the answers to a POST, each as its JSON text. The reply is JSON unless
 * a message is sent before the last answer; then it is a stream (MCP 2025-11-25, Transports, Sending
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

  /** Sends a message before the answer, which makes the reply a stream. Returns what `EventStream.write` returns. */
  say (message: string): void | Promise<void> {
    if (this.#pending === 0 || !this.#mayStream) return
    if (this.#stream === undefined) {
      this.#stream = new EventStream()
      for (const answer of this.#answers ?? []) this.#stream.answer(answer)
      this.#resolve({ status: 200, headers: streamHeaders, stream: this.#stream.readable })
    }
    return this.#stream.write(message)
  }

  /** The answer to one message; the last one ends the reply. `status` and `headers` apply only to a JSON reply. */
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
