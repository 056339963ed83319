/** A request to the endpoint as the bridge sees it, with its caller. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { callerOf } from './request-caller.js'
import { type Refusal, UnauthenticatedError } from '../../errors.js'
import type { EraName, McpRequest } from '../../mcp/era.js'
import { Exchange } from '../../mcp/exchange/exchange.js'
import type { Shared } from '../../mcp/exchange/shared.js'
import type { Caller } from '../../mcp/exchange/caller.js'
import { clientOf, fieldsOf, type MessageFields } from '../../mcp/wire/log-fields.js'
import type { Principal } from '../../principal/principal.js'
import type { Budget } from '../../tools/call-context.js'
import type { CallLogger, CallRequest } from '../../tools/app-context.js'
import { clientInfoOf, headersWithoutCredentials } from './call-request.js'
import { ipOf } from './client-address.js'

/** What a log may say of a call. No arguments, and nothing of a result. */
export interface LoggedCall {
  /** Which era serves it; `undefined` before that is known. */
  readonly era: EraName | undefined
  readonly fields: MessageFields
  /** The name and version that the client gives itself. */
  readonly client: string | undefined
  /**
   * `ok`, `tool-error` or the code of a refusal; of a batch the first that is not `ok`. `undefined` while
   * there is no answer. A request refused as a whole has its code in `request.refusal`.
   */
  readonly outcome: string | undefined
}

/** What every call of an endpoint shares. */
export interface Place extends Shared {
  readonly fastify: FastifyInstance
  readonly overFor: (principal: Principal, address?: string) => Refusal | undefined
  readonly requestTimeoutMs: number
}

const none: Exchange[] = []

export class Call implements McpRequest, Caller, LoggedCall {
  readonly principal: Principal
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #place: Place
  #exchanges: Exchange[] = none
  #era: EraName | undefined
  #callRequest: CallRequest | undefined
  #sessionClient: CallRequest['client']
  /** What the log needs of a body that was let go. */
  #fields: MessageFields | undefined
  #client: string | undefined

  /** Throws where no plugin put a principal on the request: an endpoint without one is closed. */
  constructor (request: FastifyRequest, reply: FastifyReply, place: Place) {
    const principal = callerOf(request)
    if (principal === null) throw new UnauthenticatedError({ reason: 'no plugin authenticated this request' })
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
  get era (): EraName | undefined { return this.#era }
  /** One for each request of JSON-RPC in it, in their order. */
  get exchanges (): readonly Exchange[] { return this.#exchanges }

  get logger (): CallLogger { return this.#request.log }

  /** Made when a handler asks for it. */
  get request (): CallRequest {
    const { headers, body } = this.#request
    const sessionId = headers['mcp-session-id']
    this.#callRequest ??= Object.freeze({
      address: this.address,
      headers: headersWithoutCredentials(headers),
      sessionId: typeof sessionId === 'string' && this.#sessionClient !== undefined ? sessionId : undefined,
      client: this.#sessionClient ?? clientInfoOf(body),
      era: this.#era
    })
    return this.#callRequest
  }

  sentBy ({ name, version }: NonNullable<CallRequest['client']>): void {
    this.#sessionClient = Object.freeze({ name, version })
  }

  servedBy (era: EraName): void {
    this.#era = era
  }

  open (): Exchange {
    const exchange = new Exchange(this, this.#place.requestTimeoutMs, this.#place)
    // Nearly always one, for which `push` would make room for 16 more.
    if (this.#exchanges.length === 0) this.#exchanges = [exchange]
    else this.#exchanges.push(exchange)
    return exchange
  }

  get fields (): MessageFields { return this.#fields ?? fieldsOf(this.#request.body) }
  get client (): string | undefined { return this.#fields === undefined ? clientOf(this.#request.body) : this.#client }

  /** Lets go of the body, which nobody needs once there is an answer: the caller may take its time to read that. */
  release (): void {
    this.#client = this.client
    this.#fields = this.fields
    this.#request.body = undefined
  }

  get outcome (): string | undefined {
    const [first, ...others] = this.#exchanges
    if (first === undefined) return 'ok'
    if (first.outcome !== 'ok') return first.outcome
    return others.find(({ outcome }) => outcome !== 'ok')?.outcome ?? 'ok'
  }

  over (): Refusal | undefined {
    return this.#place.overFor(this.principal, this.address)
  }

  budget (): Promise<Budget | null> {
    // Not by `hasDecorator`, which takes as long as the rest.
    const { budgetOf } = this.#place.fastify as Partial<FastifyInstance>
    return budgetOf === undefined ? Promise.resolve(null) : budgetOf(this.#request)
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
