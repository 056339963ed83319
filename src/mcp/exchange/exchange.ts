/** One JSON-RPC message on its way through the bridge: who sent it, until when, and how it ends. */
import { DeadlineError, type Refusal } from '../../errors.js'
import { isRecord } from '../../lib/guards.js'
import type { AppContext } from '../../tools/app-context.js'
import type { Item } from '../../tools/tool.js'
import { type Ask, type Caller, type Notify, credentialMs } from './caller.js'
import { Deadlines, type Due } from './deadlines.js'
import { Ending } from './ending.js'
import type { Shared } from './shared.js'
import type { RunningCalls } from './running-calls.js'
import { Suspended } from './suspended.js'
import type { MessageSpan } from '../../telemetry/decision.js'
import type { Tracing } from '../../telemetry/tracing.js'

const nothing: AppContext = Object.freeze({})

/**
 * Lives from the arrival of one message to its answer. It owns the deadline, so that an answer
 * comes whatever the handler and the SDK do, and it goes deaf when it ended: a handler that
 * speaks later is not heard by the next caller.
 */
export class Exchange extends Ending implements Due {
  readonly caller: Caller
  /** What the app gives its handlers. */
  readonly app: AppContext
  /** On the clock of `performance.now()`. */
  readonly startedAt = performance.now()
  #notify: Notify | undefined
  #ask: Ask | undefined
  #answered: readonly string[] = []
  #closeStream: (() => void) | undefined
  #method: string | undefined
  #params: Record<string, unknown> | undefined
  #loggable: readonly string[] = []
  #isStreaming = false
  #ended = false
  #controller: AbortController | undefined
  #asking: AbortController | undefined
  #reject: ((reason: unknown) => void) | undefined
  #limitMs = 0
  /** Those that the caller has not answered yet. */
  #questions = 0
  /** What is left of the deadline while it is asked. */
  #leftMs = 0
  #onAbort: ((refusal: Refusal) => void) | undefined
  #onEnd: (() => void) | undefined
  readonly #deadlines: Deadlines
  readonly #running: RunningCalls | undefined
  readonly #tracing: Tracing | undefined
  #span: MessageSpan | undefined
  #dueAt = 0
  #endedAt = 0

  /** `shared`: what the exchanges of an endpoint have in common. */
  constructor (
    caller: Caller,
    deadlineMs: number,
    { deadlines = new Deadlines(), running, app = nothing, tracing }: Shared = {}
  ) {
    super()
    this.caller = caller
    this.app = app
    this.#deadlines = deadlines
    this.#running = running
    this.#tracing = tracing
    running?.add(this)
    this.limitTo(deadlineMs)
  }

  /** For an exchange within this one. */
  get shared (): Shared {
    return {
      deadlines: this.#deadlines,
      app: this.app,
      ...(this.#running === undefined ? {} : { running: this.#running })
    }
  }

  /** What was asked; `undefined` before the dispatch. */
  get method (): string | undefined {
    return this.#method
  }

  get params (): Readonly<Record<string, unknown>> | undefined {
    return this.#params
  }

  /** The names of the arguments whose values may stand on record. */
  get loggable (): readonly string[] {
    return this.#loggable
  }

  get dueAt (): number {
    return this.#dueAt
  }

  /** Asks the caller. `undefined` where it cannot be asked. */
  get ask (): Ask | undefined {
    return this.#ask
  }

  /** The keys of the questions whose answers came with the request. */
  get answered (): readonly string[] {
    return this.#answered
  }

  /** The caller's `_meta.progressToken`. */
  get progressToken (): string | number | undefined {
    const meta = this.#params?._meta
    const token = isRecord(meta) ? meta.progressToken : undefined
    return typeof token === 'string' || typeof token === 'number' ? token : undefined
  }

  /** How the era speaks to the caller before the answer. Left out: nobody listens, and nobody can be asked. */
  connect (notify: Notify, ask?: Ask, closeStream?: () => void): void {
    this.#notify = notify
    this.#ask = ask
    this.#closeStream = closeStream
  }

  /** From now on the caller can be asked by `ask`, or cannot be asked at all. */
  askBy (ask: Ask | undefined, answered: readonly string[] = []): void {
    this.#ask = ask
    this.#answered = answered
  }

  /** What the message asks is known. */
  begin (method: string, params: Record<string, unknown>, id?: string | number): void {
    this.#method = method
    this.#params = params
    this.#span ??= this.#tracing?.begin({ method, params, id, headers: this.caller.headers ?? {} })
  }

  /** `work`, as a part of the trace of the message. */
  within<T>(work: () => T): T {
    return this.#span === undefined ? work() : this.#span.run(work)
  }

  get span (): MessageSpan | undefined {
    return this.#span
  }

  /** Speaks to the caller before the answer. */
  notify (method: string, params: Record<string, unknown>): Promise<void> {
    return this.#notify === undefined ? Promise.resolve() : this.#notify(method, params)
  }

  /** Closes the stream of this call on the caller, who comes back for the rest; where the era can. */
  closeStream (): void {
    this.#closeStream?.()
  }

  /** Something was said before the answer, so the reply is a stream where the caller takes one. */
  get isStreaming (): boolean {
    return this.#isStreaming
  }

  get ended (): boolean {
    return this.#ended
  }

  /** A handler waits for its caller. */
  get isAsking (): boolean {
    return this.#questions > 0
  }

  /** Made when first asked for: most handlers never look. */
  get signal (): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#ended && this.refusal !== undefined) this.#controller.abort(this.refusal)
    return this.#controller.signal
  }

  /**
   * For questions to the caller: one that its handler did not wait for would stand before a person for
   * minutes. Aborted when the call ends, in whatever way.
   */
  get askingSignal (): AbortSignal {
    this.#asking ??= new AbortController()
    if (this.#ended) this.#asking.abort(this.refusal ?? 'the call has its answer')
    return this.#asking.signal
  }

  /** Begins the work of an item: its own deadline counts, and its cost is taken. `loggable`: see there. */
  enter ({ deadlineMs, cost = 1 }: Item, loggable: readonly string[] = []): void | Promise<void> {
    this.#loggable = loggable
    if (deadlineMs !== undefined) this.limitTo(deadlineMs)
    if (cost > 1) return this.caller.charge(cost - 1)
  }

  /**
   * Starts the deadline again, `ms` from now, or with the credential where something was said: no stream
   * outlives it.
   */
  limitTo (ms: number): void {
    const limitMs = this.#isStreaming ? Math.min(ms, credentialMs(this.caller)) : ms
    if (this.#limitMs > 0) this.#deadlines.remove(this.#limitMs, this)
    this.#limitMs = limitMs
    this.#dueAt = performance.now() + limitMs
    this.#deadlines.add(limitMs, this)
  }

  /** Something is about to be said before the answer: from now on the exchange ends with the caller's credential. */
  speak (): void {
    if (this.#isStreaming || this.#ended) return
    this.#isStreaming = true
    const over = this.caller.over?.()
    if (over !== undefined) this.abort(over)
    else if (credentialMs(this.caller) < this.#dueAt - performance.now()) this.limitTo(credentialMs(this.caller))
  }

  /** The deadline passed, or the credential of a stream. */
  expire (): void {
    const over = this.#isStreaming ? this.caller.over?.() : undefined
    this.abort(over ?? new DeadlineError({ reason: 'deadline' }))
  }

  /**
   * Waits for the caller, whose time does not count against the deadline but against `limitMs`. Of
   * several questions at once the first stops the deadline, and the last to be answered starts it again.
   */
  async whileAsking<T>(limitMs: number, answer: Promise<T>): Promise<T> {
    this.speak()
    if (this.#questions++ === 0) this.#leftMs = Math.max(1, Math.round(this.#dueAt - performance.now()))
    this.limitTo(limitMs)
    try {
      return await answer
    } finally {
      if (--this.#questions === 0 && !this.#ended) this.limitTo(this.#leftMs)
    }
  }

  /** Called with the refusal when the exchange is aborted, at once where it was: a caller may leave before its turn. */
  onAbort (listener: (refusal: Refusal) => void): void {
    if (this.#ended && this.refusal !== undefined) listener(this.refusal)
    else this.#onAbort = listener
  }

  /** Ends the exchange early: the deadline passed, the caller left or cancelled. */
  abort (refusal: Refusal): void {
    if (this.#ended) return
    this.endWith(refusal)
    this.end()
    this.#controller?.abort(refusal)
    this.#reject?.(refusal)
    this.#onAbort?.(refusal)
  }

  /** Ends the handler's race with a result that asks the caller first. */
  suspend (result: Record<string, unknown>): void {
    if (this.#ended) return
    this.#reject?.(new Suspended(result))
    this.#reject = undefined
    this.end()
    this.#controller?.abort()
  }

  /** Ends the handler's race with a fault of ours. */
  fail (error: unknown): void {
    this.#reject?.(error)
  }

  /** The answer is on its way: nothing that the handler says from now on is heard. */
  end (): void {
    if (this.#ended) return
    this.#ended = true
    this.#endedAt = performance.now()
    this.#running?.remove(this)
    this.#deadlines.remove(this.#limitMs, this)
    this.#asking?.abort(this.refusal ?? 'the call has its answer')
    // Later: what answers the message may still say that it is a refusal.
    if (this.#onEnd !== undefined) setImmediate(this.#onEnd)
  }

  /** Calls `listener` once the exchange has ended, at once where it has. Takes one listener. */
  whenEnded (listener: () => void): void {
    if (this.#ended) listener()
    else this.#onEnd = listener
  }

  /** `work`, or the refusal that ended the exchange before it. */
  race<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#reject = reject
      work.then(resolve, reject)
    })
  }

  /** Milliseconds that the message took, or has taken so far. */
  get ms (): number {
    return (this.#ended ? this.#endedAt : performance.now()) - this.startedAt
  }

  /** What became of the message: `ok`, `tool-error` or the code of a refusal. `undefined` while it has no answer. */
  get outcome (): string | undefined {
    return this.failure ?? (this.#ended ? 'ok' : undefined)
  }
}
