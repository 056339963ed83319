/**
 * The reply to one POST of a session: JSON if all answers are ready at once, otherwise a stream that can
 * be resumed.
 */
import { CancelledError } from '../../../errors.js'
import type { Place } from '../../../lib/linked-list.js'
import type { Deadlines, Due } from '../../exchange/deadlines.js'
import type { Exchange } from '../../exchange/exchange.js'
import type { RequestId } from '../../wire/messages.js'
import type { AnswerWriter, Reply } from '../../wire/reply.js'
import { type EventStream, streamHeaders } from '../../wire/event-stream.js'
import type { Holder } from '../../streams/streams.js'
import type { EventLog } from './event-log.js'

/**
 * From this revision on, streams begin with an event, so that they can be resumed from it (MCP 2025-11-25,
 * Transports, Resumability).
 */
export const primedSince = '2025-11-25'

/** A longer call is answered with a stream, so that its caller can resume it. */
const momentMs = 100

/** What a post needs from its session. */
export interface PostHost {
  readonly id: string
  readonly revision: string
  readonly retryMs: number
  readonly log: EventLog
  readonly moments: Deadlines
  /** A stream name that is unique among all instances. */
  readonly nameStream: (post: Post) => string
  readonly openStream: (holder: Holder) => EventStream
  /** Ends a stream that a newer one replaces. */
  readonly retire: (stream: EventStream) => void
  /** Called when the stream has a new event or has ended. */
  readonly onEvent: (post: Post) => void
}

export interface PostOptions {
  readonly host: PostHost
  readonly holder: Holder
  readonly requests: readonly RequestId[]
  /** Send the answers as an array. */
  readonly isBatch: boolean
  /** False: the caller accepts only JSON. */
  readonly mayStream: boolean
}

export class Post implements AnswerWriter, Due {
  readonly reply: Promise<Reply>
  readonly dueAt = performance.now() + momentMs
  readonly exchanges: Exchange[] = []
  readonly #options: PostOptions
  #resolve: (reply: Reply) => void = ignore
  #pending: number
  /** The answers so far, while the reply may still be JSON. */
  #answers: string[] | undefined
  /** The name of the stream; `''` while there is none. */
  #name = ''
  /** Due when the time for a JSON answer has passed. */
  readonly #moment: Place<Due> | undefined
  /** The stream that the caller is reading. */
  #stream: EventStream | undefined
  /** The number of the last event. */
  #last = 0

  constructor (options: PostOptions) {
    this.#options = options
    this.#pending = options.requests.length
    this.reply = new Promise(resolve => { this.#resolve = resolve })
    this.#moment = options.mayStream ? options.host.moments.add(momentMs, this) : undefined
  }

  get name (): string {
    return this.#name
  }

  get #isStreaming (): boolean {
    return this.#name !== ''
  }

  /** No more events will follow. */
  get isOver (): boolean {
    return this.#pending === 0
  }

  /** The time for a JSON answer has passed. */
  expire (): void {
    this.#begin()
  }

  /** Sends a message before the answer. Returns what `EventStream.write` returns. */
  say (message: string): void | Promise<void> {
    if (this.isOver || !this.#options.mayStream) return
    this.#begin()
    // Stored whether or not the caller is reading.
    const id = this.#keep(message)
    return this.#stream?.write(message, id)
  }

  /** `status` and `headers` apply only to a JSON reply. */
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

  /** Closes the stream; the caller resumes it for the rest. */
  leave (): void {
    if (this.isOver || !this.#options.mayStream) return
    this.#begin()
    const stream = this.#stream
    this.#stream = undefined
    stream?.end()
  }

  /** Continues on `stream`, whose reader has all events up to `n`. False: there are more events by now. */
  attach (stream: EventStream, n: number): boolean {
    if (n !== this.#last) return false
    if (this.#stream !== undefined) this.#options.host.retire(this.#stream)
    this.#attach(stream)
    return true
  }

  /** A client must not get an answer to a request that it cancelled (MCP 2025-11-25, Cancellation). */
  #answerNothing (): void {
    // A JSON reply would be empty.
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
    this.#moment?.remove()
    const isPrimed = host.revision >= primedSince
    host.log.open(host.id, this.#name, requests, isPrimed)
    const stream = host.openStream(holder)
    this.#attach(stream)
    if (isPrimed) stream.prime(`${this.#name}.0`, host.retryMs)
    else stream.begin()
    for (const answer of this.#answers ?? []) this.#answerByEvent(answer)
    this.#answers = undefined
    this.#resolve({ status: 200, headers: { ...streamHeaders, 'mcp-session-id': host.id }, stream: stream.readable })
    // A stream ends with its caller's credential.
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

  /** Stores an event, so that it can be replayed. Returns its id. */
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
    this.#moment?.remove()
    this.#resolve(reply)
  }
}

function ignore (): void {}
