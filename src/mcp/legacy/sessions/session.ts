/**
 * What one instance has of a session: the calls, streams and questions that are open here. Nothing else of
 * it lives here.
 */
import type { Json } from '../../../fleet/bus.js'
import {
  EventForgottenError, InvalidRequestError, type Refusal, SessionNotFoundError, UnavailableError, retryLater
} from '../../../errors.js'
import { type Eventually, after } from '../../../lib/eventually.js'
import type { Incoming } from '../../era.js'
import type { Deadlines } from '../../exchange/deadlines.js'
import type { Holder } from '../../streams/streams.js'
import { takesStream } from '../../wire/accept.js'
import { type EventStream, streamHeaders } from '../../wire/event-stream.js'
import { answerForSdk } from '../../wire/for-sdk.js'
import { type RequestId, type RpcMessage, type RpcRequest, kindOf } from '../../wire/messages.js'
import type { Reply } from '../../wire/reply.js'
import { Calls, type CallsHost, type SessionParts } from './calls.js'
import { ClientRequests, instanceOf } from './client-requests.js'
import type { EventLog, KeptStream } from './event-log.js'
import { batchRevision } from './features.js'
import { Followers, followStream, readSoon } from './follow-stream.js'
import type { Post } from './post.js'
import { type Rights, areHeld, rightsOf } from './rights.js'
import { StandingStream } from './standing-stream.js'
import { type SessionChange, type SessionRecord, changed } from './store.js'

const accepted: Reply = { status: 202 }

export class Session implements CallsHost {
  readonly id: string
  record: SessionRecord
  readonly #parts: SessionParts
  readonly #calls: Calls
  /** Those with a stream, by its name. */
  readonly #posts = new Map<string, Post>()
  readonly #followers: Followers
  readonly questions: ClientRequests
  #standing: StandingStream | undefined
  /** Streams that were resumed here. */
  #readers = 0
  #usedAt = performance.now()

  constructor (id: string, record: SessionRecord, parts: SessionParts) {
    this.id = id
    this.record = record
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
  }

  get revision (): string { return this.record.revision }
  get retryMs (): number { return this.#parts.retryMs }
  get log (): EventLog { return this.#parts.log }
  get moments (): Deadlines { return this.#parts.moments }

  /** Something of it is open here. */
  get isBusy (): boolean {
    return this.#calls.size > 0 || this.#standing !== undefined || this.#readers > 0
  }

  /** Milliseconds since it was last used here. */
  get idleMs (): number {
    return performance.now() - this.#usedAt
  }

  /** Serves what came as a POST. */
  post (incoming: Incoming): Eventually<Reply> {
    this.#usedAt = performance.now()
    const { body, headers: { accept } } = incoming
    const mayStream = takesStream(accept)
    const isBatch = Array.isArray(body)
    const messages: readonly unknown[] = isBatch ? body : [body]
    if (isBatch && this.revision !== batchRevision) {
      throw new InvalidRequestError({ reason: `a batch in a session of revision ${this.revision}` })
    }
    const requests = messages.filter((message): message is RpcRequest => kindOf(message) === 'request')
    for (const message of messages) this.#checkMessage(message)
    const charged = messages.length > 1 ? incoming.charge(messages.length - 1) : undefined
    return after(charged, () => after(this.#hear(messages, requests, rightsOf(incoming.principal)), () => {
      if (requests.length === 0) return accepted
      return this.#calls.serve(requests, incoming, isBatch, mayStream)
    }))
  }

  #checkMessage (message: unknown): void {
    const kind = kindOf(message)
    if (kind === 'invalid') throw new InvalidRequestError({ reason: 'not a JSON-RPC message' })
    // What comes back from a caller is judged by schemas.
    if (kind === 'response') answerForSdk(message)
  }

  /** Takes answers and cancellations, one after the other. */
  #hear (messages: readonly unknown[], requests: readonly RpcRequest[], rights: Rights): Eventually<void> {
    const [message, ...rest] = messages as readonly RpcMessage[]
    if (message === undefined) return
    return after(this.#take(message, requests, rights), () => this.#hear(rest, requests, rights))
  }

  #take (message: RpcMessage, requests: readonly RpcRequest[], rights: Rights): Eventually<void> {
    if (!('method' in message)) return this.#takeAnswer(message, rights)
    if (message.method !== 'notifications/cancelled') return
    const { requestId } = message.params ?? {}
    // In the batch of its own call it comes too late (MCP 2025-03-26, Cancellation).
    if (!requests.some(({ id }) => id === requestId)) return this.#takeCancellation(requestId, rights)
  }

  #takeAnswer (message: RpcMessage, rights: Rights): Eventually<void> {
    const { id } = message as { id?: RequestId }
    if (typeof id !== 'string') return
    const { bus, store } = this.#parts
    if (instanceOf(id) === bus.id || !store.isShared) {
      if (this.takeAnswer(id, { ...message }, rights) === 'refused') throw fewerRights()
      return
    }
    // Asked first: what nobody waits for is passed on to nobody.
    return after(store.asked(this.id, id), needed => {
      if (needed === undefined) return
      if (!areHeld(needed, rights)) throw fewerRights()
      return this.#tell(
        bus.tell(instanceOf(id), 'session-answer', { session: this.id, message: asJson(message), rights })
      )
    })
  }

  /** An answer, wherever it came in. */
  takeAnswer (id: string, message: Record<string, unknown>, rights: Rights): 'taken' | 'refused' | 'unknown' {
    return this.questions.take(id, message, rights)
  }

  #takeCancellation (requestId: unknown, rights: Rights): Eventually<void> {
    if (typeof requestId !== 'string' && typeof requestId !== 'number') return
    const cancelled = this.cancel(requestId, rights)
    if (cancelled === 'refused') throw fewerRights()
    if (cancelled === 'unknown' && this.#parts.store.isShared) {
      return this.#tell(this.#parts.bus.tellAll('session-cancel', { session: this.id, requestId, rights }))
    }
  }

  /** Ends a call that runs here. */
  cancel (requestId: RequestId, rights: Rights): 'done' | 'refused' | 'unknown' {
    return this.#calls.cancel(requestId, rights)
  }

  /** A change that was made here. */
  async tellChange (change: SessionChange, version: number): Promise<void> {
    this.apply(change, version)
    const { store, bus } = this.#parts
    if (store.isShared) await this.#tell(bus.tellAll('session-change', { session: this.id, change, version }))
  }

  /** A change of the session, wherever it was made. */
  apply (change: SessionChange, version: number): void {
    if (version <= this.record.version) return
    const record = changed(this.record, change)
    // Where others came between, the next request reads the whole.
    if (record !== 'full') {
      this.record = {
        ...record,
        version: version === this.record.version + 1 ? version : this.record.version
      }
    }
  }

  /** What is known of the session may be old. */
  doubt (): void {
    this.record = { ...this.record, version: 0 }
    if (this.#standing !== undefined) this.#standing.isTold = true
  }

  /** News that could not be sent: the request is to be sent again. */
  async #tell (told: Promise<unknown>): Promise<void> {
    try {
      await told
    } catch {
      throw new UnavailableError(retryLater(1000, { reason: 'other instances cannot be told' }))
    }
  }

  /** The standing stream, or the rest of one of a call. */
  listen (incoming: Incoming): Eventually<Reply> {
    this.#usedAt = performance.now()
    const { headers: { 'last-event-id': lastId } } = incoming
    const isStanding = typeof lastId !== 'string' || lastId === '' || StandingStream.isEventId(lastId)
    return isStanding
      ? this.#stand(incoming, lastId === '' ? undefined : (lastId as string | undefined))
      : this.#resume(incoming, lastId)
  }

  #stand (incoming: Incoming, lastId: string | undefined): Eventually<Reply> {
    const { bus, store } = this.#parts
    this.endStanding()
    const standing = new StandingStream(this, incoming, this.#parts)
    this.#standing = standing
    standing.stream.readable.once('close', () => { if (this.#standing === standing) this.#standing = undefined })
    const reply = this.#replyOf(standing.stream)
    const told = store.isShared
      // What others do not hear now they cannot answer either: whoever comes later ends this one.
      ? bus.tellAll('session-listens', { session: this.id, instance: bus.id, stream: standing.id })
        .catch(() => { standing.isTold = true })
      : undefined
    return after(told, () => after(standing.begin(lastId), () => reply))
  }

  /** The news of a stream here has come back: what other instances tell from now on is of newer ones. */
  standingTold (id: string): void {
    if (this.#standing?.id === id) this.#standing.isTold = true
  }

  /** Another instance has a standing stream. It is older where the news of the one here has not come back yet. */
  outlisten (): void {
    if (this.#standing?.isTold === true) this.endStanding()
  }

  /** A newer one takes over: the path of the older may be dead, which nobody would tell us. */
  endStanding (): void {
    if (this.#standing === undefined) return
    this.#standing.retire()
    this.#standing = undefined
  }

  #resume (incoming: Incoming, lastId: string): Eventually<Reply> {
    const { bus, log, store, streams } = this.#parts
    if (!areHeld(this.record.rights, rightsOf(incoming.principal))) throw fewerRights()
    const [, name = '', place] = /^([\w-]{1,64})\.(\d{1,10})$/.exec(lastId) ?? []
    const n = Number(place)
    if (place === undefined) throw new EventForgottenError()
    const read = (): Eventually<KeptStream | undefined> => log.read(this.id, name, n)
    return after(store.isShared ? readSoon(read) : read(), kept => {
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

  /** The post that writes a stream, where it is one of this instance. */
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
      () => new UnavailableError({ reason: 'the server ends, and the caller cannot answer any more' })
    )
  }

  /** Ends what is open here; what is under way is answered with `refusal`, and has gone out when this resolves. */
  async end (refusal: Refusal): Promise<void> {
    await this.#calls.end(refusal)
    this.#standing?.retire()
  }
}

/** Of streams, in this process. */
let count = 0

/** What a caller sent was JSON, and only so much of it travels as is read. */
function asJson (message: RpcMessage): Json {
  return answerForSdk(message) as object as Json
}

function fewerRights (): Refusal {
  return new SessionNotFoundError({ reason: 'fewer rights than the call, or the session, was used with' })
}
