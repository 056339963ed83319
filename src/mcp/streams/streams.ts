/** The long-lived streams of an endpoint: limits them per caller, and ends them. */
import { type Refusal, TooManyStreamsError } from '../../errors.js'
import { longestTimerMs } from '../../lib/timers.js'
import type { Principal } from '../../principal/principal.js'
import { EventStream } from '../wire/event-stream.js'

export interface StreamsOptions {
  /** Default 16. */
  readonly maxPerPrincipal?: number | undefined
  /** Returns a refusal if no stream may open for a caller. Default: streams open for everybody. */
  readonly refusalFor?: ((holder: Holder) => Refusal | undefined) | undefined
}

/** How long a reader may take for data that is being sent. */
const lingerMs = 1000

/**
 * How long clients wait before they open the stream again, at another instance or a
 * new process, if the server stops.
 */
const comeBack = 'retry: 2000\n\n'

/** The owner of a stream, and its connection. */
export interface Holder {
  readonly principal: Principal
  /** The address of the caller, as the host determined it. */
  readonly address?: string | undefined
}

export interface Open extends Holder {
  /** A standing stream stays open until its caller closes it; other streams end with the answer of a call. */
  readonly isStanding: boolean
  readonly end: () => void
}

export class Streams {
  readonly #maxPerPrincipal: number
  readonly #refusalFor: (holder: Holder) => Refusal | undefined
  readonly #open = new Set<Open>()
  readonly #counts = new Map<string, number>()
  /** Functions that release the places of standing streams. */
  readonly #places = new WeakMap<EventStream, () => void>()
  #isEnding = false

  constructor ({ maxPerPrincipal = 16, refusalFor = () => undefined }: StreamsOptions = {}) {
    this.#refusalFor = refusalFor
    this.#maxPerPrincipal = maxPerPrincipal
  }

  get size (): number {
    return this.#open.size
  }

  /**
   * Opens a standing stream, which ends when the credential of its holder does. `farewell` writes the
   * last message if the server ends the stream. Throws if the caller has too many.
   */
  open (holder: Holder, farewell: (stream: EventStream) => void = () => {}): EventStream {
    return this.#counted(holder, () => this.#begin(holder, true, farewell))
  }

  /** Like `open`, for the rest of the stream of a call. */
  resume (holder: Holder): EventStream {
    return this.#counted(holder, () => this.#begin(holder, false))
  }

  /** For the stream of one call; their number is bounded by the request limit. */
  adopt (holder: Holder): EventStream {
    return this.#begin(holder, false)
  }

  #counted (holder: Holder, begin: () => EventStream): EventStream {
    const refusal = this.#refusalFor(holder)
    if (refusal !== undefined) throw refusal
    const { principal } = holder
    const count = this.#counts.get(principal.id) ?? 0
    if (count >= this.#maxPerPrincipal) { throw new TooManyStreamsError({ data: { limit: this.#maxPerPrincipal } }) }
    this.#counts.set(principal.id, count + 1)
    const stream = begin()
    const leave = (): void => {
      if (!this.#places.delete(stream)) return
      const left = (this.#counts.get(principal.id) ?? 1) - 1
      if (left === 0) this.#counts.delete(principal.id)
      else this.#counts.set(principal.id, left)
    }
    this.#places.set(stream, leave)
    stream.readable.once('close', leave)
    return stream
  }

  /** Ends a stream that a newer one replaces, and frees its place at once: its connection may be dead. */
  retire (stream: EventStream): void {
    this.#places.get(stream)?.()
    finish(stream)
  }

  #begin (
    { principal, address }: Holder,
    isStanding: boolean,
    farewell: (stream: EventStream) => void = () => {}
  ): EventStream {
    const stream = new EventStream()
    const end = (): void => {
      farewell(stream)
      if (isStanding && this.#isEnding) void stream.pass(comeBack)
      finish(stream)
    }
    // Not the holder itself, which holds a whole request.
    const entry = { principal, address, isStanding, end }
    this.#open.add(entry)
    // If its request arrived just before the end, nothing else would end it.
    if (isStanding && this.#isEnding) end()
    const callOff = endAt(principal.expiresAt, end)
    stream.readable.once('close', () => {
      callOff()
      this.#open.delete(entry)
    })
    return stream
  }

  /** Ends every stream for which `over` is true. */
  endWhere (over: (open: Open) => boolean): void {
    for (const open of this.#open) if (over(open)) open.end()
  }

  /** Ends standing streams; the streams of calls end with their answers. */
  endStanding (): void {
    this.#isEnding = true
    for (const { isStanding, end } of this.#open) if (isStanding) end()
  }

  close (): void {
    this.endWhere(() => true)
  }
}

/** Ends a stream, and closes its connection if the caller does not read: it would outlive the credential. */
function finish (stream: EventStream): void {
  stream.end()
  const { readable } = stream
  const timer = setTimeout(() => { readable.destroy() }, lingerMs).unref()
  readable.once('close', () => { clearTimeout(timer) })
}

/** Calls `end` at `expiresAt`; never if it is missing. Returns a function that cancels this. */
function endAt (expiresAt: number | undefined, end: () => void): () => void {
  if (expiresAt === undefined) return () => {}
  let timer: NodeJS.Timeout | undefined
  // Timers use another clock than dates, and often fire a millisecond early: then wait for the rest.
  const wait = (): void => {
    const leftMs = Math.min(longestTimerMs, Math.max(1, expiresAt - Date.now()))
    timer = setTimeout(() => { if (Date.now() >= expiresAt) end(); else wait() }, leftMs).unref()
  }
  wait()
  return () => { clearTimeout(timer) }
}
