/** A request to the endpoint as the bridge sees it, with its caller. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ipOf } from './client-address.js'
import { type Refusal, UnauthenticatedError } from '../errors.js'
import type { Deadlines } from '../mcp/exchange/deadlines.js'
import type { Incoming } from '../mcp/era.js'
import { type Caller, Exchange, type Log } from '../mcp/exchange/exchange.js'
import { fieldsOf, type MessageFields } from '../mcp/wire/log-fields.js'
import type { Principal } from '../principal/principal.js'
import type { Budget } from '../tools/tool.js'

/** What a log may say of a call. No arguments, and nothing of a result. */
export interface LoggedCall {
  readonly fields: MessageFields
  /** `ok`, `tool-error` or the code of a refusal; of a batch the first that is not `ok`. `undefined` while there is no answer. A request refused as a whole has its code in `request.refusal`. */
  readonly outcome: string | undefined
}

/** What every call of an endpoint shares. */
export interface Place {
  readonly fastify: FastifyInstance
  readonly overFor: (principal: Principal, address?: string) => Refusal | undefined
  readonly requestTimeoutMs: number
  readonly deadlines: Deadlines
}

export class Call implements Incoming, Caller, LoggedCall {
  readonly principal: Principal
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #place: Place
  #exchange: Exchange | undefined
  /** The others of a batch. */
  #more: Exchange[] | undefined

  /** Throws where no plugin put a principal on the request: an endpoint without one is closed. */
  constructor (request: FastifyRequest, reply: FastifyReply, place: Place) {
    const { principal } = request
    if (!principal) throw new UnauthenticatedError({ reason: 'no plugin authenticated this request' })
    this.principal = principal
    this.#request = request
    this.#reply = reply
    this.#place = place
  }

  get method (): string { return this.#request.method }
  get headers (): FastifyRequest['headers'] { return this.#request.headers }
  get body (): unknown { return this.#request.body }
  get address (): string { return ipOf(this.#request) }
  get requestId (): string { return this.#request.id }
  get log (): Log { return this.#request.log }

  open (): Exchange {
    const exchange = new Exchange(this, this.#place.requestTimeoutMs, this.#place.deadlines)
    if (this.#exchange === undefined) this.#exchange = exchange
    else (this.#more ??= []).push(exchange)
    return exchange
  }

  get fields (): MessageFields { return fieldsOf(this.#request.body) }

  get outcome (): string | undefined {
    const first = this.#exchange === undefined ? 'ok' : this.#exchange.outcome
    return first !== 'ok' || this.#more === undefined ? first : this.#more.find(({ outcome }) => outcome !== 'ok')?.outcome ?? first
  }

  over (): Refusal | undefined {
    return this.#place.overFor(this.principal, this.address)
  }

  budget (): Promise<Budget | null> {
    const { fastify } = this.#place
    return fastify.hasDecorator('budgetOf') ? fastify.budgetOf(this.#request) : Promise.resolve(null)
  }

  async charge (cost: number): Promise<void> {
    const { fastify } = this.#place
    if (fastify.hasDecorator('chargePrincipal')) await fastify.chargePrincipal(this.#request, this.#reply, cost)
  }

  onGone (listener: () => void): void {
    const { raw } = this.#reply
    // A caller may leave while its request is judged: nothing tells of that a second time.
    if (raw.destroyed) listener()
    else raw.on('close', () => { if (!raw.writableFinished) listener() })
  }
}
