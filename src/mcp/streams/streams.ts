/** The long-lived streams of an endpoint: how many a caller may hold, and when each ends. */
import { type Refusal, TooManyStreamsError } from '../../errors.js'
import { longestTimerMs } from '../../lib/timers.js'
import type { Principal } from '../../principal/principal.js'
import { EventStream } from '../wire/event-stream.js'

export interface StreamsOptions {
  /** Default 16. */
  readonly maxPerPrincipal?: number | undefined
  /** The refusal of a caller for whom no stream opens. Left out: streams open for everybody. */
  readonly refusalFor?: ((holder: Holder) => Refusal | undefined) | undefined
}

/** What a caller that reads needs for what is on its way. */
const lingerMs = 1000

/**
 * Where the server stops: how long to wait before the stream is asked for again, at another instance or a
 * new process.
 */
const comeBack = 'retry: 2000\n\n'

/** Whose a stream is, and where it goes: what its credential may be good for no longer. */
export interface Holder {
  readonly principal: Principal
  /** The caller's, as the host knows it. */
  readonly address?: string | undefined
}

export interface Open extends Holder {
  /** It stands for as long as the caller likes; any other ends with the answer of a call. */
  readonly isStanding: boolean
  readonly end: () => void
}

export class Streams {
  readonly #maxPerPrincipal: number
  readonly #refusalFor: (holder: Holder) => Refusal | undefined
  readonly #open = new Set<Open>()
  readonly #counts = new Map<string, number>()
  /** How to give back the places of the streams that take one. */
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
   * last message and is called where the stream ends on our side. Throws where the caller has too many.
   */
  open (holder: Holder, farewell: (stream: EventStream) => void = () => {}): EventStream {
    return this.#counted(holder, () => this.#begin(holder, true, farewell))
  }

  /** Like `open`, for the rest of the stream of a call. */
  resume (holder: Holder): EventStream {
    return this.#counted(holder, () => this.#begin(holder, false))
  }

  /** For the stream of one call: the request limit bounds how many there are. */
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

  /** Ends a stream that a newer one takes over from. Its place is free at once: its connection may be dead. */
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
    // Not the holder itself: it is a whole request.
    const entry = { principal, address, isStanding, end }
    this.#open.add(entry)
    // Nothing would end it any more where its request came in just before the end.
    if (isStanding && this.#isEnding) end()
    const callOff = endAt(principal.expiresAt, end)
    stream.readable.once('close', () => {
      callOff()
      this.#open.delete(entry)
    })
    return stream
  }

  /** Ends every stream that `over` is true for. */
  endWhere (over: (open: Open) => boolean): void {
    for (const open of this.#open) if (over(open)) open.end()
  }

  /** Ends what would otherwise stand for ever, and leaves the streams of calls to their answers. */
  endStanding (): void {
    this.#isEnding = true
    for (const { isStanding, end } of this.#open) if (isStanding) end()
  }

  close (): void {
    this.endWhere(() => true)
  }
}

/** Ends a stream, and cuts it off where its caller does not read: it would outlive the credential. */
function finish (stream: EventStream): void {
  stream.end()
  const { readable } = stream
  const timer = setTimeout(() => { readable.destroy() }, lingerMs).unref()
  readable.once('close', () => { clearTimeout(timer) })
}

/** Calls `end` once `expiresAt` has come; never where it is left out. Returns how to call that off. */
function endAt (expiresAt: number | undefined, end: () => void): () => void {
  if (expiresAt === undefined) return () => {}
  let timer: NodeJS.Timeout | undefined
  // A timer counts by another clock than dates, and often fires a millisecond before its date: then for what is left.
  const wait = (): void => {
    const leftMs = Math.min(longestTimerMs, Math.max(1, expiresAt - Date.now()))
    timer = setTimeout(() => { if (Date.now() >= expiresAt) end(); else wait() }, leftMs).unref()
  }
  wait()
  return () => { clearTimeout(timer) }
}
