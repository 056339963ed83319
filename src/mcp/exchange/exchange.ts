/** One JSON-RPC message in progress: its caller, its deadline and its outcome. */
import { DeadlineError, type Refusal } from '../../errors.js'
import { isRecord } from '../../lib/guards.js'
import type { Place } from '../../lib/linked-list.js'
import type { AppContext } from '../../tools/app-context.js'
import type { Item } from '../../tools/tool.js'
import { type AskClient, type Caller, type ClientChannel, credentialMs } from './caller.js'
import { Deadline } from './deadline.js'
import { Deadlines } from './deadlines.js'
import { Ending } from './ending.js'
import type { ExchangeParts } from './shared.js'
import type { RunningCall, RunningCalls } from './running-calls.js'
import { Suspended } from './suspended.js'
import type { MessageSpan } from '../../telemetry/decision.js'

const nothing: AppContext = Object.freeze({})

/**
 * Lives from the arrival of one message to its answer. It owns the deadline, so that every message is answered,
 * whatever the handler and the SDK do. It ignores messages after its end, so that a late handler
 * cannot reach the next caller.
 */
export class Exchange extends Ending {
  readonly caller: Caller
  /** The app's own values for handlers. */
  readonly app: AppContext
  /** By the clock of `performance.now()`. */
  readonly startedAt = performance.now()
  #channel: ClientChannel | undefined
  #method: string | undefined
  #params: Record<string, unknown> | undefined
  #loggable: readonly string[] = []
  #isStreaming = false
  #ended = false
  #controller: AbortController | undefined
  #asking: AbortController | undefined
  #reject: ((reason: unknown) => void) | undefined
  #onAbort: ((refusal: Refusal) => void) | undefined
  #onEnd: (() => void) | undefined
  readonly #deadlines: Deadlines
  readonly #running: RunningCalls | undefined
  readonly #place: Place<RunningCall> | undefined
  readonly #tracing: ExchangeParts['tracing']
  #span: MessageSpan | undefined
  readonly #deadline: Deadline
  #endedAt = 0

  /** `shared`: values shared by all exchanges of an endpoint. */
  constructor (
    caller: Caller,
    deadlineMs: number,
    { deadlines = new Deadlines(), running, app = nothing, tracing }: ExchangeParts = {}
  ) {
    super()
    this.caller = caller
    this.app = app
    this.#deadlines = deadlines
    this.#running = running
    this.#tracing = tracing
    this.#place = running?.add(this)
    this.#deadline = new Deadline(deadlines, this)
    this.#limitTo(deadlineMs, this.startedAt)
  }

  /** For a nested exchange. */
  get shared (): ExchangeParts {
    return {
      deadlines: this.#deadlines,
      app: this.app,
      tracing: this.#span,
      ...(this.#running === undefined ? {} : { running: this.#running })
    }
  }

  /** The requested method and item; `undefined` before the dispatch. */
  get method (): string | undefined {
    return this.#method
  }

  get params (): Readonly<Record<string, unknown>> | undefined {
    return this.#params
  }

  /** The names of arguments whose values may be in an audit record. */
  get loggable (): readonly string[] {
    return this.#loggable
  }

  /** When the deadline passes, by the clock of `performance.now()`. */
  get dueAt (): number {
    return this.#deadline.dueAt
  }

  /** Asks the caller. `undefined` if it cannot be asked. */
  get ask (): AskClient | undefined {
    return this.#channel?.ask
  }

  /** The keys of the questions whose answers came with the request. */
  get answered (): readonly string[] {
    return this.#channel?.answered ?? []
  }

  /** The caller's `_meta.progressToken`. */
  get progressToken (): string | number | undefined {
    const meta = this.#params?._meta
    const token = isRecord(meta) ? meta.progressToken : undefined
    return typeof token === 'string' || typeof token === 'number' ? token : undefined
  }

  /** Without a channel, messages before the answer are dropped, and the caller cannot be asked. */
  connect (channel: ClientChannel): void {
    this.#channel = channel
  }

  /** The message begins. Call it once, before the dispatch. */
  begin (method: string, params: Record<string, unknown>, id?: string | number): void {
    this.#method = method
    this.#params = params
    this.#span = this.#tracing?.begin({ method, params, id, caller: this.caller })
  }

  /** Runs `work` in the trace of the message. */
  within<T>(work: () => T): T {
    return this.#span === undefined ? work() : this.#span.run(work)
  }

  get span (): MessageSpan | undefined {
    return this.#span
  }

  /** Sends a message to the caller before the answer. */
  notify (method: string, params: Record<string, unknown>): Promise<void> {
    return this.#channel === undefined ? Promise.resolve() : this.#channel.notify(method, params)
  }

  /** Closes the stream of this call, if the era supports it; the caller resumes it for the rest. */
  closeStream (): void {
    this.#channel?.closeStream?.()
  }

  /** A message was sent before the answer, so the reply is a stream if the caller accepts one. */
  get isStreaming (): boolean {
    return this.#isStreaming
  }

  get ended (): boolean { return this.#ended }

  /** A handler waits for an answer of its caller. */
  get isAsking (): boolean {
    return this.#deadline.isSuspended
  }

  /** Created on first use: most handlers never use it. */
  get signal (): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#ended && this.refusal !== undefined) this.#controller.abort(this.refusal)
    return this.#controller.signal
  }

  /**
   * For questions to the caller. Aborted when the call ends in any way; otherwise a question that its handler no longer
   * awaits would be shown to a person for minutes.
   */
  get askingSignal (): AbortSignal {
    this.#asking ??= new AbortController()
    if (this.#ended) this.#asking.abort(this.refusal ?? 'the call has its answer')
    return this.#asking.signal
  }

  /** Starts the work of an item: applies its own deadline and charges its cost. `loggable`: see the property. */
  enter ({ deadlineMs, cost = 1 }: Item, loggable: readonly string[] = []): void | Promise<void> {
    this.#loggable = loggable
    if (deadlineMs !== undefined) this.#limitTo(deadlineMs)
    if (cost > 1) return this.caller.charge(cost - 1)
  }

  /**
   * Restarts the deadline: `ms` after `from`, by default now. The exchange also ends when the credential of its caller
   * expires.
   */
  #limitTo (ms: number, from = performance.now()): void {
    this.#deadline.restart(Math.min(ms, credentialMs(this.caller)), from)
  }

  /** Call before the first message. A caller whose credential is no longer valid receives no messages. */
  speak (): void {
    if (this.#isStreaming || this.#ended) return
    this.#isStreaming = true
    const over = this.caller.over?.()
    if (over !== undefined) this.abort(over)
  }

  /** The deadline has passed, or the credential has expired. */
  expire (): void {
    const over = this.caller.over?.()
    this.abort(over ?? new DeadlineError({ reason: 'deadline' }))
  }

  /**
   * Waits for an answer of the caller. That time counts against `limitMs` instead of the deadline. With
   * several open questions, the first one stops the deadline and the last answer restarts it.
   */
  async whileAsking<T>(limitMs: number, answer: Promise<T>): Promise<T> {
    this.speak()
    this.#deadline.suspend()
    this.#limitTo(limitMs)
    try {
      return await answer
    } finally {
      const leftMs = this.#deadline.resume()
      if (leftMs !== undefined && !this.#ended) this.#limitTo(leftMs)
    }
  }

  /** Calls `listener` with the refusal when the exchange is aborted; at once if it already was. */
  onAbort (listener: (refusal: Refusal) => void): void {
    if (this.#ended && this.refusal !== undefined) listener(this.refusal)
    else this.#onAbort = listener
  }

  /** Ends the exchange early: the deadline passed, the caller disconnected or cancelled. */
  abort (refusal: Refusal): void {
    if (this.#ended) return
    this.endWith(refusal)
    this.end()
    this.#controller?.abort(refusal)
    this.#reject?.(refusal)
    this.#onAbort?.(refusal)
  }

  /** Ends the wait for the handler with a result that asks the caller first. */
  suspend (result: Record<string, unknown>): void {
    if (this.#ended) return
    this.#reject?.(new Suspended(result))
    this.#reject = undefined
    this.end()
    this.#controller?.abort()
  }

  /** Ends the wait for the handler with a fault. */
  fail (error: unknown): void {
    this.#reject?.(error)
  }

  /** The answer is being sent: later messages of the handler are ignored. */
  end (): void {
    if (this.#ended) return
    this.#ended = true
    this.#endedAt = performance.now()
    this.#place?.remove()
    this.#deadline.stop()
    this.#asking?.abort(this.refusal ?? 'the call has its answer')
    // Deferred: the code that sends the answer may still record a refusal.
    if (this.#onEnd !== undefined) setImmediate(this.#onEnd)
  }

  /** Calls `listener` when the exchange has ended; at once if it already has. Supports one listener. */
  whenEnded (listener: () => void): void {
    if (this.#ended) listener()
    else this.#onEnd = listener
  }

  /** The result of `work`, or the refusal that ended the exchange first. */
  race<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#reject = reject
      work.then(resolve, reject)
    })
  }

  /** The duration of the message in milliseconds, so far if it is still running. */
  get ms (): number {
    return (this.#ended ? this.#endedAt : performance.now()) - this.startedAt
  }

  /** The outcome: `ok`, `tool-error` or the code of a refusal. `undefined` until the message is answered. */
  get outcome (): string | undefined {
    return this.failure ?? (this.#ended ? 'ok' : undefined)
  }
}
