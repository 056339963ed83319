/** Questions to the client of a session, and their answers, which arrive in separate requests. */
import { PublicToolError, type Refusal } from '../../../errors.js'
import type { Eventually } from '../../../lib/eventually.js'
import { isRecord } from '../../../lib/guards.js'
import { capabilityOf, lackOf } from '../../exchange/client-capabilities.js'
import type { Exchange } from '../../exchange/exchange.js'
import type { AskClient } from '../../exchange/caller.js'
import { askLimitMs } from '../../exchange/handler-context.js'
import { type Rights, areHeld, rightsOf } from './rights.js'

interface OpenQuestion {
  readonly rights: Rights
  readonly answer: (response: Record<string, unknown>) => void
}

/** The instance that asked: answers that arrive elsewhere are passed on to it. */
export function instanceOf (questionId: string): string {
  return questionId.slice(0, questionId.lastIndexOf('.'))
}

/** Where other instances find the questions of this one. */
export interface QuestionBoard {
  readonly ask: (question: string, needed: Rights, ttlMs: number) => Eventually<void>
  readonly answered: (question: string) => void
}

export class ClientRequests {
  readonly #instance: string
  readonly #capabilities: Readonly<Record<string, unknown>>
  readonly #board: QuestionBoard | undefined
  readonly #open = new Map<string, OpenQuestion>()
  #count = 0
  #isEnding = false

  /** `board`: missing if every answer arrives at this instance. */
  constructor (
    instance: string,
    capabilities: Readonly<Record<string, unknown>>,
    board: QuestionBoard | undefined
  ) {
    this.#instance = instance
    this.#capabilities = capabilities
    this.#board = board
  }

  /**
   * `say`: sends a message on the stream of the call. If the call ends before the answer, the question is
   * cancelled.
   */
  asker (exchange: Exchange, say: (message: string) => void): AskClient {
    return async (method, params) => {
      const capability = this.#capabilities[capabilityOf[method]]
      if (this.#isEnding || lackOf(capability, method, params) !== undefined) {
        throw new PublicToolError('This caller cannot be asked here')
      }
      const id = `${this.#instance}.${++this.#count}`
      // First, so that an invalid value rejects in the handler.
      const text = JSON.stringify({ jsonrpc: '2.0', id, method, params })
      const rights = rightsOf(exchange.caller.principal)
      const answer = this.#wait(id, rights, exchange, say)
      // The call may end before the promise is awaited.
      answer.catch(() => {})
      // If the store fails, an answer that arrives at this instance is still accepted.
      const told = this.#board?.ask(id, rights, askLimitMs)
      if (told !== undefined) await told.catch(() => {})
      exchange.speak()
      if (this.#open.has(id)) say(text)
      return await answer
    }
  }

  #wait (
    id: string,
    rights: Rights,
    exchange: Exchange,
    say: (message: string) => void
  ): Promise<Record<string, unknown>> {
    const { askingSignal } = exchange
    const ended = (): Error => exchange.refusal ?? new PublicToolError('The call has ended')
    if (askingSignal.aborted) return Promise.reject(ended())
    return new Promise((resolve, reject) => {
      const callOff = (): void => {
        if (!this.#close(id)) return
        say(
          JSON.stringify({
            jsonrpc: '2.0',
            method: 'notifications/cancelled',
            params: { requestId: id, reason: 'The call has ended' }
          })
        )
        reject(ended())
      }
      askingSignal.addEventListener('abort', callOff, { once: true })
      this.#open.set(id, {
        rights,
        answer: response => {
          askingSignal.removeEventListener('abort', callOff)
          if (isRecord(response.result)) resolve(response.result)
          else reject(new PublicToolError('The caller refused'))
        }
      })
    })
  }

  #close (id: string): boolean {
    if (!this.#open.delete(id)) return false
    this.#board?.answered(id)
    return true
  }

  /** `refused`: the answer came with fewer rights than its call has. `unknown`: no question waits for it. */
  take (id: string, response: Record<string, unknown>, rights: Rights): 'taken' | 'refused' | 'unknown' {
    const question = this.#open.get(id)
    if (question === undefined) return 'unknown'
    if (!areHeld(question.rights, rights)) return 'refused'
    this.#close(id)
    question.answer(response)
    return 'taken'
  }

  /** No more answers can arrive: rejects all open questions, and refuses new ones. */
  quiesce (exchanges: Iterable<Exchange>, refusal: () => Refusal): void {
    this.#isEnding = true
    for (const exchange of exchanges) if (exchange.isAsking) exchange.abort(refusal())
  }
}
