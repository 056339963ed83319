/** One call to an upstream. In revision 2026-07-28 it can span several requests of the caller. */
import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { CallContext } from '../tools/call-context.js'
import { longestTimerMs } from '../lib/timers.js'
import { askBy, CallOverError } from './questions.js'

type Params = Record<string, unknown>

/** What the caller requested, without its `_meta`. */
export interface UpstreamRequest {
  /** The name of the upstream. */
  readonly upstream: string
  readonly method: string
  readonly params: Params
}

interface Pending {
  readonly key: string
  readonly method: string
  readonly params: Params
  readonly resolve: (answer: Params) => void
  readonly reject: (error: unknown) => void
}

/** Passed to the function that runs the call at the upstream. */
export interface CallControls {
  readonly signal: AbortSignal
  readonly timeout: number
  readonly onprogress: (progress: {
    progress: number
    total?: number | undefined
    message?: string | undefined
  }) => void
  /** The number of unanswered questions. */
  readonly pending: () => number
  /** Asks the caller. The answer may arrive with a later request of the caller. */
  readonly ask: (method: string, params: Params) => Promise<Params>
}

/** How long a call waits for the next request of its caller, and how many calls may wait. */
const parkedMs = 10 * 60_000
const maxParked = 256
const maxParkedPerPrincipal = 8

export class UpstreamCall {
  readonly id = randomUUID()
  readonly principalId: string
  readonly request: UpstreamRequest
  readonly #controller = new AbortController()
  readonly #pending = new Map<string, Pending>()
  readonly #parking: Parking
  readonly #result: Promise<Params>
  #context: CallContext
  #asked = 0
  #isOver = false

  constructor (
    context: CallContext,
    request: UpstreamRequest,
    parking: Parking,
    run: (controls: CallControls) => Promise<Params>
  ) {
    this.principalId = context.principal.id
    this.request = request
    this.#context = context
    this.#parking = parking
    this.#result = run({
      signal: this.#controller.signal,
      timeout: longestTimerMs,
      onprogress: ({ progress, total, message }) => {
        this.#context.progress(progress, total, message).catch(() => {})
      },
      pending: () => this.#pending.size,
      ask: async (method, params) => await this.#ask(method, params)
    })
    this.#result.catch(() => {})
    this.#result
      .finally(() => {
        this.#isOver = true
        parking.forget(this)
        this.#rejectPending(new CallOverError('The call is over'))
      })
      .catch(() => {})
  }

  /** The context of the caller's latest request for this call. */
  get context (): CallContext { return this.#context }

  /** Resolves to the result. Called for the first request and for each later one that brings answers. */
  async follow (context: CallContext): Promise<Params> {
    this.#context = context
    if (context.signal.aborted) this.#onRequestEnd(context)
    else context.signal.addEventListener('abort', () => { this.#onRequestEnd(context) }, { once: true })
    for (const pending of this.#pending.values()) this.#deliver(pending)
    return await this.#result
  }

  end (): void {
    this.#controller.abort()
    this.#rejectPending(new Error('The caller did not answer'))
  }

  #rejectPending (error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
  }

  /** A call with an unanswered question waits for the next request. Any other call ends with its request. */
  #onRequestEnd (context: CallContext): void {
    if (this.#isOver || this.#context !== context) return
    if (this.#pending.size === 0 || !this.#parking.park(this)) this.end()
  }

  async #ask (method: string, params: Params): Promise<Params> {
    if (this.#isOver) throw new CallOverError('The call is over')
    this.#asked += 1
    const key = `${this.id}.${this.#asked}`
    return await new Promise((resolve, reject) => {
      const pending = { key, method, params, resolve, reject }
      this.#pending.set(key, pending)
      this.#deliver(pending)
    })
  }

  #deliver ({ key, method, params, resolve, reject }: Pending): void {
    askBy(this.#context, method, params, key).then(
      answer => { if (this.#pending.delete(key)) resolve(answer) },
      (error: unknown) => { if (this.#pending.delete(key)) reject(error) }
    )
  }
}

/**
 * Calls that wait for the next request of their caller. Limited in number. Only the same principal can resume
 * a call, and only with the same request: another tool may have other rights and limits.
 */
export class Parking {
  readonly #calls = new Map<string, { readonly call: UpstreamCall, readonly timer: NodeJS.Timeout }>()

  /** False if too many calls are waiting. */
  park (call: UpstreamCall): boolean {
    const own = [...this.#calls.values()].filter(({ call: { principalId } }) => principalId === call.principalId)
    if (this.#calls.size >= maxParked || own.length >= maxParkedPerPrincipal) return false
    const timer = setTimeout(() => {
      this.forget(call)
      call.end()
    }, parkedMs).unref()
    this.#calls.set(call.id, { call, timer })
    return true
  }

  /**
   * Returns the call that asked the questions with these `keys`. `undefined` if this principal has no such
   * call, or made it with another `request`.
   */
  resume (principalId: string, request: UpstreamRequest, keys: readonly string[]): UpstreamCall | undefined {
    for (const key of keys) {
      const call = this.#calls.get(key.slice(0, 36))?.call
      if (call?.principalId !== principalId || !isDeepStrictEqual(call.request, request)) continue
      this.forget(call)
      return call
    }
    return undefined
  }

  forget ({ id }: UpstreamCall): void {
    clearTimeout(this.#calls.get(id)?.timer)
    this.#calls.delete(id)
  }

  close (): void {
    for (const { call } of [...this.#calls.values()]) {
      this.forget(call)
      call.end()
    }
  }
}
