/** The events of session streams in Redis, so that any instance can resume a stream. */
import { EventBounds, type EventBoundsOptions } from '../mcp/legacy/sessions/event-bounds.js'
import type { EventLog, KeptEvent, KeptStream } from '../mcp/legacy/sessions/event-log.js'
import type { RedisKeys } from './link/keys.js'
import type { Link } from './link/link.js'
import { available } from './sessions.js'
import { appendEvent, readEvents } from './session-scripts.js'

export interface RedisEventsOptions extends EventBoundsOptions {
  readonly link: Link
  readonly keys: RedisKeys
}

/**
 * How long a stream is kept after its last event: while calls run, after their end, and after its delivery.
 */
const [runningMs, owedMs, deliveredMs] = [60 * 60_000, 5 * 60_000, 60_000]
/** Delay until failed writes are tried again. */
const againMs = 500
/** Maximum size of the events that wait until Redis is available, in bytes of JSON. */
const maxBehindBytes = 16 * 1024 * 1024

interface Kept {
  readonly bounds: EventBounds
  readonly names: Set<string>
  usedAt: number
}

interface Write {
  readonly run: () => Promise<unknown>
  readonly bytes: number
}

/** Each stream is a sorted set. Only the instance that runs its calls writes it. */
export class RedisEvents implements EventLog {
  readonly #link: Link
  readonly #keys: RedisKeys
  readonly #options: EventBoundsOptions
  /** The streams that this instance wrote, by session. */
  readonly #sessions = new Map<string, Kept>()
  /** Pending writes, in order. */
  #behind: Write[] = []
  #behindBytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor ({ link, keys, ...options }: RedisEventsOptions) {
    this.#link = link
    this.#keys = keys
    this.#options = options
    link.onUp(() => { this.#catchUp() })
  }

  open (session: string, name: string, requests: KeptStream['requests'], isOwed: boolean): void {
    const kept = this.#keptOf(session)
    kept.bounds.open(name, isOwed)
    kept.names.add(name)
    const [, about] = this.#keysOf(session, name)
    this.#write(() => this.#link.call('SET', about, JSON.stringify(requests), 'PX', runningMs))
  }

  append (session: string, name: string, { n, message }: KeptEvent): void {
    const kept = this.#sessions.get(session)
    if (kept === undefined || !kept.names.has(name)) return
    kept.usedAt = performance.now()
    const bytes = Buffer.byteLength(message)
    const event = [n, `${n}|${message}`, runningMs]
    this.#write(() => this.#link.run(appendEvent, this.#keysOf(session, name), event), bytes)
    for (const { name: shorter, before } of kept.bounds.add(name, bytes)) {
      const keys = this.#keysOf(session, shorter)
      if (before === Infinity) {
        kept.names.delete(shorter)
        this.#write(() => this.#link.call('UNLINK', ...keys))
      } else {
        this.#write(() => this.#link.call('ZREMRANGEBYSCORE', keys[0], '-inf', `(${before}`))
      }
    }
  }

  finish (session: string, name: string): void {
    this.#write(() => this.#link.run(appendEvent, this.#keysOf(session, name), ['+inf', 'over', owedMs]))
  }

  deliver (session: string, name: string): void {
    this.#sessions.get(session)?.bounds.deliver(name)
    for (const key of this.#keysOf(session, name)) this.#write(() => this.#link.call('PEXPIRE', key, deliveredMs))
  }

  async read (session: string, name: string, n: number): Promise<KeptStream | undefined> {
    const reply = await available(this.#link.run(readEvents, this.#keysOf(session, name), [n]))
    if (!Array.isArray(reply)) return undefined
    const [about, ...texts] = reply.map(String)
    const events: KeptEvent[] = []
    let isOver = false
    for (const text of texts) {
      if (text === 'over') isOver = true
      const place = Number(text.slice(0, text.indexOf('|')))
      if (text === 'over') continue
      if (place !== n + events.length + 1) return undefined
      events.push({ n: place, message: text.slice(text.indexOf('|') + 1) })
    }
    return { requests: requestsIn(about), isOver, events }
  }

  drop (session: string): void {
    const kept = this.#sessions.get(session)
    this.#sessions.delete(session)
    for (const name of kept?.names ?? []) this.#write(() => this.#link.call('UNLINK', ...this.#keysOf(session, name)))
  }

  /**
   * The keys of a stream: its events, and the ids of its requests. Both are in the Cluster slot of the
   * session.
   */
  #keysOf (session: string, name: string): [string, string] {
    return [this.#keys.of('s', session, `:e:${name}`), this.#keys.of('s', session, `:m:${name}`)]
  }

  #keptOf (session: string): Kept {
    const known = this.#sessions.get(session)
    const now = performance.now()
    if (known !== undefined) {
      known.usedAt = now
      return known
    }
    // Their events have expired in Redis, too.
    for (const [id, { usedAt }] of this.#sessions) if (now - usedAt > runningMs) this.#sessions.delete(id)
    const kept = { bounds: new EventBounds(this.#options), names: new Set<string>(), usedAt: now }
    this.#sessions.set(session, kept)
    return kept
  }

  #write (run: () => Promise<unknown>, bytes = 64): void {
    if (this.#behind.length > 0 || !this.#link.isUp) this.#wait({ run, bytes })
    else run().catch(() => { this.#wait({ run, bytes }) })
  }

  /**
   * Queues a write. If too much is waiting, the oldest writes are dropped. A reader detects the gap and
   * treats the stream as expired.
   */
  #wait (write: Write): void {
    this.#behind.push(write)
    this.#behindBytes += write.bytes
    while (this.#behindBytes > maxBehindBytes) this.#behindBytes -= this.#behind.shift()?.bytes ?? 0
    // If a single node of a Cluster fails, no event tells when it is available again.
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      if (this.#link.isUp) this.#catchUp()
    }, againMs).unref()
  }

  #catchUp (): void {
    const behind = this.#behind
    this.#behind = []
    this.#behindBytes = 0
    for (const { run, bytes } of behind) this.#write(run, bytes)
  }
}

function requestsIn (json: string | undefined): KeptStream['requests'] {
  try {
    const value: unknown = JSON.parse(json ?? '')
    return Array.isArray(value)
      ? value.filter((id): id is string | number => typeof id === 'string' || typeof id === 'number')
      : []
  } catch {
    return []
  }
}
