/** One call of a caller at an upstream. It spans the rounds of questions in revision 2026-07-28. */
import { randomUUID } from 'node:crypto'
import type { CallContext } from '../tools/call-context.js'
import { longestTimerMs } from '../lib/timers.js'
import { askBy, CallOverError } from './questions.js'

type Params = Record<string, unknown>

interface Pending {
  readonly key: string
  readonly method: string
  readonly params: Params
  readonly resolve: (answer: Params) => void
  readonly reject: (error: unknown) => void
}

/** What a call may do while it runs at the upstream. */
export interface CallControls {
  readonly signal: AbortSignal
  readonly timeout: number
  readonly onprogress: (progress: {
    progress: number
    total?: number | undefined
    message?: string | undefined
  }) => void
  /** Questions that are not answered yet. */
  readonly pending: () => number
  /** Asks the caller; may take several of our own requests, but it is one question to the upstream. */
  readonly ask: (method: string, params: Params) => Promise<Params>
}

/** How long a call waits for the caller's next round, and how many calls may wait. */
const parkedMs = 10 * 60_000
const maxParked = 256
const maxParkedPerPrincipal = 8

export class UpstreamCall {
  readonly id = randomUUID()
  readonly principalId: string
  readonly #controller = new AbortController()
  readonly #pending = new Map<string, Pending>()
  readonly #parking: Parking
  readonly #result: Promise<Params>
  #context: CallContext
  #asked = 0
  #isOver = false

  constructor (context: CallContext, parking: Parking, run: (controls: CallControls) => Promise<Params>) {
    this.principalId = context.principal.id
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

  /** The context of the request that serves the call now. */
  get context (): CallContext { return this.#context }

  /** The result, for the request of `context`: the first one, or one that comes with answers. */
  async follow (context: CallContext): Promise<Params> {
    this.#context = context
    if (context.signal.aborted) this.#left(context)
    else context.signal.addEventListener('abort', () => { this.#left(context) }, { once: true })
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

  /** A call that waits for an answer waits for the next round; any other ends with its request. */
  #left (context: CallContext): void {
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

/** Calls that wait for their caller's next round; bounded, and each found by its own principal alone. */
export class Parking {
  readonly #calls = new Map<string, { readonly call: UpstreamCall, readonly timer: NodeJS.Timeout }>()

  /** False where there is no place left. */
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

  /** The call whose questions have these `keys`; `undefined` if this principal has no such call. */
  resume (principalId: string, keys: readonly string[]): UpstreamCall | undefined {
    for (const key of keys) {
      const call = this.#calls.get(key.slice(0, 36))?.call
      if (call?.principalId !== principalId) continue
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
