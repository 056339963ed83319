/** Limits answers that callers read slowly: how long they may wait, and how many bytes. */
import { constants, Http2ServerRequest } from 'node:http2'
import type { Readable, Writable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Reply } from '../../mcp/wire/reply.js'
import { bodyBytesOf } from '../request/json-body.js'

export interface UnreadOptions {
  /**
   * Milliseconds that an answer may wait, in addition to the time that `minBytesPerSecond` allows. Default
   * 30,000.
   */
  readonly graceMs?: number
  /** The lowest speed at which a caller may read. Default 8,192. */
  readonly minBytesPerSecond?: number
  /**
   * Bytes that may wait for one caller. Beyond that, its largest answers are cut off, unless there is only
   * one. Default 32 MiB.
   */
  readonly maxBytesPerCaller?: number
  /**
   * Bytes that may wait in total. Beyond that, the largest answers of the caller with most are cut off.
   * Default 256 MiB.
   */
  readonly maxBytes?: number
}

/**
 * The operating system buffers about this much per connection. The number of connections is limited
 * elsewhere.
 */
const smallestBytes = 16 * 1024
const sweepMs = 1000
const mebibyte = 1024 ** 2
/** How long a caller that is reading may exceed its share. It may never have twice as much. */
const burstMs = 5000

type MaybeWritable = Readable & Partial<Pick<Writable, 'writableLength' | 'writableEnded'>>

interface Entry {
  readonly caller: string
  readonly reply: FastifyReply
  readonly since: number
  /** The bytes that wait. */
  readonly bytes: () => number
  /** When everything must have been read; `undefined` while more may follow. */
  readonly dueAt: () => number | undefined
}

/** The waiting answers of one caller, with their sizes at the time of the check. */
interface HeldAnswers {
  bytes: number
  readonly entries: Map<Entry, number>
}

/**
 * Node's buffer for a connection is unbounded, and a connection that reads a byte now and then does not time
 * out. So a slow reader could fill the memory. This class cuts off its answers and closes their connections.
 */
export class UnreadAnswers {
  /** The followed answers, each with a function that stops following it. */
  readonly #entries = new Map<Entry, () => void>()
  readonly #graceMs: number
  readonly #bytesPerMs: number
  readonly #maxBytesPerCaller: number
  readonly #maxBytes: number
  /** The total of plain answers. Streams are not included, because their size changes. */
  #heldBytes = 0
  #sweep: NodeJS.Timeout | undefined

  constructor (options: UnreadOptions = {}) {
    const {
      graceMs = 30_000,
      minBytesPerSecond = 8192,
      maxBytesPerCaller = 32 * mebibyte,
      maxBytes = 256 * mebibyte
    } = options
    this.#graceMs = graceMs
    this.#bytesPerMs = minBytesPerSecond / 1000
    this.#maxBytesPerCaller = maxBytesPerCaller
    this.#maxBytes = maxBytes
  }

  /**
   * Follows an answer that is about to be sent. The body of the request counts as well, because its arguments
   * are kept for the audit until the answer is sent.
   */
  follow (caller: string, reply: FastifyReply, { json, stream }: Pick<Reply, 'json' | 'stream'>): void {
    const body = bodyBytesOf(reply.request)
    if (stream !== undefined) return this.#followStream(caller, reply, stream, body)
    if (json === undefined || json.length + body < smallestBytes) return
    this.#followText(caller, reply, Buffer.byteLength(json) + body)
  }

  #followText (caller: string, reply: FastifyReply, size: number): void {
    const now = performance.now()
    const dueAt = this.#dueAt(now, size)
    this.#heldBytes += size
    this.#add({ caller, reply, since: now, bytes: () => size, dueAt: () => dueAt }, () => { this.#heldBytes -= size })
    if (this.#heldBytes > Math.min(this.#maxBytesPerCaller, this.#maxBytes)) this.#cutExcess(now)
  }

  /** Writers of a stream wait for the caller, except for the last event. */
  #followStream (caller: string, reply: FastifyReply, stream: MaybeWritable, body: number): void {
    let endedAt: number | undefined
    const bytes = (): number => {
      const waiting = stream.readableLength + (stream.writableLength ?? 0) + (reply.raw.writableLength || 0)
      return waiting === 0 ? 0 : waiting + body
    }
    const dueAt = (): number | undefined => {
      if (stream.writableEnded === true) endedAt ??= performance.now()
      return endedAt === undefined ? undefined : this.#dueAt(endedAt, bytes())
    }
    this.#add({ caller, reply, since: performance.now(), bytes, dueAt })
  }

  close (): void {
    clearInterval(this.#sweep)
  }

  #dueAt (from: number, size: number): number {
    return from + this.#graceMs + size / this.#bytesPerMs
  }

  #add (entry: Entry, onEnd: () => void = () => {}): void {
    const end = (): void => {
      if (!this.#entries.delete(entry)) return
      onEnd()
      if (this.#entries.size > 0) return
      clearInterval(this.#sweep)
      this.#sweep = undefined
    }
    this.#entries.set(entry, end)
    this.#sweep ??= setInterval(() => { this.#look() }, sweepMs).unref()
    entry.reply.raw.on('finish', end).on('close', end)
  }

  #look (): void {
    const now = performance.now()
    for (const entry of this.#entries.keys()) {
      const dueAt = entry.dueAt()
      if (dueAt !== undefined && dueAt <= now) this.#cut(entry, 'an answer was not read in time')
    }
    this.#cutExcess(now)
  }

  #cutExcess (now: number): void {
    const callers = this.#byCaller()
    for (const held of callers) {
      while (held.bytes > this.#maxBytesPerCaller && held.entries.size > 1) {
        const evenBursts = held.bytes > 2 * this.#maxBytesPerCaller
        if (!this.#cutLargest(held, now, evenBursts, 'too many unread bytes of one caller')) break
      }
    }
    for (;;) {
      const total = callers.reduce((sum, { bytes }) => sum + bytes, 0)
      if (total <= this.#maxBytes) return
      const most = callers.reduce((one, other) => other.bytes > one.bytes ? other : one)
      if (!this.#cutLargest(most, now, total > 2 * this.#maxBytes, 'too many unread bytes in total')) return
    }
  }

  #byCaller (): HeldAnswers[] {
    const callers = new Map<string, HeldAnswers>()
    for (const entry of this.#entries.keys()) {
      const bytes = entry.bytes()
      const held = callers.get(entry.caller) ?? { bytes: 0, entries: new Map() }
      held.bytes += bytes
      held.entries.set(entry, bytes)
      callers.set(entry.caller, held)
    }
    return [...callers.values()]
  }

  /** Returns false if everything that waits is a burst that may still be read, unless `evenBursts` is set. */
  #cutLargest (held: HeldAnswers, now: number, evenBursts: boolean, reason: string): boolean {
    let largest: readonly [Entry, number] | undefined
    for (const [entry, bytes] of held.entries) {
      const mayBeCut = bytes > 0 && (evenBursts || now - entry.since >= burstMs)
      if (mayBeCut && (largest === undefined || bytes > largest[1])) largest = [entry, bytes]
    }
    if (largest === undefined) return false
    const [entry, bytes] = largest
    held.entries.delete(entry)
    held.bytes -= bytes
    this.#cut(entry, reason)
    return true
  }

  #cut (entry: Entry, reason: string): void {
    const { caller, reply, bytes } = entry
    reply.log.info({ principal: caller, bytes: bytes(), reason }, 'answer cut off')
    this.#entries.get(entry)?.()
    const { raw: request } = reply.request
    // Destroys the connection itself, because a pipelined answer has no socket yet. Over HTTP/2, other
    // requests use the connection.
    if (request instanceof Http2ServerRequest) request.stream.close(constants.NGHTTP2_CANCEL)
    else request.socket.destroy()
  }
}
