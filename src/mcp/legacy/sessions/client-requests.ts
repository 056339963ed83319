/** What the handlers of a session ask their client, and the answers, which come by requests of their own. */
import { PublicToolError, type Refusal } from '../../../errors.js'
import { isRecord } from '../../../lib/guards.js'
import { capabilityOf, lackOf } from '../../exchange/client-capabilities.js'
import type { Ask, Exchange } from '../../exchange/exchange.js'
import { type Rights, areHeld, rightsOf } from './rights.js'

interface Question {
  readonly rights: Rights
  readonly answer: (response: Record<string, unknown>) => void
}

/** The instance that asked: an answer that comes to another one is passed on to it. */
export function instanceOf (questionId: string): string {
  return questionId.slice(0, questionId.lastIndexOf('.'))
}

export class ClientRequests {
  readonly #instance: string
  readonly #capabilities: Readonly<Record<string, unknown>>
  readonly #open = new Map<string, Question>()
  #count = 0
  #isEnding = false

  constructor (instance: string, capabilities: Readonly<Record<string, unknown>>) {
    this.#instance = instance
    this.#capabilities = capabilities
  }

  /** `say`: sends a message on the stream of the call. A question is called off where its call ends before the answer. */
  asker (exchange: Exchange, say: (message: string) => void): Ask {
    return (method, params) => {
      const capability = this.#capabilities[capabilityOf[method]]
      if (this.#isEnding || lackOf(capability, method, params) !== undefined) {
        return Promise.reject(new PublicToolError('This caller cannot be asked here'))
      }
      // First of all: what JSON cannot hold is the handler's to know.
      const id = `${this.#instance}.${++this.#count}`
      const text = JSON.stringify({ jsonrpc: '2.0', id, method, params })
      return new Promise((resolve, reject) => {
        const { askingSignal } = exchange
        const callOff = (): void => {
          if (!this.#open.delete(id)) return
          say(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id, reason: 'The call has ended' } }))
          reject(exchange.refusal ?? new PublicToolError('The call has ended'))
        }
        this.#open.set(id, {
          rights: rightsOf(exchange.caller.principal),
          answer: response => {
            askingSignal.removeEventListener('abort', callOff)
            if (isRecord(response.result)) resolve(response.result)
            else reject(new PublicToolError('The caller refused'))
          }
        })
        exchange.speak()
        if (askingSignal.aborted) {
          this.#open.delete(id)
          reject(exchange.refusal ?? new PublicToolError('The call has ended'))
          return
        }
        askingSignal.addEventListener('abort', callOff, { once: true })
        say(text)
      })
    }
  }

  /** `refused`: it was given with fewer rights than the call has that asked. `unknown`: nothing waits for it. */
  take (id: string, response: Record<string, unknown>, rights: Rights): 'taken' | 'refused' | 'unknown' {
    const question = this.#open.get(id)
    if (question === undefined) return 'unknown'
    if (!areHeld(question.rights, rights)) return 'refused'
    this.#open.delete(id)
    question.answer(response)
    return 'taken'
  }

  /** No answer comes any more: what waits for one ends, and nothing is asked from now on. */
  quiesce (exchanges: Iterable<Exchange>, refusal: () => Refusal): void {
    this.#isEnding = true
    for (const exchange of exchanges) if (exchange.isAsking) exchange.abort(refusal())
  }
}
