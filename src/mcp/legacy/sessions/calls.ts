/** The calls of a session that run on this instance: each goes straight to the catalog and is answered by its post. */
import { orAborted } from '../../exchange/or-aborted.js'
import type { Bus } from '../../../fleet/bus.js'
import {
  CancelledError,
  InvalidParamsError,
  InvalidRequestError,
  type Refusal,
  SessionNotFoundError
} from '../../../errors.js'
import type { Catalog } from '../../catalog/catalog.js'
import type { McpRequest } from '../../era.js'
import type { NotifyClient } from '../../exchange/caller.js'
import type { Deadlines } from '../../exchange/deadlines.js'
import type { Exchange } from '../../exchange/exchange.js'
import { type AnswerForm, Responder } from '../../slots/responder.js'
import type { Streams } from '../../streams/streams.js'
import { type RequestId, type RpcRequest, maxUriLength, severity } from '../../wire/messages.js'
import type { Reply } from '../../wire/reply.js'
import type { ClientRequests } from './client-requests.js'
import type { EventLog } from './event-log.js'
import { Post, type PostHost, primedSince } from './post.js'
import { type Rights, areHeld, rightsOf } from './rights.js'
import { type SessionChange, type SessionRecord, type SessionStore, maxUris } from './store.js'

/** What all sessions of an endpoint share. */
export interface SessionParts {
  readonly catalog: Catalog
  readonly streams: Streams
  readonly store: SessionStore
  readonly log: EventLog
  readonly bus: Bus
  readonly moments: Deadlines
  /** Sent in each stream: how long a client waits before it resumes a closed stream. */
  readonly retryMs: number
}

/** What calls need from their session. */
export interface CallsHost extends PostHost {
  readonly record: SessionRecord
  readonly questions: ClientRequests
  /** Called when this instance has changed the session to `version`. */
  readonly tellChange: (change: SessionChange, version: number) => Promise<void>
}

/** Revisions before 2026-07-28 answer an unknown method with status 200. */
const answerForm: AnswerForm = { unknownMethodStatus: 200 }

export class Calls {
  readonly #host: CallsHost
  readonly #parts: SessionParts
  readonly #running = new Map<RequestId, Exchange>()
  #isOver = false

  constructor (host: CallsHost, parts: SessionParts) {
    this.#host = host
    this.#parts = parts
  }

  get size (): number {
    return this.#running.size
  }

  exchanges (): Exchange[] {
    return [...this.#running.values()]
  }

  /** Serves the requests of one POST. Throws a refusal if they cannot be served. */
  serve (
    requests: readonly RpcRequest[],
    incoming: McpRequest,
    isBatch: boolean,
    mayStream: boolean
  ): Promise<Reply> {
    if (this.#isOver) throw new SessionNotFoundError()
    const ids = requests.map(({ id }) => id)
    if (requests.some(({ method }) => method === 'initialize')) {
      throw new InvalidRequestError({ reason: 'initialize in a session' })
    }
    if (new Set(ids).size < ids.length || ids.some(id => this.#running.has(id))) {
      throw new InvalidRequestError({ reason: 'the id of a running request' })
    }
    const post = new Post({ host: this.#host, holder: incoming, requests: ids, isBatch, mayStream })
    // Register all messages of a batch before the first of them can end.
    for (const { id } of requests) {
      const exchange = incoming.open()
      post.exchanges.push(exchange)
      this.#running.set(id, exchange)
    }
    for (const [index, request] of requests.entries()) {
      const exchange = post.exchanges[index]
      if (exchange !== undefined) this.#begin(request, exchange, post, mayStream)
    }
    return post.reply
  }

  cancel (requestId: RequestId, rights: Rights): 'done' | 'refused' | 'unknown' {
    const exchange = this.#running.get(requestId)
    if (exchange === undefined) return 'unknown'
    if (!areHeld(rightsOf(exchange.caller.principal), rights)) return 'refused'
    exchange.abort(new CancelledError({ reason: 'cancelled by the caller' }))
    return 'done'
  }

  /**
   * Answers all running calls, whose callers would otherwise wait for their timeouts. Resolves when the answers
   * are sent.
   */
  async end (refusal: Refusal): Promise<void> {
    this.#isOver = true
    const open = this.exchanges()
    for (const exchange of open) exchange.abort(refusal)
    // Aborted calls are answered in this turn of the event loop, the others in the next.
    if (open.length > 0) { for (let turn = 0; turn < 2; turn++) await new Promise(resolve => setImmediate(resolve)) }
  }

  #begin (request: RpcRequest, exchange: Exchange, post: Post, mayStream: boolean): void {
    const { id, method, params = {} } = request
    exchange.begin(method, params, id)
    const notify = notifyOn(post, exchange, this.#host)
    exchange.connect({
      notify,
      ask: mayStream ? this.#host.questions.asker(exchange, sayOn(post)) : undefined,
      closeStream: mayStream && this.#host.revision >= primedSince ? leaveOf(post) : undefined
    })
    const responder = new Responder({
      request,
      exchange,
      writer: post,
      revision: answerForm,
      done: this.#doneOf(id)
    })
    responder.follow(this.#dispatch(method, params, exchange))
  }

  #doneOf (id: RequestId): () => void {
    return () => {
      this.#running.delete(id)
    }
  }

  #dispatch (
    method: string,
    params: Record<string, unknown>,
    exchange: Exchange
  ): Promise<Record<string, unknown>> {
    switch (method) {
      case 'ping':
      case 'logging/setLevel':
      case 'resources/subscribe':
      case 'resources/unsubscribe':
        return this.#change(method, params, exchange)
      default:
        return this.#parts.catalog.dispatch(method, params, exchange)
    }
  }

  async #change (
    method: string,
    params: Record<string, unknown>,
    exchange: Exchange
  ): Promise<Record<string, unknown>> {
    const change = changeOf(method, params)
    if (change === undefined) return {}
    if ('addUri' in change) this.#parts.catalog.resources.reach(change.addUri, exchange.caller.principal)
    const version = await this.#parts.store.set(this.#host.id, change)
    if (version === undefined) throw new SessionNotFoundError()
    if (version === 'full') {
      throw new InvalidParamsError({ reason: 'too many subscriptions', data: { limit: maxUris } })
    }
    await this.#host.tellChange(change, version)
    return {}
  }
}

/** Created here, not in the method: see `sayTo`. */
function notifyOn (post: Post, exchange: Exchange, host: CallsHost): NotifyClient {
  return async (method, params) => {
    if (method === 'notifications/message' && severity(params.level) < host.record.level) return
    const text = JSON.stringify({ jsonrpc: '2.0', method, params })
    exchange.speak()
    if (exchange.ended) return
    const room = post.say(text)
    if (room !== undefined) await orAborted(room, exchange.signal)
  }
}

function sayOn (post: Post): (message: string) => void {
  return message => { void post.say(message) }
}

function leaveOf (post: Post): () => void {
  return () => { post.leave() }
}

/** `undefined`: nothing changes. Throws if the parameters are invalid. */
function changeOf (method: string, { level, uri }: Record<string, unknown>): SessionChange | undefined {
  if (method === 'ping') return undefined
  if (method === 'logging/setLevel') {
    if (severity(level) < 0) throw new InvalidParamsError({ reason: 'an unknown log level' })
    return { level: severity(level) }
  }
  if (typeof uri !== 'string' || uri.length > maxUriLength) {
    throw new InvalidParamsError({
      reason: 'a subscription needs a uri of at most 2,048 characters',
      data: { limit: maxUriLength }
    })
  }
  return method === 'resources/subscribe' ? { addUri: uri } : { removeUri: uri }
}
