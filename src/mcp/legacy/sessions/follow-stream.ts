/** Sends the rest of a call's stream to a caller that resumes it, whichever instance writes it. */
import { setTimeout as later } from 'node:timers/promises'
import { after, type Eventually } from '../../../lib/eventually.js'
import type { Bus } from '../../../fleet/bus.js'
import { isRecord } from '../../../lib/guards.js'
import { UnavailableError } from '../../../errors.js'
import { rpcRefusal } from '../../../to-refusal.js'
import type { EventStream } from '../../wire/event-stream.js'
import type { EventLog, KeptStream } from './event-log.js'
import type { Post } from './post.js'

export interface Followed {
  readonly session: { readonly id: string, readonly writerOf: (name: string) => Post | undefined }
  readonly bus: Bus
  readonly log: EventLog
  readonly stream: EventStream
  readonly name: string
  /** The last event that the caller has received. */
  readonly n: number
  /** The stored events after it. */
  readonly kept: KeptStream
  /** The signal of the request that resumes. */
  readonly requestId: string
}

/** How often the log is read for a stream of another instance if no notification arrives. */
const lookMs = 500

/** The instance that writes a stream: its id begins the name (`Session.nameStream`). */
export function writerOf (name: string): string {
  return name.slice(0, name.lastIndexOf('-'))
}

/** Resolves when the stream has ended, or continues as the live stream of its call. */
export async function followStream (followed: Followed): Promise<void> {
  const { session, bus, log, stream, name, n, kept } = followed
  const { readable } = stream
  const instance = writerOf(name)
  const notifications = instance === bus.id ? undefined : new EventNotifications(followed, instance)
  let last = n
  try {
    for (
      let rest: KeptStream | undefined = kept;
      rest !== undefined && !readable.destroyed && !readable.writableEnded;
    ) {
      for (const event of rest.events) {
        const room = stream.write(event.message, `${name}.${event.n}`)
        last = event.n
        // A call on this instance waits for the reader itself.
        if (room !== undefined && notifications !== undefined) await room
      }
      if (rest.isOver) {
        readable.once('close', () => {
          if (readable.readableEnded) log.deliver(session.id, name)
        })
        break
      }
      const writer = session.writerOf(name)
      if (writer?.attach(stream, last) === true) return
      const isLost = writer === undefined && (notifications === undefined || !(await bus.isAlive(instance)))
      if (!isLost) await notifications?.next()
      const before: KeptStream = rest
      const read = log.read(session.id, name, last)
      rest = read instanceof Promise ? await read : read
      // The stream may have ended since it was read before. Without anything new, nobody writes it any more.
      if (isLost && (rest === undefined || (!rest.isOver && rest.events.length === 0))) {
        await answerLost(followed, before)
        break
      }
    }
  } finally {
    notifications?.end()
  }
  stream.end()
}

const [firstWaitMs, lastWaitMs] = [10, 640]

/**
 * Reads a stream that another instance may not have logged completely: writes are not awaited, and an
 * instance without its store retries every half second. Waits longer each time, 1.3 seconds in all, and only
 * while that instance `isAlive`. After that, returns what `readLost` returns.
 */
export function readSoon (
  read: () => Eventually<KeptStream | undefined>,
  isAlive: () => Eventually<boolean>,
  readLost: () => Eventually<KeptStream | undefined>
): Eventually<KeptStream | undefined> {
  return after(read(), kept => kept ?? after(isAlive(), alive => alive ? readAgain(read, firstWaitMs) : readLost()))
}

/**
 * Reads a stream whose instance was killed after it had sent event `n` and before it had logged it: nothing more is
 * stored, and its calls will not be answered.
 */
export async function readUnlogged (
  log: EventLog,
  session: string,
  name: string,
  n: number
): Promise<KeptStream | undefined> {
  const all = await log.read(session, name, 0)
  const isUnlogged = all !== undefined && !all.isOver && (all.events.at(-1)?.n ?? 0) < n
  return isUnlogged ? { ...all, events: [] } : undefined
}

async function readAgain (
  read: () => Eventually<KeptStream | undefined>,
  waitMs: number
): Promise<KeptStream | undefined> {
  await later(waitMs)
  const kept = await read()
  return kept !== undefined || waitMs >= lastWaitMs ? kept : await readAgain(read, waitMs * 2)
}

/** The instance that runs the call is gone. */
async function answerLost ({ session, log, stream, name, requestId }: Followed, rest: KeptStream): Promise<void> {
  const { requests, events } = await log.read(session.id, name, 0) ?? rest
  const answered = new Set<unknown>()
  for (const { message } of events) {
    const { id, method } = JSON.parse(message) as { id?: unknown, method?: unknown }
    if (method === undefined) answered.add(id)
  }
  const refusal = new UnavailableError({ reason: 'the instance that ran the call is gone' })
  for (const id of requests) {
    if (!answered.has(id)) void stream.write(JSON.stringify(rpcRefusal(refusal, requestId, id)))
  }
}

/** Waits for notifications of another instance about new events of a stream. */
class EventNotifications {
  readonly #bus: Bus
  readonly #request: { readonly session: string, readonly name: string }
  readonly #instance: string
  readonly #stop: () => void
  #isAsked = false
  #hasCome = false
  #wake: (() => void) | undefined

  constructor ({ bus, session, name, stream: { readable } }: Followed, instance: string) {
    this.#bus = bus
    this.#request = { session: session.id, name }
    this.#instance = instance
    const stop = bus.on('session-event', message => {
      if (!isRecord(message) || message.session !== session.id || message.name !== name) return
      this.#hasCome = true
      this.#wake?.()
    })
    const wake = (): void => { this.#wake?.() }
    readable.once('close', wake)
    this.#stop = () => {
      stop()
      readable.off('close', wake)
    }
  }

  /** Waits for a notification, for at most the polling interval. Returns at once the first time. */
  async next (): Promise<void> {
    if (!this.#isAsked) {
      this.#isAsked = true
      // Without notifications, the log is read at every interval.
      await this.#bus.tell(this.#instance, 'session-follow', { ...this.#request, by: this.#bus.id }).catch(() => {})
      return
    }
    if (!this.#hasCome) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, lookMs)
        timer.unref()
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.#wake = undefined
    }
    this.#hasCome = false
  }

  end (): void {
    this.#stop()
  }
}

/** The instances where streams of this instance are being read. */
export class Followers {
  /** By stream name; `true` while an instance is being notified of new events. */
  readonly #byStream = new Map<string, Map<string, boolean>>()
  readonly #bus: Bus
  readonly #session: string

  constructor (bus: Bus, session: string) {
    this.#bus = bus
    this.#session = session
  }

  add (name: string, instance: string): void {
    const followers = this.#byStream.get(name) ?? new Map<string, boolean>()
    this.#byStream.set(name, followers.set(instance, false))
  }

  /** Announces new events of a stream. */
  tell (name: string): void {
    const followers = this.#byStream.get(name)
    for (const [instance, isBeingNotified] of followers ?? []) {
      if (isBeingNotified) continue
      followers?.set(instance, true)
      // One notification for all events in this turn of the event loop.
      setImmediate(() => {
        followers?.set(instance, false)
        this.#bus.tell(instance, 'session-event', { session: this.#session, name }).catch(() => {})
      })
    }
  }

  forget (name: string): void {
    this.#byStream.delete(name)
  }
}
