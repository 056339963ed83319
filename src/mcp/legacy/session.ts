/** One session of the 2025 revisions: a server of the SDK for one client, over the SDK's own transport. */
import { randomUUID } from 'node:crypto'
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { type JSONRPCMessage, type ServerNotification, SetLevelRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { CancelledError, InternalError, InvalidParamsError, InvalidRequestError, NotAcceptableError, type RefusalClass, SessionNotFoundError, StreamConflictError, fromRpcCode, rpcRefusal } from '../../errors.js'
import { holdsScope } from '../../principal/policy.js'
import type { Principal } from '../../principal/principal.js'
import type { Catalog } from '../catalog.js'
import { notificationOf } from '../changes.js'
import { type Incoming, WireError, takesStream } from '../era.js'
import type { Exchange } from '../exchange.js'
import { type RequestId, kindOf, severity } from '../messages.js'
import { type EventStream, type Reply, streamHeaders } from '../outlet.js'
import type { Streams } from '../streams.js'
import { SessionEvents } from './event-store.js'
import { createServer } from './server.js'
import { SessionTransport, requestsIn, webRequest, withoutOwnCancels } from './session-transport.js'
import { type Extra, askOver, notifyOver } from './speaking.js'

export interface SessionOptions {
  readonly catalog: Catalog
  readonly streams: Streams
  readonly principal: Principal
  /** Told to clients in each stream: when to come back to one that was closed on them. */
  readonly retryMs: number
  readonly onClose: (session: Session) => void
}

/** The only revision with batches (MCP 2025-03-26, Base Protocol). */
export const batchRevision = '2025-03-26'
const maxSubscriptions = 100

/** The refusal for what the SDK's transport refuses, by status; its words stay inside. */
const refusedBy: Readonly<Record<number, RefusalClass>> = {
  400: InvalidRequestError, 404: SessionNotFoundError, 406: NotAcceptableError, 409: StreamConflictError
}

export class Session {
  readonly id = randomUUID()
  /** As of the last request: rights may have changed since the first. */
  principal: Principal
  readonly #catalog: Catalog
  readonly #streams: Streams
  readonly #events = new SessionEvents()
  readonly #transport: SessionTransport
  readonly #server: Server
  readonly #onClose: (session: Session) => void
  readonly #exchanges = new Map<RequestId, Exchange>()
  readonly #subscriptions = new Set<string>()
  readonly #unsubscribe: () => void
  readonly #openedAt = performance.now()
  #usedAt = this.#openedAt
  #openStreams = 0
  #level = 0
  #hasServedAdmin = false
  readonly #servedScopes = new Set<string>()
  /** Agreed at the start. */
  #revision: string | undefined

  private constructor ({ catalog, streams, principal, retryMs, onClose }: SessionOptions) {
    this.principal = principal
    this.touch(principal)
    this.#catalog = catalog
    this.#streams = streams
    this.#onClose = onClose
    this.#transport = new SessionTransport(this.id, retryMs, this.#events, message => this.#leaving(message))
    this.#server = createServer(catalog, true)
    this.#server.fallbackRequestHandler = async ({ method, params = {} }, extra) => await this.#dispatch(method, params, extra)
    this.#server.setRequestHandler(SetLevelRequestSchema, ({ params }) => {
      this.#level = severity(params.level)
      return {}
    })
    this.#unsubscribe = catalog.changes.subscribe(change => {
      if (change.kind === 'resource' && !(this.#subscriptions.has(change.uri) && catalog.resources.mayRead(this.principal, change.uri))) return
      this.#server.notification(notificationOf(change) as ServerNotification).catch(() => {})
    })
  }

  static async open (options: SessionOptions): Promise<Session> {
    const session = new Session(options)
    session.#server.onclose = () => { session.#closed() }
    await session.#server.connect(session.#transport)
    return session
  }

  /** Milliseconds since the last request; 0 while a stream is open. */
  get idleMs (): number {
    return this.#openStreams > 0 ? 0 : performance.now() - this.#usedAt
  }

  get ageMs (): number {
    return performance.now() - this.#openedAt
  }

  touch (principal: Principal): void {
    this.principal = principal
    this.#usedAt = performance.now()
    if (principal.role === 'admin') this.#hasServedAdmin = true
    for (const scope of principal.scopes) this.#servedScopes.add(scope)
  }

  /**
   * True where `principal` has all the rights that the session was ever used with. What was sent
   * under more, such as a token that an admin minted, is not for the same subject with less.
   */
  #mayReplay ({ role, scopes }: Principal): boolean {
    return (role === 'admin' || !this.#hasServedAdmin) && [...this.#servedScopes].every(scope => holdsScope(scopes, scope))
  }

  async serve (incoming: Incoming): Promise<Reply> {
    if (incoming.headers['last-event-id'] !== undefined && !this.#mayReplay(incoming.principal)) throw new SessionNotFoundError({ reason: 'a replay of what was sent under more rights' })
    if (incoming.method === 'POST') await this.#admit(incoming)
    else if (incoming.method === 'GET' && !takesStream(incoming)) throw new NotAcceptableError({ reason: 'a GET that takes no event stream' })
    // Counted before the SDK opens it, so that one too many leaves nothing behind.
    const standing = incoming.method === 'GET' ? this.#streams.open(incoming.principal) : undefined
    const response = await this.#transport.handleRequest(webRequest(incoming, this.#revision), { parsedBody: withoutOwnCancels(incoming.body) })
    if (response.status >= 400) {
      standing?.end()
      standing?.readable.destroy()
      for (const request of requestsIn(incoming.body)) this.#forget(request.id)
      const Refused = refusedBy[response.status] ?? InternalError
      throw new Refused({ reason: `refused by the SDK: ${await response.text()}` })
    }
    standing?.begin()
    return this.#reply(response, () => standing ?? this.#streams.adopt(incoming.principal))
  }

  async close (): Promise<void> {
    await this.#server.close()
  }

  /** Opens an exchange for each request of the body, before the SDK sees any. */
  async #admit (incoming: Incoming): Promise<void> {
    const { body } = incoming
    if (!takesStream(incoming)) throw new NotAcceptableError({ reason: 'a session answers by event streams' })
    const messages: unknown[] = Array.isArray(body) ? body : [body]
    if (messages.some(message => kindOf(message) === 'invalid')) throw new InvalidRequestError({ reason: 'not a JSON-RPC message' })
    if (Array.isArray(body) && this.#revision !== batchRevision) throw new InvalidRequestError({ reason: `a batch in a session of revision ${this.#revision ?? 'none'}` })
    if (messages.length > 1) await incoming.charge(messages.length - 1)
    const requests = requestsIn(body)
    const ids = new Set(requests.map(({ id }) => id))
    // The SDK would answer only one of two with the same id. Nothing is awaited from here on.
    if (ids.size < requests.length || requests.some(({ id }) => this.#exchanges.has(id))) throw new InvalidRequestError({ reason: 'an id that is in flight already' })
    for (const { id } of requests) this.#watch(id, incoming.open())
  }

  /** Answers in the SDK's place where it does not: what it holds back would keep its id, and its stream, for ever. */
  #watch (id: RequestId, exchange: Exchange): void {
    this.#exchanges.set(id, exchange)
    exchange.onAbort(refusal => {
      // A handler that lost its race is answered by the SDK within a few microtasks.
      setImmediate(() => {
        if (this.#exchanges.get(id) !== exchange) return
        this.#forget(id)
        this.#transport.send(rpcRefusal(refusal, exchange.caller.requestId, id) as JSONRPCMessage).catch(() => {})
      })
    })
  }

  async #dispatch (method: string, params: Record<string, unknown>, extra: Extra): Promise<Record<string, unknown>> {
    const exchange = this.#exchanges.get(extra.requestId)
    if (exchange === undefined) throw new Error('a request outside an exchange')
    exchange.notify = notifyOver(extra, level => severity(level) >= this.#level)
    exchange.ask = askOver(extra, this.#server)
    exchange.closeStream = extra.closeSSEStream
    extra.signal.addEventListener('abort', () => { this.#cancelled(extra.requestId, exchange) }, { once: true })
    try {
      if (method === 'resources/subscribe' || method === 'resources/unsubscribe') return this.#subscribe(method, params.uri)
      return await this.#catalog.dispatch(method, params, exchange, 'draft-7')
    } catch (error) {
      throw new WireError(exchange.refuse(error), exchange.caller.requestId)
    }
  }

  /** Looks at a message on its way out. Throws where it is none that JSON can hold, unless it is an answer. */
  #leaving (message: JSONRPCMessage): JSONRPCMessage {
    const exchange = 'method' in message || message.id === undefined ? undefined : this.#exchanges.get(message.id)
    if ('method' in message || message.id === undefined || exchange === undefined) {
      this.#events.weigh(message)
      return message
    }
    this.#forget(message.id)
    // The first result is that of `initialize`.
    if ('result' in message && typeof message.result.protocolVersion === 'string') this.#revision ??= message.result.protocolVersion
    const answer = this.#checked(message, message.id, exchange)
    return answer
  }

  /** An error that the SDK made has words of its own, which stay inside; a result that can not be written is a fault of its tool. */
  #checked (message: JSONRPCMessage, id: RequestId, exchange: Exchange): JSONRPCMessage {
    const refused = (error: unknown): JSONRPCMessage => {
      const refusal = rpcRefusal(exchange.refuse(error), exchange.caller.requestId, id) as JSONRPCMessage
      this.#events.weigh(refusal)
      return refusal
    }
    if ('error' in message && exchange.refusal === undefined) return refused(fromRpcCode(message.error.code, `refused by the SDK: ${message.error.message}`))
    try {
      this.#events.weigh(message)
      return message
    } catch (error) {
      return refused(error)
    }
  }

  /** The SDK never answers a cancelled request, and would keep its stream open for ever. */
  #cancelled (id: RequestId, exchange: Exchange): void {
    exchange.abort(new CancelledError({ reason: 'cancelled by the caller' }))
    this.#forget(id)
    this.#transport.closeSSEStream(id)
    const cancelled = { jsonrpc: '2.0' as const, id, error: { code: InternalError.rpcCode, message: 'Cancelled' } }
    this.#transport.send(cancelled).catch(() => {})
  }

  #subscribe (method: string, uri: unknown): Record<string, unknown> {
    if (typeof uri !== 'string') throw new InvalidParamsError({ reason: 'a subscription needs a uri' })
    if (method === 'resources/unsubscribe') {
      this.#subscriptions.delete(uri)
      return {}
    }
    this.#catalog.resources.reach(uri, this.principal)
    if (this.#subscriptions.size >= maxSubscriptions) throw new InvalidParamsError({ reason: 'too many subscriptions', data: { limit: maxSubscriptions } })
    this.#subscriptions.add(uri)
    return {}
  }

  #reply ({ status, headers, body }: Response, open: () => EventStream): Reply {
    const sessionId = headers.get('mcp-session-id')
    const own = sessionId === null ? {} : { 'mcp-session-id': sessionId }
    if (body === null) return { status, headers: own }
    const stream = open()
    this.#openStreams += 1
    stream.readable.once('close', () => {
      this.#openStreams -= 1
      this.#usedAt = performance.now()
    })
    pump(body, stream).catch(() => { stream.readable.destroy() })
    return { status, headers: { ...streamHeaders, ...own }, stream: stream.readable }
  }

  #forget (id: RequestId): void {
    this.#exchanges.get(id)?.end()
    this.#exchanges.delete(id)
  }

  #closed (): void {
    this.#unsubscribe()
    for (const exchange of this.#exchanges.values()) exchange.abort(new CancelledError({ reason: 'the session ended' }))
    this.#exchanges.clear()
    this.#onClose(this)
  }
}

async function pump (body: ReadableStream<Uint8Array>, stream: EventStream): Promise<void> {
  const reader = body.getReader()
  stream.readable.once('close', () => { reader.cancel().catch(() => {}) })
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    stream.pass(value)
  }
  stream.end()
}
