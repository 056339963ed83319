/** Bounds for answers that callers read slowly: how long and how many bytes may wait. */
import { constants, Http2ServerRequest } from 'node:http2'
import type { Readable, Writable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Reply } from '../../mcp/wire/reply.js'
import { bodyBytesOf } from '../request/json-body.js'

export interface UnreadOptions {
  /** Milliseconds that an answer may wait, besides the time that `minBytesPerSecond` gives it. Default 30,000. */
  readonly graceMs?: number
  /** How fast a caller has to read at least. Default 8,192. */
  readonly minBytesPerSecond?: number
  /**
   * Bytes that may wait for one caller. Beyond them its largest answers are cut off, but not its only one.
   * Default 32 MiB.
   */
  readonly maxBytesPerCaller?: number
  /** Bytes that may wait in all. Beyond them the caller with most loses its largest answers. Default 256 MiB. */
  readonly maxBytes?: number
}

/** The system's own buffers take this much at once. How many there are is bounded by the number of connections. */
const smallestBytes = 16 * 1024
const sweepMs = 1000
const mebibyte = 1024 ** 2
/** A caller that reads may have more than its share for so long, but never twice as much. */
const burstMs = 5000

type MaybeWritable = Readable & Partial<Pick<Writable, 'writableLength' | 'writableEnded'>>

interface Entry {
  readonly caller: string
  readonly reply: FastifyReply
  readonly since: number
  /** Bytes that wait. */
  readonly bytes: () => number
  /** When all of it must have been read; `undefined` while more may come. */
  readonly dueAt: () => number | undefined
}

/** What waits for one caller, with the bytes of each as they were when it was looked at. */
interface Held {
  bytes: number
  readonly entries: Map<Entry, number>
}

/**
 * Node's buffer for a connection has no bound, and a connection is not idle while a byte is read now and then. So a
 * caller that reads slowly could fill the memory. Here its answers are cut off, with their connections.
 */
export class UnreadAnswers {
  /** Each with what ends its being followed. */
  readonly #entries = new Map<Entry, () => void>()
  readonly #graceMs: number
  readonly #bytesPerMs: number
  readonly #maxBytesPerCaller: number
  readonly #maxBytes: number
  /** Of the answers alone: streams change in size. */
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
   * Follows an answer that is about to be sent. The arguments of its call are kept until then, too, for those who
   * keep records, so the body of the request counts as well.
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

  /** The writers of a stream wait for the caller; its last event does not. */
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

  #byCaller (): Held[] {
    const callers = new Map<string, Held>()
    for (const entry of this.#entries.keys()) {
      const bytes = entry.bytes()
      const held = callers.get(entry.caller) ?? { bytes: 0, entries: new Map() }
      held.bytes += bytes
      held.entries.set(entry, bytes)
      callers.set(entry.caller, held)
    }
    return [...callers.values()]
  }

  /** False where all that waits is part of a burst that may still be read, and `evenBursts` is not set. */
  #cutLargest (held: Held, now: number, evenBursts: boolean, reason: string): boolean {
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
    // The connection itself: an answer that waits behind another has none yet. Over HTTP/2 others use it.
    if (request instanceof Http2ServerRequest) request.stream.close(constants.NGHTTP2_CANCEL)
    else request.socket.destroy()
  }
}
