/** Sessions of the 2025 revisions: each belongs to the principal that opened it, and none lives for ever. */
import { MethodNotAllowedError, SessionNotFoundError, SessionRequiredError, UnavailableError } from '../../errors.js'
import type { Principal } from '../../principal/principal.js'
import type { Catalog } from '../catalog/catalog.js'
import type { Incoming } from '../era.js'
import { takesStream } from '../wire/accept.js'
import { type RpcRequest, kindOf } from '../wire/messages.js'
import type { Reply } from '../wire/reply.js'
import type { Streams } from '../streams/streams.js'
import { Session } from './session.js'

export interface SessionsOptions {
  /** Milliseconds without a request or an open stream. Default 30 minutes. */
  readonly idleMs?: number
  /** Milliseconds from the start, whatever happens. Default 24 hours. */
  readonly lifetimeMs?: number
  /** One more ends the principal's least recently used. Default 16. */
  readonly maxPerPrincipal?: number
  /** Of all principals; one more ends a session of the principal that has most. Default 1,000. */
  readonly max?: number
  /** Milliseconds after which a client comes back to a stream that was closed on it. Default 1,000. */
  readonly retryMs?: number
}

const sweepMs = 30_000
const methods: ReadonlySet<string> = new Set(['GET', 'POST', 'DELETE'])

export class Sessions {
  readonly #catalog: Catalog
  readonly #streams: Streams
  readonly #options: Required<SessionsOptions>
  /** In the order of their last use. */
  readonly #sessions = new Map<string, Session>()
  readonly #sweeper: NodeJS.Timeout
  #isEnding = false

  constructor (catalog: Catalog, streams: Streams, options: SessionsOptions = {}) {
    const { idleMs = 30 * 60_000, lifetimeMs = 24 * 60 * 60_000, maxPerPrincipal = 16, max = 1000, retryMs = 1000 } = options
    this.#catalog = catalog
    this.#streams = streams
    this.#options = { idleMs, lifetimeMs, maxPerPrincipal, max, retryMs }
    this.#sweeper = setInterval(() => { this.#sweep() }, Math.min(sweepMs, idleMs, lifetimeMs))
    this.#sweeper.unref()
  }

  get size (): number {
    return this.#sessions.size
  }

  /** Serves what names a session or opens one; `undefined` for what needs none. */
  async serve (incoming: Incoming): Promise<Reply | undefined> {
    const { method, headers, body, principal } = incoming
    if (!methods.has(method)) throw new MethodNotAllowedError({ headers: { allow: [...methods].join(', ') } })
    const id = headers['mcp-session-id']
    const isInitialize = method === 'POST' && kindOf(body) === 'request' && (body as RpcRequest).method === 'initialize'
    const named = this.#find(id, principal)
    if (named !== undefined) return await named.serve(incoming)
    // A client whose session is gone may still send its id when it begins anew.
    if (id !== undefined && !isInitialize) throw new SessionNotFoundError()
    if (method !== 'POST') throw new SessionRequiredError()
    if (!isInitialize) return undefined
    // Not by the SDK's word but before it: a session costs memory even where it comes to nothing.
    if (!takesStream(incoming.headers.accept)) return undefined
    const session = await this.#open(principal)
    try {
      return await session.serve(incoming)
    } catch (error) {
      // One that nobody knows of would stand in the place of another.
      await session.close()
      throw error
    }
  }

  /** What comes over a connection that is open still gets no session: nobody would end it. */
  quiesce (): void {
    this.#isEnding = true
    for (const session of this.#sessions.values()) session.quiesce()
  }

  async close (): Promise<void> {
    clearInterval(this.#sweeper)
    await Promise.all([...this.#sessions.values()].map(async session => { await session.close() }))
  }

  /** `undefined` for an unknown session, an expired one and another principal's alike. */
  #find (id: unknown, principal: Principal): Session | undefined {
    const session = typeof id === 'string' ? this.#sessions.get(id) : undefined
    if (session === undefined || session.principal.id !== principal.id || this.#isOver(session)) return undefined
    this.#sessions.delete(session.id)
    this.#sessions.set(session.id, session)
    return session
  }

  async #open (principal: Principal): Promise<Session> {
    if (this.#isEnding) throw new UnavailableError({ reason: 'a new session while the server ends' })
    const { max, maxPerPrincipal } = this.#options
    await this.#keep(maxPerPrincipal - 1, principal)
    await this.#makeRoom(max - 1)
    const session = await Session.open({
      catalog: this.#catalog,
      streams: this.#streams,
      principal,
      retryMs: this.#options.retryMs,
      onClose: closed => { this.#sessions.delete(closed.id) }
    })
    this.#sessions.set(session.id, session)
    // Others may have been opened meanwhile.
    await this.#keep(maxPerPrincipal, principal)
    await this.#makeRoom(max)
    return session
  }

  /** Leaves at most `count` sessions: the least recently used one of the principal that has most goes first. */
  async #makeRoom (count: number): Promise<void> {
    if (this.#sessions.size > count) this.#sweep()
    while (this.#sessions.size > count) {
      const held = new Map<string, Session[]>()
      for (const session of this.#sessions.values()) {
        const own = held.get(session.principal.id)
        if (own === undefined) held.set(session.principal.id, [session])
        else own.push(session)
      }
      let most: Session[] = []
      for (const own of held.values()) if (own.length > most.length) most = own
      await most[0]?.close()
    }
  }

  /** Ends the least recently used sessions of `principal` beyond `count`. */
  async #keep (count: number, principal: Principal): Promise<void> {
    const own = [...this.#sessions.values()].filter(session => session.principal.id === principal.id)
    await Promise.all(own.slice(0, Math.max(0, own.length - count)).map(async session => { await session.close() }))
  }

  #isOver (session: Session): boolean {
    const { idleMs, lifetimeMs } = this.#options
    return session.idleMs > idleMs || session.ageMs > lifetimeMs
  }

  #sweep (): void {
    for (const session of this.#sessions.values()) if (this.#isOver(session)) session.close().catch(() => {})
  }
}
