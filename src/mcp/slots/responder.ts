/** One request, from its start to its only answer, with or without a slot. */
import { InternalError, UnknownMethodError, type Refusal } from '../../errors.js'
import { fromRpcCode } from '../../to-refusal.js'
import { type Dress, answerText, refusalText } from './answer-text.js'
import type { Exchange } from '../exchange/exchange.js'
import type { RpcMessage, RpcRequest } from '../wire/messages.js'
import { isOutcome } from '../wire/outcomes.js'
import type { AnswerWriter } from '../wire/reply.js'

/** The answer format of a revision. */
export interface AnswerForm {
  /** Revisions before 2026-07-28 answer an unknown method with status 200. */
  readonly unknownMethodStatus: 200 | 404
  /** For a result that did not pass through an SDK. Default: it is sent unchanged. */
  readonly dress?: Dress
}

export interface ResponderOptions {
  readonly request: RpcRequest
  readonly exchange: Exchange
  readonly writer: AnswerWriter
  readonly revision: AnswerForm
  /** Called once, with whether the slot may serve another request. */
  readonly done?: (clean: boolean) => void
}

/** Answers its request once, and ignores later answers. */
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
    // An aborted handler's answer arrives within a few microtasks. If it does not, this refusal is
    // sent instead.
    exchange.onAbort(refusal => { setImmediate(() => { this.refuse(refusal) }) })
  }

  /** Answers with the result of `work`. */
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
   * A call that was dispatched is always answered with status 200: clients of the SDKs treat other statuses as
   * transport errors.
   */
  #statusFor (refusal: Refusal | undefined): number {
    if (refusal === undefined || isOutcome(refusal)) return 200
    return refusal.code === UnknownMethodError.code ? this.#revision.unknownMethodStatus : refusal.statusCode
  }
}

export interface SlotResponderOptions {
  /** After these methods the server has state of its client, so the slot is discarded. */
  readonly stateful: ReadonlySet<string>
  readonly revision: AnswerForm
  /** The refusal for an SDK error. Default: chosen by its code. */
  readonly refusalFor?: (code: number, reason: string) => Refusal
}

/**
 * Answers the requests of a slot, one at a time. An answer to anything but the current request is dropped, and
 * the slot is discarded: it could be meant for an earlier caller (compare CVE-2026-25536).
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

  /** Called with each message of the server. */
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
      // The SDK's message is not shown. A known code is an ordinary refusal; any other discards the slot.
      const refusalFor = this.#options.refusalFor ?? fromRpcCode
      const refusal = exchange.refuse(refusalFor(message.error.code, `refused by the SDK: ${message.error.message}`))
      current.refuse(refusal, clean && refusal.code !== InternalError.code)
      return
    }
    current.answer(message, clean)
  }

  /** Ends the current request without an answer, because the server has closed. */
  drop (): void {
    this.#current?.refuse(this.#current.exchange.refusal ?? new InternalError())
  }
}
