/** One session of the 2025 revisions: a server of the SDK for one client, over the SDK's own transport. */
import { randomUUID } from 'node:crypto'
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { type JSONRPCMessage, type ServerNotification, SetLevelRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { CancelledError, EventForgottenError, InternalError, InvalidRequestError, NotAcceptableError, SessionNotFoundError, UnavailableError, fromRpcCode, rpcRefusal } from '../../errors.js'
import type { Principal } from '../../principal/principal.js'
import type { Catalog } from '../catalog/catalog.js'
import { notificationOf } from '../catalog/changes.js'
import type { Incoming } from '../era.js'
import { WireError } from '../slots/answer-text.js'
import { takesStream } from '../wire/accept.js'
import { type RequestId, type RpcMessage, kindOf, severity } from '../wire/messages.js'
import { type EventStream, streamHeaders } from '../wire/event-stream.js'
import type { Reply } from '../wire/reply.js'
import type { Streams } from '../streams/streams.js'
import { type Call, Calls, Post } from './open-calls.js'
import { SessionEvents, type StreamLog } from './event-store.js'
import { createServer } from './sdk-server.js'
import { SessionTransport, forSdk, pump, refused, requestsIn, webRequest } from './session-transport.js'
import { ServedRights } from './session-rights.js'
import { type Extra, askOver, notifyOver } from './client-requests.js'
import { Subscriptions } from './subscriptions.js'

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
/** Streams begin with an event, so that they can be resumed from there (MCP 2025-11-25, Transports, Resumability). */
const primedSince = '2025-11-25'

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
  readonly #calls = new Calls()
  readonly #subscriptions: Subscriptions
  readonly #unsubscribe: () => void
  readonly #openedAt = performance.now()
  #usedAt = this.#openedAt
  #openStreams = 0
  #level = 0
  #mayAsk = true
  /** Whose the standing stream is: rights may have changed since it was opened. */
  #hearer: Principal | undefined
  #standing: EventStream | undefined
  /** Who made the call that a question belongs to, by the id of the question. */
  readonly #askers = new Map<RequestId, Principal>()
  readonly #servedRights = new ServedRights()
  /** Agreed at the start. */
  #revision: string | undefined

  private constructor ({ catalog, streams, principal, retryMs, onClose }: SessionOptions) {
    this.principal = principal
    this.#servedRights.add(principal)
    this.#catalog = catalog
    this.#subscriptions = new Subscriptions(catalog)
    this.#streams = streams
    this.#onClose = onClose
    this.#transport = new SessionTransport(this.id, retryMs, this.#events, (message, about) => this.#leaving(message, about))
    this.#server = createServer(catalog, true)
    this.#server.fallbackRequestHandler = async ({ method, params = {} }, extra) => await this.#dispatch(method, params, extra)
    this.#server.setRequestHandler(SetLevelRequestSchema, ({ params }) => {
      this.#level = severity(params.level)
      return {}
    })
    this.#unsubscribe = catalog.changes.subscribe(change => {
      if (!this.#subscriptions.concern(change, this.#hearer ?? this.principal)) return
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

  /** Throws where `principal` lacks a right that the session was used with: it would end what others of the same subject began. */
  #checkRights (principal: Principal): void {
    if (!this.#servedRights.areHeldBy(principal)) throw new SessionNotFoundError({ reason: 'the session was used with more rights' })
  }

  touch (principal: Principal): void {
    this.principal = principal
    this.#usedAt = performance.now()
    this.#servedRights.add(principal)
  }

  async serve (incoming: Incoming): Promise<Reply> {
    const { method, principal } = incoming
    if (method === 'DELETE') {
      this.#checkRights(principal)
      await this.#endCalls()
    } else {
      this.touch(principal)
    }
    if (method === 'GET') return await this.#listen(incoming)
    const post = new Post()
    if (method === 'POST') await this.#admit(incoming, post)
    const request = webRequest(incoming, this.#revision)
    const response = await this.#events.opening(post, async () => await this.#transport.handleRequest(request, { parsedBody: forSdk(incoming.body) }))
    if (response.status >= 400) {
      for (const { id } of requestsIn(incoming.body)) this.#calls.end(id)
      throw await refused(response)
    }
    const { status, body } = response
    if (body === null) return { status }
    const stream = this.#streams.adopt(incoming)
    // Later ones begin with an event of the SDK's.
    if ((this.#revision ?? '') < primedSince) stream.begin()
    // Its handlers may have left it already.
    return this.#stream(stream, { post }, 0, async () => { await pump(body, stream) })
  }

  /** The standing stream, or the rest of one that was closed. */
  async #listen (incoming: Incoming): Promise<Reply> {
    const { headers: { 'last-event-id': lastId }, principal } = incoming
    if (!takesStream(incoming.headers.accept)) throw new NotAcceptableError({ reason: 'a GET that takes no event stream' })
    const log = typeof lastId !== 'string' || lastId === '' ? undefined : this.#logFor(lastId, principal)
    // Counted before the SDK opens it, so that one too many leaves nothing behind.
    const isStanding = log === undefined || log.isStanding
    // The newer one takes over: the path of the older may be dead, which nobody would tell us.
    if (isStanding && this.#standing !== undefined) {
      this.#streams.retire(this.#standing)
      this.#transport.closeStandaloneSSEStream()
    }
    const stream = isStanding ? this.#streams.open(incoming) : this.#streams.resume(incoming)
    const response = log?.isOver === true ? undefined : await this.#transport.handleRequest(webRequest(incoming, this.#revision))
    if (response !== undefined && response.status >= 400) {
      stream.end()
      stream.readable.destroy()
      throw await refused(response)
    }
    stream.begin()
    if (isStanding) {
      this.#hearer = principal
      this.#standing = stream
      stream.readable.once('close', () => {
        if (this.#standing !== stream) return
        this.#standing = undefined
        this.#hearer = undefined
      })
    }
    const body = response?.body
    const timesLeft = log?.post?.timesLeft ?? 0
    if (log?.isOver !== true) return this.#stream(stream, log, timesLeft, async () => { if (body) await pump(body, stream) })
    // The SDK would never end a stream that was answered before it is resumed, or while it was.
    await body?.cancel()
    return this.#stream(stream, log, timesLeft, async () => {
      for (const event of log.textsAfter(String(lastId))) await stream.pass(event)
      stream.end()
    })
  }

  /** The stream that an event was sent on, where its caller may have what was sent since. */
  #logFor (eventId: string, principal: Principal): StreamLog {
    this.#checkRights(principal)
    const log = this.#events.find(eventId)
    if (log === undefined) throw new EventForgottenError()
    return log
  }

  /** No request comes any more, and so no answer of the caller's: what waits for one ends, and nothing is asked from now on. */
  quiesce (): void {
    this.#mayAsk = false
    for (const exchange of this.#calls.exchanges()) {
      exchange.askBy(undefined)
      if (exchange.isAsking) exchange.abort(new UnavailableError({ reason: 'the server ends, and the caller cannot answer any more' }))
    }
  }

  async close (): Promise<void> {
    await this.#endCalls()
    await this.#server.close()
  }

  /** Answers what is under way: its callers would wait for their own timeouts. Nobody finds the session from now on. */
  async #endCalls (): Promise<void> {
    this.#onClose(this)
    // Before the server takes their streams with it.
    await this.#calls.refuseAll(new UnavailableError({ reason: 'the session ended' }))
  }

  /** Opens an exchange for each request of the body, before the SDK sees any. */
  async #admit (incoming: Incoming, post: Post): Promise<void> {
    const { body } = incoming
    if (!takesStream(incoming.headers.accept)) throw new NotAcceptableError({ reason: 'a session answers by event streams' })
    const messages: unknown[] = Array.isArray(body) ? body : [body]
    if (messages.some(message => kindOf(message) === 'invalid')) throw new InvalidRequestError({ reason: 'not a JSON-RPC message' })
    if (Array.isArray(body) && this.#revision !== batchRevision) throw new InvalidRequestError({ reason: `a batch in a session of revision ${this.#revision ?? 'none'}` })
    for (const message of messages) this.#checkReference(message as RpcMessage, incoming.principal)
    if (messages.length > 1) await incoming.charge(messages.length - 1)
    const requests = requestsIn(body)
    const ids = new Set(requests.map(({ id }) => id))
    // The SDK would answer only one of two with the same id. Nothing is awaited from here on.
    if (ids.size < requests.length || requests.some(({ id }) => this.#calls.has(id))) throw new InvalidRequestError({ reason: 'an id that is in flight already' })
    for (const { id } of requests) this.#watch(id, { exchange: incoming.open(), post })
  }

  /** Throws where a message answers a question, or cancels a call, of the same subject with more rights. */
  #checkReference (message: RpcMessage, principal: Principal): void {
    const caller = 'method' in message
      ? message.method === 'notifications/cancelled' ? this.#calls.get(message.params?.requestId as RequestId)?.exchange.caller.principal : undefined
      : message.id === undefined ? undefined : this.#askers.get(message.id)
    if (caller === undefined) return
    const rights = new ServedRights()
    rights.add(caller)
    if (!rights.areHeldBy(principal)) throw new SessionNotFoundError({ reason: 'an answer or a cancellation with fewer rights than its call has' })
  }

  /** Answers in the SDK's place where it does not: what it holds back would keep its id, and its stream, for ever. */
  #watch (id: RequestId, call: Call): void {
    const { exchange } = call
    this.#calls.begin(id, call)
    exchange.onAbort(refusal => {
      // A handler that lost its race is answered by the SDK within a few microtasks.
      setImmediate(() => {
        if (this.#calls.get(id) !== call) return
        if (refusal.code === CancelledError.code) this.#release(id, call)
        else this.#transport.send(rpcRefusal(refusal, exchange.caller.requestId, id) as JSONRPCMessage).catch(() => {})
      })
    })
  }

  /** The SDK never answers a cancelled request, and would keep its stream open for ever. */
  #release (id: RequestId, { post }: Call): void {
    // Others of a batch are still to be answered on it.
    if (post.pending.size === 1) {
      this.#transport.closeSSEStream(id)
      post.isDelivered = true
    }
    const cancelled = { jsonrpc: '2.0' as const, id, error: { code: InternalError.rpcCode, message: 'Cancelled' } }
    this.#transport.send(cancelled).catch(() => {})
  }

  async #dispatch (method: string, params: Record<string, unknown>, extra: Extra): Promise<Record<string, unknown>> {
    const call = this.#calls.get(extra.requestId)
    if (call === undefined) throw new Error('a request outside an exchange')
    const { exchange } = call
    const { closeSSEStream } = extra
    exchange.connect(
      notifyOver(extra, call, level => severity(level) >= this.#level),
      this.#mayAsk ? askOver(extra, call, this.#server) : undefined,
      closeSSEStream === undefined
        ? undefined
        : () => {
            call.post.timesLeft += 1
            closeSSEStream()
          }
    )
    extra.signal.addEventListener('abort', () => { exchange.abort(new CancelledError({ reason: 'cancelled by the caller' })) }, { once: true })
    try {
      if (method === 'resources/subscribe') this.#subscriptions.add(params.uri, exchange.caller.principal)
      else if (method === 'resources/unsubscribe') this.#subscriptions.remove(params.uri)
      else return await this.#catalog.dispatch(method, params, exchange)
      return {}
    } catch (error) {
      throw new WireError(exchange.refuse(error), exchange.caller.requestId)
    }
  }

  /** Looks at a message on its way out. Throws where it is none that JSON can hold, unless it is an answer. */
  #leaving (message: JSONRPCMessage, about: RequestId | undefined): JSONRPCMessage {
    if ('method' in message || message.id === undefined) {
      const call = this.#calls.get(about)
      this.#events.weigh(message, call?.post)
      const { id } = 'id' in message ? message : {}
      if (call !== undefined && id !== undefined) {
        this.#askers.set(id, call.exchange.caller.principal)
        call.exchange.askingSignal.addEventListener('abort', () => { this.#askers.delete(id) }, { once: true })
      }
      return message
    }
    const call = this.#calls.get(message.id)
    if (call === undefined) {
      this.#events.weigh(message)
      return message
    }
    this.#calls.end(message.id)
    // The first result is that of `initialize`.
    if ('result' in message && typeof message.result.protocolVersion === 'string') this.#revision ??= message.result.protocolVersion
    return this.#checked(message, message.id, call)
  }

  /** An error that the SDK made has words of its own, which stay inside; a result that cannot be written is a fault of its tool. */
  #checked (message: JSONRPCMessage, id: RequestId, { exchange, post }: Call): JSONRPCMessage {
    const refusedFor = (error: unknown): JSONRPCMessage => {
      const refusal = rpcRefusal(exchange.refuse(error), exchange.caller.requestId, id) as JSONRPCMessage
      this.#events.weigh(refusal, post)
      return refusal
    }
    if ('error' in message && exchange.refusal === undefined) return refusedFor(fromRpcCode(message.error.code, `refused by the SDK: ${message.error.message}`))
    try {
      this.#events.weigh(message, post)
      return message
    } catch (error) {
      return refusedFor(error)
    }
  }

  /** A stream of this session, which `fill` writes. `source`: tells whose it is, at the latest when it ends; `timesLeft`: how often its post was left before it. */
  #stream (stream: EventStream, source: { readonly post: Post | undefined } | undefined, timesLeft: number, fill: () => Promise<void>): Reply {
    this.#openStreams += 1
    if (source?.post !== undefined) source.post.stream = stream
    stream.readable.once('close', () => {
      const post = source?.post
      if (post?.isOver === true && post.timesLeft === timesLeft && stream.readable.readableEnded) post.isDelivered = true
      // It would keep its whole request for as long as its events are kept.
      if (post?.stream === stream) post.stream = undefined
      this.#openStreams -= 1
      this.#usedAt = performance.now()
    })
    fill().catch(() => { stream.readable.destroy() })
    return { status: 200, headers: { ...streamHeaders, 'mcp-session-id': this.id }, stream: stream.readable }
  }

  #closed (): void {
    this.#unsubscribe()
    for (const exchange of this.#calls.exchanges()) exchange.abort(new CancelledError({ reason: 'the session ended' }))
    this.#calls.clear()
    this.#onClose(this)
  }
}
