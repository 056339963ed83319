/** What a slot is doing: at most one request, from its start to the one answer that it gets. */
import { InternalError, UnknownMethodError, type Refusal, fromRpcCode } from '../errors.js'
import { answerText, refusalText } from './era.js'
import type { Exchange } from './exchange.js'
import type { RpcMessage, RpcRequest } from './messages.js'
import type { Outlet } from './outlet.js'

interface Turn {
  readonly request: RpcRequest
  readonly exchange: Exchange
  readonly outlet: Outlet
  /** Called once, with whether the slot may serve another request. */
  readonly done: (clean: boolean) => void
}

export interface TurnsOptions {
  /** After these methods the server holds something of its client, and the slot is thrown away. */
  readonly stateful: ReadonlySet<string>
  /** The revisions before 2026-07-28 answer an unknown method in band. */
  readonly unknownMethodStatus: 200 | 404
}

/**
 * One turn at a time. An answer to anything but the current request is dropped and spoils the
 * slot: it can only be the echo of an earlier caller (CVE-2026-25536 was one such).
 */
export class Turns {
  readonly #options: TurnsOptions
  #turn: Turn | undefined

  constructor (options: TurnsOptions) {
    this.#options = options
  }

  get exchange (): Exchange | undefined {
    return this.#turn?.exchange
  }

  begin (turn: Turn): void {
    if (this.#turn !== undefined) throw new Error('a slot serves one request at a time')
    this.#turn = turn
    // A handler that lost its race is answered by the SDK within a few microtasks. What the SDK
    // itself holds back is answered here.
    turn.exchange.onAbort(() => {
      setImmediate(() => {
        if (this.#turn === turn) this.#refuse(turn, turn.exchange.refusal ?? new InternalError())
      })
    })
  }

  /** Takes what the server sends. */
  settle (message: RpcMessage): void {
    const turn = this.#turn
    if (turn === undefined) return
    const { request, exchange, outlet } = turn
    if ('method' in message || message.id !== request.id) {
      this.#refuse(turn, exchange.refuse(new Error('the server of a slot answered another request')))
      return
    }
    const clean = !exchange.ended && !this.#options.stateful.has(request.method)
    if ('error' in message && exchange.refusal === undefined) {
      // The SDK's own words stay inside. A code that we know is an ordinary no; another spoils the slot.
      const refusal = exchange.refuse(fromRpcCode(message.error.code, `refused by the SDK: ${message.error.message}`))
      this.#refuse(turn, refusal, clean && refusal.code !== InternalError.code)
      return
    }
    const text = answerText(message, exchange, request.id)
    exchange.end()
    outlet.answer(text, this.#status(exchange.refusal), exchange.refusal?.headers)
    this.#finish(clean)
  }

  /** Ends the turn without an answer: the server is gone. */
  drop (): void {
    const turn = this.#turn
    if (turn !== undefined) this.#refuse(turn, turn.exchange.refusal ?? new InternalError())
  }

  #refuse ({ request, exchange, outlet }: Turn, refusal: Refusal, clean = false): void {
    exchange.end()
    outlet.answer(refusalText(refusal, exchange, request.id), this.#status(refusal), refusal.headers)
    this.#finish(clean)
  }

  #status (refusal: Refusal | undefined): number {
    return refusal?.code === UnknownMethodError.code ? this.#options.unknownMethodStatus : refusal?.statusCode ?? 200
  }

  #finish (clean: boolean): void {
    const done = this.#turn?.done
    this.#turn = undefined
    done?.(clean)
  }
}
