/** Represents a request to the endpoint, with its caller. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { callerOf } from './request-caller.js'
import { type Refusal, UnauthenticatedError } from '../../errors.js'
import type { EraName, McpRequest } from '../../mcp/era.js'
import { Exchange } from '../../mcp/exchange/exchange.js'
import type { ExchangeParts } from '../../mcp/exchange/shared.js'
import type { Caller } from '../../mcp/exchange/caller.js'
import { clientOf, fieldsOf, type MessageFields } from '../../mcp/wire/log-fields.js'
import { kindOf, type RpcNotification } from '../../mcp/wire/messages.js'
import type { Principal } from '../../principal/principal.js'
import type { Budget } from '../../tools/call-context.js'
import type { CallLogger, CallRequest } from '../../tools/app-context.js'
import { clientIn, headersWithoutCredentials } from './call-request.js'
import { ipOf } from './client-address.js'

/** The loggable facts about a call. Contains no arguments and no results. */
export interface LoggedCall {
  /** The era that serves it; `undefined` until that is known. */
  readonly era: EraName | undefined
  readonly fields: MessageFields
  /** The client's self-reported name and version. */
  readonly client: string | undefined
  /**
   * `ok`, `tool-error` or the code of a refusal; for a batch, the first that is not `ok`. `undefined` until
   * there is an answer. A request that was refused as a whole has its code in `request.refusal`.
   */
  readonly outcome: string | undefined
}

/** The objects that all calls of an endpoint share. */
export interface RequestParts extends ExchangeParts {
  readonly fastify: FastifyInstance
  readonly overFor: (principal: Principal, address?: string) => Refusal | undefined
  readonly requestTimeoutMs: number
}

const none: Exchange[] = []

export class FastifyMcpRequest implements McpRequest, Caller, LoggedCall {
  readonly principal: Principal
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #place: RequestParts
  #exchanges: Exchange[] = none
  #span: Exchange['span']
  #era: EraName | undefined
  #callRequest: CallRequest | undefined
  #sessionClient: CallRequest['client']
  /** The facts that the log needs after the body is released. */
  #fields: MessageFields | undefined
  #client: string | undefined

  /** Throws if no plugin set a principal on the request: an endpoint without authentication is closed. */
  constructor (request: FastifyRequest, reply: FastifyReply, place: RequestParts) {
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
  /** One exchange per JSON-RPC request, in order. */
  get exchanges (): readonly Exchange[] { return this.#exchanges }

  /** The span of a notification, which has no exchange. */
  get span (): Exchange['span'] { return this.#span }

  /** Starts the span of the message if it is a notification. That of a request belongs to its exchange. */
  traceNotification (): void {
    const { tracing } = this.#place
    if (tracing === undefined || kindOf(this.body) !== 'notification') return
    const { method, params = {} } = this.body as RpcNotification
    this.#span = tracing.begin({ method, params, id: undefined, caller: this })
  }

  get logger (): CallLogger { return this.#request.log }

  /** Created when a handler reads it. */
  get request (): CallRequest {
    const { headers, body } = this.#request
    const sessionId = headers['mcp-session-id']
    this.#callRequest ??= Object.freeze({
      address: this.address,
      headers: headersWithoutCredentials(headers),
      sessionId: typeof sessionId === 'string' && this.#sessionClient !== undefined ? sessionId : undefined,
      client: this.#sessionClient ?? clientIn(body),
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

  /** Releases the body once there is an answer, because the caller may read the answer slowly. */
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
    // Not `hasDecorator`, which takes as long as everything else here.
    const { budgetOf } = this.#place.fastify as Partial<FastifyInstance>
    return budgetOf === undefined ? Promise.resolve(null) : budgetOf(this.#request)
  }

  async charge (cost: number): Promise<void> {
    const { fastify } = this.#place
    if (fastify.hasDecorator('chargePrincipal')) await fastify.chargePrincipal(this.#request, this.#reply, cost)
  }

  onGone (listener: () => void): void {
    const { raw } = this.#reply
    // A caller may disconnect while its request is checked. The event is not emitted again.
    if (raw.destroyed) listener()
    else raw.on('close', () => { if (!raw.writableFinished) listener() })
  }
}
