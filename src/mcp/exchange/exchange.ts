/** One JSON-RPC message on its way through the bridge: who sent it, until when, and how it ends. */
import { DeadlineError, type Refusal, isRefusal, toRefusal } from '../../errors.js'
import type { Principal } from '../../principal/principal.js'
import type { Budget, Item } from '../../tools/tool.js'
import type { Question } from './client-answers.js'
import { Deadlines, type Due } from './deadlines.js'
import { fieldsOf } from '../wire/log-fields.js'

/** The part of a pino logger that the bridge needs. */
export interface Log {
  info: (fields: object, message: string) => void
  error: (fields: object, message: string) => void
}

/** What the host knows of the caller. */
export interface Caller {
  readonly principal: Principal
  /** Where the request came from, as the host knows it. */
  readonly address?: string | undefined
  readonly requestId: string
  readonly log: Log
  /** What remains of the caller's own limit; null where no limit is registered. */
  readonly budget: () => Promise<Budget | null>
  /** Takes `cost` from the caller's limit or throws a refusal. */
  readonly charge: (cost: number) => Promise<void>
  /** The refusal that is due where the caller's credential is good no longer. Left out: it always is. */
  readonly over?: () => Refusal | undefined
}

const clockSlackMs = 3

export type Notify = (method: string, params: Record<string, unknown>) => Promise<void>
export type Ask = (method: Question, params: Record<string, unknown>, key?: string) => Promise<Record<string, unknown>>

/** Not a failure: the handler can't go on before the caller answered, in a request to come. */
export class Suspended {
  readonly result: Record<string, unknown>
  readonly #made = true

  constructor (result: Record<string, unknown>) {
    this.result = result
  }

  /** Not `instanceof`: of a hostile proxy that a handler threw it can throw, or lie. */
  static is (thrown: unknown): thrown is Suspended {
    return typeof thrown === 'object' && thrown !== null && #made in thrown
  }
}

/**
 * Lives from the arrival of one message to its answer. It owns the deadline, so that an answer
 * comes whatever the handler and the SDK do, and it goes deaf when it ended: a handler that
 * speaks later is not heard by the next caller.
 */
export class Exchange implements Due {
  readonly caller: Caller
  /** Speaks to the caller before the answer. Set by the era; by default nobody listens. */
  notify: Notify = async () => {}
  /** Asks the caller. Set by the era where it can. */
  ask: Ask | undefined
  /** Closes the stream of this call on the caller, who comes back for the rest. Set by the era where it can. */
  closeStream: (() => void) | undefined
  /** The refusal this message was answered with, for the status and the headers of the reply. */
  refusal: Refusal | undefined
  /** The caller's `_meta.progressToken`. */
  progressToken: string | number | undefined
  /** What was asked, for the log. Set where the message is dispatched. */
  method: string | undefined
  params: Record<string, unknown> | undefined
  /** The result is that of a tool that failed. */
  toolFailed = false

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
  readonly #deadlines: Deadlines
  /** On the clock of `performance.now()`. */
  dueAt = 0

  /** `deadlines`: shared by the exchanges of an endpoint. */
  constructor (caller: Caller, deadlineMs: number, deadlines = new Deadlines()) {
    this.caller = caller
    this.#deadlines = deadlines
    this.limitTo(deadlineMs)
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

  /** Begins the work of an item: its own deadline counts, and its cost is taken. */
  enter ({ deadlineMs, cost = 1 }: Item): void | Promise<void> {
    if (deadlineMs !== undefined) this.limitTo(deadlineMs)
    if (cost > 1) return this.caller.charge(cost - 1)
  }

  /** Starts the deadline again, `ms` from now, or with the credential where something was said: no stream outlives it. */
  limitTo (ms: number): void {
    const limitMs = this.#isStreaming ? Math.min(ms, this.#credentialMs) : ms
    if (this.#limitMs > 0) this.#deadlines.remove(this.#limitMs, this)
    this.#limitMs = limitMs
    this.dueAt = performance.now() + limitMs
    this.#deadlines.add(limitMs, this)
  }

  /** Milliseconds that are left of the caller's credential, at least 1. */
  get #credentialMs (): number {
    const { expiresAt = Infinity } = this.caller.principal
    // A timer counts by another clock than dates, and may be early by a millisecond or two.
    return Math.max(1, expiresAt - Date.now() + clockSlackMs)
  }

  /** Something is about to be said before the answer: from now on the exchange ends with the caller's credential. */
  speak (): void {
    if (this.#isStreaming || this.#ended) return
    this.#isStreaming = true
    const over = this.caller.over?.()
    if (over !== undefined) this.abort(over)
    else if (this.#credentialMs < this.dueAt - performance.now()) this.limitTo(this.#credentialMs)
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
  async whileAsking<T> (limitMs: number, answer: Promise<T>): Promise<T> {
    this.speak()
    if (this.#questions++ === 0) this.#leftMs = Math.max(1, Math.round(this.dueAt - performance.now()))
    this.limitTo(limitMs)
    try {
      return await answer
    } finally {
      if (--this.#questions === 0 && !this.#ended) this.limitTo(this.#leftMs)
    }
  }

  /** Waits for `room`, and no longer than the exchange may last: a caller that stops to read would keep its handler for ever. */
  async orAbort (room: Promise<void>): Promise<void> {
    const { signal } = this
    await new Promise<void>(resolve => {
      if (signal.aborted) return resolve()
      const done = (): void => {
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done)
      room.then(done, done)
    })
  }

  /** Called with the refusal when the exchange is aborted, at once where it was: a caller may leave before its turn. */
  onAbort (listener: (refusal: Refusal) => void): void {
    if (this.#ended && this.refusal !== undefined) listener(this.refusal)
    else this.#onAbort = listener
  }

  /** Ends the exchange early: the deadline passed, the caller left or cancelled. */
  abort (refusal: Refusal): void {
    if (this.#ended) return
    this.refusal = refusal
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
    this.#deadlines.remove(this.#limitMs, this)
    this.#asking?.abort(this.refusal ?? 'the call has its answer')
  }

  /** `work`, or the refusal that ended the exchange before it. */
  race<T> (work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#reject = reject
      work.then(resolve, reject)
    })
  }

  /** What became of the message, for the log. `undefined` while it has no answer. */
  get outcome (): string | undefined {
    return this.refusal?.code ?? (this.toolFailed ? 'tool-error' : this.#ended ? 'ok' : undefined)
  }

  /**
   * What the caller may see of `error`: a refusal as it is, anything else as an internal error
   * whose cause stands in the log under the same request id.
   */
  refuse (error: unknown): Refusal {
    const refusal = toRefusal(error)
    this.refusal = refusal
    const { requestId, log, principal } = this.caller
    const about = { ...fieldsOf(this), code: refusal.code, principal: principal.id, requestId }
    if (isRefusal(error) && error.statusCode < 500) log.info({ ...about, reason: refusal.reason }, 'refused')
    else log.error({ ...about, err: describe(error) }, 'fault')
    return refusal
  }
}

/** For the log: an error as it is; what else was thrown, as an error that says so. */
function describe (thrown: unknown): unknown {
  try {
    return thrown instanceof Error ? thrown : new Error(`thrown: ${String(thrown)}`)
  } catch {
    return new Error('thrown: a value that cannot be read')
  }
}
