/**
 * How one POST of a session is answered: as JSON where that comes at once, otherwise as a stream that can
 * be resumed.
 */
import { CancelledError } from '../../../errors.js'
import type { Deadlines, Due } from '../../exchange/deadlines.js'
import type { Exchange } from '../../exchange/exchange.js'
import type { RequestId } from '../../wire/messages.js'
import type { AnswerWriter, Reply } from '../../wire/reply.js'
import { type EventStream, streamHeaders } from '../../wire/event-stream.js'
import type { Holder } from '../../streams/streams.js'
import type { EventLog } from './event-log.js'
import { primedSince } from './features.js'

/** A call that takes longer is answered by a stream: its caller can come back for the rest. */
export const momentMs = 100

/** What a post needs of its session. */
export interface PostHost {
  readonly id: string
  readonly revision: string
  readonly retryMs: number
  readonly log: EventLog
  readonly moments: Deadlines
  /** A name for a stream, unique among all instances. */
  readonly nameStream: (post: Post) => string
  readonly openStream: (holder: Holder) => EventStream
  /** Ends a stream that a newer one takes over from. */
  readonly retire: (stream: EventStream) => void
  /** Something was said, or nothing is to come any more. */
  readonly onEvent: (post: Post) => void
}

export interface PostOptions {
  readonly host: PostHost
  readonly holder: Holder
  readonly requests: readonly RequestId[]
  /** The answers go out as an array. */
  readonly isBatch: boolean
  /** False: the caller takes JSON alone. */
  readonly mayStream: boolean
}

export class Post implements AnswerWriter, Due {
  readonly reply: Promise<Reply>
  readonly dueAt = performance.now() + momentMs
  readonly exchanges: Exchange[] = []
  readonly #options: PostOptions
  #resolve: (reply: Reply) => void = ignore
  #pending: number
  /** The answers so far, while they may still go out as JSON. */
  #answers: string[] | undefined
  /** Of its stream; `''` while there is none. */
  #name = ''
  /** The one that the caller reads now. */
  #stream: EventStream | undefined
  /** The number of the last event. */
  #last = 0

  constructor (options: PostOptions) {
    this.#options = options
    this.#pending = options.requests.length
    this.reply = new Promise(resolve => { this.#resolve = resolve })
    if (options.mayStream) options.host.moments.add(momentMs, this)
  }

  get name (): string {
    return this.#name
  }

  get #isStreaming (): boolean {
    return this.#name !== ''
  }

  /** Nothing is to come any more. */
  get isOver (): boolean {
    return this.#pending === 0
  }

  /** The moment is over. */
  expire (): void {
    this.#begin()
  }

  /** Sends something before the answer. Where it has to wait for the caller, returns what `EventStream.write` does. */
  say (message: string): void | Promise<void> {
    if (this.isOver || !this.#options.mayStream) return
    this.#begin()
    // Kept whether it is read now or not.
    const id = this.#keep(message)
    return this.#stream?.write(message, id)
  }

  /** `status` and `headers` count where it is not a stream. */
  answer (message: string, status: number, headers?: Readonly<Record<string, string>>): void {
    if (this.isOver) return
    this.#pending -= 1
    if (status === CancelledError.statusCode) this.#answerNothing()
    else if (this.#isStreaming) this.#answerByEvent(message)
    else if (this.#options.isBatch) (this.#answers ??= []).push(message)
    else this.#end({ status, json: message, ...(headers === undefined ? {} : { headers }) })
    if (!this.isOver) return
    if (this.#isStreaming) this.#finish()
    else if (this.#options.isBatch) this.#end({ status: 200, json: `[${(this.#answers ?? []).join(',')}]` })
  }

  /** Closes the stream on the caller, who comes back for the rest. */
  leave (): void {
    if (this.isOver || !this.#options.mayStream) return
    this.#begin()
    const stream = this.#stream
    this.#stream = undefined
    stream?.end()
  }

  /** Goes on to `stream`, whose reader has all events up to `n`. False: there are more by now. */
  attach (stream: EventStream, n: number): boolean {
    if (n !== this.#last) return false
    if (this.#stream !== undefined) this.#options.host.retire(this.#stream)
    this.#attach(stream)
    return true
  }

  /** A client may not be sent an answer to what it cancelled (MCP 2025-11-25, Cancellation). */
  #answerNothing (): void {
    // As JSON there would be nothing to send.
    if (this.isOver && this.#answers === undefined && this.#options.mayStream) this.#begin()
    else if (this.isOver && !this.#options.isBatch && !this.#isStreaming) this.#end({ status: 202 })
  }

  #answerByEvent (message: string): void {
    const id = this.#keep(message)
    this.#stream?.answer(message, id)
  }

  #begin (): void {
    const { host, holder, requests, mayStream } = this.#options
    if (this.#isStreaming || !mayStream) return
    this.#name = host.nameStream(this)
    host.moments.remove(momentMs, this)
    const isPrimed = host.revision >= primedSince
    host.log.open(host.id, this.#name, requests, isPrimed)
    const stream = host.openStream(holder)
    this.#attach(stream)
    if (isPrimed) stream.prime(`${this.#name}.0`, host.retryMs)
    else stream.begin()
    for (const answer of this.#answers ?? []) this.#answerByEvent(answer)
    this.#answers = undefined
    this.#resolve({ status: 200, headers: { ...streamHeaders, 'mcp-session-id': host.id }, stream: stream.readable })
    // A stream ends with the credential of its caller.
    for (const exchange of this.exchanges) exchange.speak()
  }

  #attach (stream: EventStream): void {
    this.#stream = stream
    const { host: { id, log } } = this.#options
    stream.readable.once('close', () => {
      if (this.#stream !== stream) return
      this.#stream = undefined
      if (this.isOver && stream.readable.readableEnded) log.deliver(id, this.#name)
    })
  }

  /** Keeps an event for who comes back. Returns its id. */
  #keep (message: string): string {
    const { host } = this.#options
    this.#last += 1
    host.log.append(host.id, this.#name, { n: this.#last, message })
    host.onEvent(this)
    return `${this.#name}.${this.#last}`
  }

  #finish (): void {
    const { host } = this.#options
    host.log.finish(host.id, this.#name)
    host.onEvent(this)
    this.#stream?.end()
  }

  #end (reply: Reply): void {
    this.#options.host.moments.remove(momentMs, this)
    this.#resolve(reply)
  }
}

function ignore (): void {}
