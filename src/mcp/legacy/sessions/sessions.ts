/** Sessions of the 2025 revisions: each belongs to the principal that opened it, and any instance can serve it. */
import { randomUUID } from 'node:crypto'
import type { Bus } from '../../../fleet/bus.js'
import {
  InvalidParamsError,
  MethodNotAllowedError,
  NotAcceptableError,
  SessionNotFoundError,
  SessionRequiredError,
  UnavailableError
} from '../../../errors.js'
import { type Eventually, after } from '../../../lib/eventually.js'
import { isRecord } from '../../../lib/guards.js'
import type { Catalog } from '../../catalog/catalog.js'
import type { McpRequest } from '../../era.js'
import { Deadlines } from '../../exchange/deadlines.js'
import type { Streams } from '../../streams/streams.js'
import { takesStream } from '../../wire/accept.js'
import { type RpcRequest, kindOf } from '../../wire/messages.js'
import type { Reply } from '../../wire/reply.js'
import { listenToInstances } from './news.js'
import type { EventLog } from './event-log.js'
import { EventsInMemory } from './memory-events.js'
import type { SessionParts } from './calls.js'
import { Session } from './session.js'
import { areHeld, rightsOf } from './rights.js'
import type { SessionBounds, SessionRecord, SessionStore } from './store.js'
import { SessionsInMemory } from './memory-store.js'

export interface SessionsOptions {
  /** How long a session may be without requests and open streams, in milliseconds. Default: 30 minutes. */
  readonly idleMs?: number
  /** The maximum lifetime in milliseconds. Default: 24 hours. */
  readonly lifetimeMs?: number
  /** The maximum number for each principal. Another session ends the least recently used one. Default 16. */
  readonly maxPerPrincipal?: number
  /** The maximum number in total. Another session ends one of the principal with the most. Default 1,000. */
  readonly max?: number
  /** How long a client waits before it resumes a closed stream, in milliseconds. Default 1,000. */
  readonly retryMs?: number
}

/** Where sessions and the events of their streams are stored. Default: in this process. */
export interface SessionStores {
  readonly openSessions?: ((bounds: SessionBounds) => SessionStore) | undefined
  readonly events?: EventLog | undefined
}

/**
 * Called with a session that this instance opened or ended: at its owner's request, to make room for another one, or
 * because of its age.
 */
export type SessionListener = (kind: 'session-opened' | 'session-closed', id: string, owner: string | undefined) => void

export interface SessionsContext extends SessionStores {
  readonly onSession?: SessionListener | undefined
  readonly catalog: Catalog
  readonly streams: Streams
  readonly bus: Bus
  /** Lets the SDK answer an `initialize`. */
  readonly initialize: (request: RpcRequest, incoming: McpRequest) => Promise<Reply>
}

const sweepMs = 30_000
/** How long an unused session without open calls or streams stays in the memory of this instance. */
const keepIdleMs = 60_000
/** The format of `randomUUID`: no other text becomes part of a key name. */
const idForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const maxInitializeBytes = 16 * 1024
const methods: ReadonlySet<string> = new Set(['GET', 'POST', 'DELETE'])

export class Sessions {
  readonly #parts: SessionParts
  readonly #initialize: SessionsContext['initialize']
  readonly #onSession: SessionListener
  /** Sessions that this instance has served recently. */
  readonly #open = new Map<string, Session>()
  readonly #sweeper: NodeJS.Timeout
  readonly #deafen: () => void
  #isEnding = false

  constructor (context: SessionsContext, options: SessionsOptions = {}) {
    const {
      catalog,
      streams,
      bus,
      initialize,
      onSession = () => {},
      openSessions,
      events = new EventsInMemory()
    } = context
    const {
      idleMs = 30 * 60_000,
      lifetimeMs = 24 * 60 * 60_000,
      maxPerPrincipal = 16,
      max = 1000,
      retryMs = 1000
    } = options
    const bounds = { idleMs, lifetimeMs, maxPerPrincipal, max }
    const store = openSessions?.(bounds) ?? new SessionsInMemory(bounds)
    this.#parts = { catalog, streams, store, log: events, bus, retryMs, moments: new Deadlines() }
    this.#initialize = initialize
    this.#onSession = onSession
    const deafen = listenToInstances(bus, id => this.#open.get(id), id => { this.#forget(id).catch(() => {}) })
    // Messages of other instances may be lost: read each session again on its next request, and end expired ones now.
    const stop = bus.onGap(() => {
      for (const session of this.#open.values()) session.doubt()
      this.#sweep().catch(() => {})
    })
    this.#deafen = () => {
      deafen()
      stop()
    }
    this.#sweeper = setInterval(
      () => {
        this.#sweep().catch(() => {})
      },
      Math.max(1, Math.min(sweepMs, idleMs / 2, lifetimeMs))
    )
    this.#sweeper.unref()
  }

  /** Sessions with something open on this instance. */
  get size (): number {
    return this.#open.size
  }

  /** Serves a request that names or opens a session; `undefined` for a request that needs none. */
  serve (incoming: McpRequest): Eventually<Reply | undefined> {
    const { method, headers, body, principal } = incoming
    if (!methods.has(method)) throw new MethodNotAllowedError({ headers: { allow: [...methods].join(', ') } })
    const id = headers['mcp-session-id']
    const begins = method === 'POST' && isInitialize(body)
    if (typeof id !== 'string') {
      if (method !== 'POST') throw new SessionRequiredError()
      return begins ? this.#begin(body, incoming) : undefined
    }
    const { store } = this.#parts
    if (!idForm.test(id)) return this.#unknown(begins, body, incoming)
    const adds = method === 'POST' && !begins && hasRequest(body) ? rightsOf(principal) : undefined
    // An unknown session, an expired one and another principal's look the same.
    return after(store.use(id, principal.id, adds, this.#open.get(id)?.record), record => {
      if (record !== undefined) return this.#serve(this.#opened(id, record), incoming)
      return this.#unknown(begins, body, incoming)
    })
  }

  /** A client whose session has ended may still send its id with a new `initialize`. */
  #unknown (begins: boolean, body: unknown, incoming: McpRequest): Promise<Reply | undefined> {
    if (begins) return this.#begin(body as RpcRequest, incoming)
    throw new SessionNotFoundError()
  }

  #serve (session: Session, incoming: McpRequest): Eventually<Reply> {
    incoming.sentBy?.(session.record.client)
    switch (incoming.method) {
      case 'POST': return session.post(incoming)
      case 'GET':
        if (!takesStream(incoming.headers.accept)) {
          throw new NotAcceptableError({ reason: 'a GET that does not accept an event stream' })
        }
        return session.listen(incoming)
      default: return this.#delete(session, incoming)
    }
  }

  #opened (id: string, record: SessionRecord): Session {
    const known = this.#open.get(id)
    if (known === undefined) {
      const session = new Session(id, record, this.#parts)
      this.#open.set(id, session)
      return session
    }
    if (record.version > known.record.version) known.update(record)
    return known
  }

  /**
   * Requires all rights that the session was used with: a credential with fewer rights must not end calls of
   * one with more.
   */
  async #delete ({ id, record }: Session, { principal }: McpRequest): Promise<Reply> {
    if (!areHeld(record.rights, rightsOf(principal))) {
      throw new SessionNotFoundError({ reason: 'the session was used with more rights' })
    }
    await this.#parts.store.end(id)
    await this.#ended([id])
    return { status: 200 }
  }

  async #begin (request: RpcRequest, incoming: McpRequest): Promise<Reply | undefined> {
    // A session is useless if its calls cannot send messages.
    if (!takesStream(incoming.headers.accept)) return undefined
    const { store } = this.#parts
    if (this.#isEnding && !store.isShared) throw new UnavailableError({ reason: 'the server is stopping' })
    const {
      capabilities,
      clientInfo: { name, version }
    } = request.params as {
      capabilities: Record<string, unknown>
      clientInfo: { name: string; version: string }
    }
    const client = { name, version }
    if (Buffer.byteLength(JSON.stringify([capabilities, client])) > maxInitializeBytes) {
      throw new InvalidParamsError({ reason: 'initialize is too large to store', data: { limit: maxInitializeBytes } })
    }
    const reply = await this.#initialize(request, incoming)
    const answer: unknown = JSON.parse(reply.json ?? 'null')
    if (!isRecord(answer) || !isRecord(answer.result)) return reply
    const { principal } = incoming
    const id = randomUUID()
    const revision = String(answer.result.protocolVersion)
    const ended = await store.create(id, {
      owner: principal.id,
      revision,
      capabilities,
      client,
      rights: rightsOf(principal)
    })
    this.#onSession('session-opened', id, principal.id)
    if (ended.length > 0) await this.#ended(ended)
    return { ...reply, headers: { ...reply.headers, 'mcp-session-id': id } }
  }

  /** Ends calls and streams of ended sessions, on all instances. */
  async #ended (ids: readonly string[]): Promise<void> {
    const { bus, store } = this.#parts
    for (const id of ids) this.#onSession('session-closed', id, this.#open.get(id)?.record.owner)
    if (store.isShared) await bus.tellAll('session-ended', { sessions: ids }).catch(() => {})
    await Promise.all(ids.map(async id => { await this.#forget(id) }))
  }

  async #forget (id: string): Promise<void> {
    const session = this.#open.get(id)
    this.#open.delete(id)
    await session?.end(new UnavailableError({ reason: 'the session ended' }))
    this.#parts.log.drop(id)
  }

  /** While the server drains, requests on open connections still must not open a session. */
  quiesce (): void {
    this.#isEnding = true
    if (this.#parts.store.isShared) return
    for (const session of this.#open.values()) session.quiesce()
  }

  async close (): Promise<void> {
    clearInterval(this.#sweeper)
    this.#deafen()
    const open = [...this.#open.values()]
    this.#open.clear()
    await Promise.all(
      open.map(async session => {
        await session.end(new UnavailableError({ reason: 'the server is stopping' }))
      })
    )
  }

  /** Marks sessions with open calls or streams as used, and ends what belongs to ended sessions. */
  async #sweep (): Promise<void> {
    const { store } = this.#parts
    const over = await store.keep([...this.#open.values()].filter(({ isBusy }) => isBusy).map(({ id }) => id))
    for (const id of over) {
      this.#onSession('session-closed', id, this.#open.get(id)?.record.owner)
      await this.#forget(id)
    }
    for (const [id, session] of this.#open) {
      if (session.isBusy || session.idleMs <= keepIdleMs) continue
      this.#open.delete(id)
      session.endWatches()
    }
  }
}

function isInitialize (body: unknown): body is RpcRequest {
  return kindOf(body) === 'request' && (body as RpcRequest).method === 'initialize'
}

function hasRequest (body: unknown): boolean {
  return Array.isArray(body) ? body.some(message => kindOf(message) === 'request') : kindOf(body) === 'request'
}
