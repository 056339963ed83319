/**
 * The open calls, streams and questions of a session on one instance. All other data of a session is in the
 * session store.
 */
import {
  EventForgottenError, InvalidRequestError, type Refusal, UnavailableError, retryLater
} from '../../../errors.js'
import { type Eventually, after } from '../../../lib/eventually.js'
import type { McpRequest } from '../../era.js'
import type { Deadlines } from '../../exchange/deadlines.js'
import type { Holder } from '../../streams/streams.js'
import { WatchSet } from '../../streams/watch-set.js'
import { takesStream } from '../../wire/accept.js'
import { type EventStream, streamHeaders } from '../../wire/event-stream.js'
import { type RequestId, type RpcRequest, batchRevision, kindOf } from '../../wire/messages.js'
import type { Reply } from '../../wire/reply.js'
import { Calls, type CallsHost, type SessionParts } from './calls.js'
import { ClientMessages, checkMessage, whenTold } from './client-messages.js'
import { ClientRequests } from './client-requests.js'
import type { EventLog, KeptStream } from './event-log.js'
import { Followers, followStream, readSoon, readUnlogged, writerOf } from './follow-stream.js'
import type { Post } from './post.js'
import { type Rights, areHeld, fewerRights, rightsOf } from './rights.js'
import { NewestStanding, StandingStream } from './standing-stream.js'
import { type SessionChange, type SessionRecord, changed } from './store.js'

const accepted: Reply = { status: 202 }

export class Session implements CallsHost {
  readonly id: string
  #record: SessionRecord
  readonly #parts: SessionParts
  readonly #calls: Calls
  readonly #messages: ClientMessages
  /** Posts with a stream, by its name. */
  readonly #posts = new Map<string, Post>()
  readonly #followers: Followers
  readonly questions: ClientRequests
  readonly standing = new NewestStanding()
  /** Streams that were resumed on this instance. */
  #readers = 0
  #usedAt = performance.now()
  readonly #watches: WatchSet

  constructor (id: string, record: SessionRecord, parts: SessionParts) {
    this.id = id
    this.#record = record
    this.#parts = parts
    const { store, bus } = parts
    this.#followers = new Followers(bus, id)
    this.questions = new ClientRequests(bus.id, record.capabilities, !store.isShared
      ? undefined
      : {
          ask: (question, needed, ttlMs) => store.ask(id, question, needed, ttlMs),
          answered: question => { store.answered(id, question) }
        })
    this.#calls = new Calls(this, parts)
    this.#messages = new ClientMessages({
      session: id,
      bus,
      store,
      questions: this.questions,
      cancel: (requestId, rights) => this.#calls.cancel(requestId, rights)
    })
    this.#watches = new WatchSet(uri => parts.catalog.watchResource(record.owner, uri))
    this.#watches.set(record.uris)
  }

  get record (): SessionRecord { return this.#record }

  get revision (): string { return this.record.revision }
  get retryMs (): number { return this.#parts.retryMs }
  get log (): EventLog { return this.#parts.log }
  get moments (): Deadlines { return this.#parts.moments }

  /** True if a call or stream is open on this instance. */
  get isBusy (): boolean {
    return this.#calls.size > 0 || this.standing.isOpen || this.#readers > 0
  }

  /** Milliseconds since the last use on this instance. */
  get idleMs (): number {
    return performance.now() - this.#usedAt
  }

  /** Serves a POST. */
  post (incoming: McpRequest): Eventually<Reply> {
    this.#usedAt = performance.now()
    const { body, headers: { accept } } = incoming
    const mayStream = takesStream(accept)
    const isBatch = Array.isArray(body)
    const messages: readonly unknown[] = isBatch ? body : [body]
    if (isBatch && this.revision !== batchRevision) {
      throw new InvalidRequestError({ reason: `a batch in a session of revision ${this.revision}` })
    }
    const requests = messages.filter((message): message is RpcRequest => kindOf(message) === 'request')
    for (const message of messages) checkMessage(message)
    const charged = messages.length > 1 ? incoming.charge(messages.length - 1) : undefined
    return after(charged, () => after(this.#messages.take(messages, requests, rightsOf(incoming.principal)), () => {
      if (requests.length === 0) return accepted
      return this.#calls.serve(requests, incoming, isBatch, mayStream)
    }))
  }

  /** An answer that arrived at another instance. */
  takeAnswer (id: string, message: Record<string, unknown>, rights: Rights): void {
    this.questions.take(id, message, rights)
  }

  /** Cancels a call that runs on this instance. */
  cancel (requestId: RequestId, rights: Rights): 'done' | 'refused' | 'unknown' {
    return this.#calls.cancel(requestId, rights)
  }

  /** A change that this instance made. */
  async tellChange (change: SessionChange, version: number): Promise<void> {
    this.apply(change, version)
    const { store, bus } = this.#parts
    if (store.isShared) await whenTold(bus.tellAll('session-change', { session: this.id, change, version }))
  }

  /** A change of the session by any instance. */
  apply (change: SessionChange, version: number): void {
    if (version <= this.record.version) return
    const record = changed(this.record, change)
    // If other changes came between, the next request reads the whole session.
    const isNext = version === this.record.version + 1
    if (record !== 'full') this.update({ ...record, version: isNext ? version : this.record.version })
  }

  /** Takes over a newer record. */
  update (record: SessionRecord): void {
    this.#record = record
    this.#watches.set(record.uris)
  }

  /** Call when the session is over, or when nothing of it is open on this instance. */
  endWatches (): void {
    this.#watches.end()
  }

  /** The known state of the session may be out of date. */
  doubt (): void {
    this.#record = { ...this.record, version: 0 }
    this.standing.doubt()
  }

  /** The standing stream, or the rest of a call's stream. */
  listen (incoming: McpRequest): Eventually<Reply> {
    this.#usedAt = performance.now()
    const { headers: { 'last-event-id': lastId } } = incoming
    const isStanding = typeof lastId !== 'string' || lastId === '' || StandingStream.isEventId(lastId)
    return isStanding
      ? this.#stand(incoming, lastId === '' ? undefined : (lastId as string | undefined))
      : this.#resume(incoming, lastId)
  }

  #stand (incoming: McpRequest, lastId: string | undefined): Eventually<Reply> {
    const { bus, store } = this.#parts
    const standing = this.standing.open(() => new StandingStream(this, incoming, this.#parts))
    const reply = this.#replyOf(standing.stream)
    const told = store.isShared
      // If other instances cannot be told now, they cannot respond either; a newer stream ends this one.
      ? bus.tellAll('session-listens', { session: this.id, instance: bus.id, stream: standing.id })
        .catch(() => { standing.isAnnounced = true })
      : undefined
    const begun = after(told, () => standing.begin(lastId))
    if (!(begun instanceof Promise)) return reply
    return begun.then(() => reply, () => {
      // Nobody will read it, so nothing else would end it.
      standing.retire()
      throw new UnavailableError(retryLater(1000, { reason: 'missed changes cannot be read' }))
    })
  }

  #resume (incoming: McpRequest, lastId: string): Eventually<Reply> {
    const { bus, log, store, streams } = this.#parts
    if (!areHeld(this.record.rights, rightsOf(incoming.principal))) throw fewerRights()
    const [, name = '', place] = /^([\w-]{1,64})\.(\d{1,10})$/.exec(lastId) ?? []
    const n = Number(place)
    if (place === undefined) throw new EventForgottenError()
    const read = (): Eventually<KeptStream | undefined> => log.read(this.id, name, n)
    // If the bus fails, the read fails, too, with its own error.
    const isAlive = async (): Promise<boolean> => await Promise.resolve(bus.isAlive(writerOf(name))).catch(() => true)
    const readLost = async (): Promise<KeptStream | undefined> => await readUnlogged(log, this.id, name, n)
    return after(store.isShared ? readSoon(read, isAlive, readLost) : read(), kept => {
      if (kept === undefined) throw new EventForgottenError()
      const stream = streams.resume(incoming)
      stream.begin()
      this.#readers += 1
      stream.readable.once('close', () => { this.#readers -= 1 })
      const { requestId = '' } = incoming
      followStream({ session: this, bus, log, stream, name, n, kept, requestId }).catch(() => {
        stream.readable.destroy()
      })
      return this.#replyOf(stream)
    })
  }

  /** The post that writes a stream of this instance; `undefined` for other streams. */
  writerOf (name: string): Post | undefined {
    return this.#posts.get(name)
  }

  follow (name: string, instance: string): void {
    if (this.#posts.has(name)) this.#followers.add(name, instance)
  }

  #replyOf (stream: EventStream): Reply {
    return { status: 200, headers: { ...streamHeaders, 'mcp-session-id': this.id }, stream: stream.readable }
  }

  nameStream (post: Post): string {
    const name = `${this.#parts.bus.id}-${(++count).toString(36)}`
    this.#posts.set(name, post)
    return name
  }

  openStream (holder: Holder): EventStream {
    return this.#parts.streams.adopt(holder)
  }

  retire (stream: EventStream): void {
    this.#parts.streams.retire(stream)
  }

  onEvent ({ name, isOver }: Post): void {
    this.#followers.tell(name)
    if (!isOver) return
    this.#followers.forget(name)
    this.#posts.delete(name)
  }

  quiesce (): void {
    this.questions.quiesce(
      this.#calls.exchanges(),
      () => new UnavailableError({ reason: 'the server is stopping, so the answer can no longer arrive' })
    )
  }

  /** Ends everything that is open here. Running calls are answered with `refusal`; resolves when that is sent. */
  async end (refusal: Refusal): Promise<void> {
    this.endWatches()
    await this.#calls.end(refusal)
    this.standing.end()
  }
}

/** The number of streams in this process. */
let count = 0
