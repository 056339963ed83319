/** One request, from its start to the one answer that it gets; alone, or as what a slot is doing. */
import { InternalError, UnknownMethodError, type Refusal } from '../../errors.js'
import { fromRpcCode } from '../../to-refusal.js'
import { type Dress, answerText, refusalText } from './answer-text.js'
import type { Exchange } from '../exchange/exchange.js'
import type { RpcMessage, RpcRequest } from '../wire/messages.js'
import { isOutcome } from '../wire/outcomes.js'
import type { AnswerWriter } from '../wire/reply.js'

/** How a revision writes its answers. */
export interface AnswerForm {
  /** The revisions before 2026-07-28 answer an unknown method in band. */
  readonly unknownMethodStatus: 200 | 404
  /** For a result that no SDK saw. Left out: it goes out as it is. */
  readonly dress?: Dress
}

export interface ResponderOptions {
  readonly request: RpcRequest
  readonly exchange: Exchange
  readonly writer: AnswerWriter
  readonly revision: AnswerForm
  /** Called once, with whether what served the request may serve another. */
  readonly done?: (clean: boolean) => void
}

/** Answers its request once; what comes later is heard by nobody. */
export class Responder {
  readonly request: RpcRequest
  readonly exchange: Exchange
  readonly #writer: AnswerWriter
  readonly #revision: AnswerForm
  readonly #done: ((clean: boolean) => void) | undefined
  #isOver = false

  constructor ({ request, exchange, writer, revision, done }: ResponderOptions) {
    this.request = request
    this.exchange = exchange
    this.#writer = writer
    this.#revision = revision
    this.#done = done
    // A handler that lost its race is answered for within a few microtasks. What holds its answer
    // back is overtaken here.
    exchange.onAbort(refusal => { setImmediate(() => { this.refuse(refusal) }) })
  }

  /** Answers with what `work` comes to. */
  follow (work: Promise<Record<string, unknown>>): void {
    work.then(
      result => { this.answer({ jsonrpc: '2.0', id: this.request.id, result }) },
      (error: unknown) => { if (!this.#isOver) this.refuse(this.exchange.refuse(error)) }
    )
  }

  answer (message: RpcMessage, clean = false): void {
    if (this.#isOver) return
    const text = answerText(message, this.exchange, this.request.id, this.#revision.dress)
    this.#end(text, this.exchange.refusal, clean)
  }

  refuse (refusal: Refusal, clean = false): void {
    if (this.#isOver) return
    this.#end(refusalText(refusal, this.exchange, this.request.id, this.#revision.dress), refusal, clean)
  }

  #end (text: string, refusal: Refusal | undefined, clean: boolean): void {
    this.#isOver = true
    this.exchange.end()
    this.#writer.answer(text, this.#statusFor(refusal), refusal?.headers)
    this.#done?.(clean)
  }

  /**
   * What came of a call is an answer like any other: to clients of the SDKs another status is a transport
   * that failed.
   */
  #statusFor (refusal: Refusal | undefined): number {
    if (refusal === undefined || isOutcome(refusal)) return 200
    return refusal.code === UnknownMethodError.code ? this.#revision.unknownMethodStatus : refusal.statusCode
  }
}

export interface SlotResponderOptions {
  /** After these methods the server holds something of its client, and the slot is thrown away. */
  readonly stateful: ReadonlySet<string>
  readonly revision: AnswerForm
  /** What an SDK's own error comes to. By its code, where left out. */
  readonly refusalFor?: (code: number, reason: string) => Refusal
}

/**
 * Answers the requests of a slot, one at a time. An answer to anything but the current request is dropped and
 * spoils the slot: it can only be the echo of an earlier caller (CVE-2026-25536 was one such).
 */
export class SlotResponder {
  readonly #options: SlotResponderOptions
  #current: Responder | undefined

  constructor (options: SlotResponderOptions) {
    this.#options = options
  }

  get current (): Responder | undefined {
    return this.#current
  }

  begin ({ request, exchange, writer, done }: Omit<ResponderOptions, 'revision'>): void {
    if (this.#current !== undefined) throw new Error('a slot serves one request at a time')
    const over = (clean: boolean): void => {
      this.#current = undefined
      done?.(clean)
    }
    const { revision } = this.#options
    this.#current = new Responder({ request, exchange, writer, revision, done: over })
  }

  /** Takes what the server sends. */
  settle (message: RpcMessage): void {
    const current = this.#current
    if (current === undefined) return
    const { request, exchange } = current
    if ('method' in message || message.id !== request.id) {
      current.refuse(exchange.refuse(new Error('the server of a slot answered another request')))
      return
    }
    const clean = !exchange.ended && !this.#options.stateful.has(request.method)
    if ('error' in message && exchange.refusal === undefined) {
      // The SDK's own words stay inside. A code that we know is an ordinary no; another spoils the slot.
      const refusalFor = this.#options.refusalFor ?? fromRpcCode
      const refusal = exchange.refuse(refusalFor(message.error.code, `refused by the SDK: ${message.error.message}`))
      current.refuse(refusal, clean && refusal.code !== InternalError.code)
      return
    }
    current.answer(message, clean)
  }

  /** Ends the current request without an answer: the server is gone. */
  drop (): void {
    this.#current?.refuse(this.#current.exchange.refusal ?? new InternalError())
  }
}
