/** The worker's side of the ports: each one calls its implementation in the primary. */
import { randomUUID } from 'node:crypto'
import type { Bus, Json, KeptNews, Listener } from '../fleet/bus.js'
import { Topics } from '../fleet/in-process-bus.js'
import type { Ask, Taken } from '../limits/limits.js'
import { ShadowedLimits } from '../limits/shadowed-limits.js'
import type { EventLog, KeptStream } from '../mcp/legacy/sessions/event-log.js'
import type { SessionBounds, SessionRecord, SessionStore } from '../mcp/legacy/sessions/store.js'
import { type KnownThere, MemoryKnownThere } from '../principal/known-there.js'
import type { OneTimeStore } from '../tokens/one-time-store.js'
import type { Channel } from './channel.js'
import { metricsTopic } from './messages.js'

// Results are not checked, because the primary runs the same code.
const as = <T>(value: unknown): T => value as T
const given = <T>(value: unknown): T | undefined => value === null ? undefined : value as T

export class WorkerLimits extends ShadowedLimits {
  constructor (channel: Channel) {
    super({
      remote: {
        isUp: true,
        get instances () { return channel.workers },
        take: async (asks: readonly Ask[]) => as<readonly Taken[]>(await channel.call('limits', 'take', asks)),
        leave: async (place, holder) => { channel.post('limits', 'leave', place, holder) },
        clear: async (bucket, at) => await channel.call('limits', 'clear', bucket, at),
        onUp: () => {}
      }
    })
  }
}

export class WorkerKnownThere implements KnownThere {
  readonly #channel: Channel
  readonly #ttlMs: number
  readonly #here: MemoryKnownThere

  constructor (channel: Channel, ttlMs: number) {
    this.#channel = channel
    this.#ttlMs = ttlMs
    this.#here = new MemoryKnownThere({ ttlMs })
  }

  remember (address: string, digest: string): void {
    if (this.#ttlMs === 0) return
    this.#here.remember(address, digest)
    this.#channel.post('known', 'remember', address, digest)
  }

  recall (address: string, digest: string): boolean {
    return this.#here.recall(address, digest)
  }

  async lockedAt (address: string): Promise<void> {
    const now = performance.now()
    const known = as<Array<[string, number]>>(await this.#channel.call('known', 'at', address, this.#ttlMs))
    for (const [digest, ageMs] of known) this.#here.remember(address, digest, now - ageMs)
  }
}

export class WorkerBus implements Bus {
  readonly id = randomUUID()
  readonly isShared = true
  readonly #channel: Channel
  readonly #topics = new Topics()

  constructor (channel: Channel) {
    this.#channel = channel
    channel.post('bus', 'hello', this.id)
    channel.onTold(([topic, message, from, id]) => { this.#topics.tell(topic, message, { from, id }) })
  }

  async tellAll (topic: string, message: Json): Promise<void> {
    await this.#channel.call('bus', 'tellAll', topic, message)
  }

  async tell (instance: string, topic: string, message: Json): Promise<boolean> {
    return await this.#channel.call('bus', 'tell', instance, topic, message) === true
  }

  async isAlive (instance: string): Promise<boolean> {
    return await this.#channel.call('bus', 'isAlive', instance) === true
  }

  on (topic: string, listener: Listener): () => void {
    return this.#topics.on(topic, listener)
  }

  onGap (): () => void {
    return () => {}
  }

  async since (topic: string, id: string): Promise<readonly KeptNews[] | undefined> {
    return given(await this.#channel.call('bus', 'since', topic, id))
  }

  async close (): Promise<void> {
    this.#topics.clear()
  }
}

/** Sends the metrics of this worker on request. Returns a function that requests those of all workers. */
export function workerMetrics (channel: Channel, own: () => string): () => Promise<Array<readonly [string, string]>> {
  channel.onTold(([topic, id]) => {
    if (topic === metricsTopic) channel.post('metrics', 'give', id, own())
  })
  return async () => as(await channel.call('metrics', 'gather'))
}

export function workerOneTimeStore (channel: Channel): OneTimeStore {
  return {
    isFull: async () => await channel.call('once', 'isFull') === true,
    put: async (id, sealed, ttlMs) => as(await channel.call('once', 'put', id, sealed, ttlMs)),
    take: async id => given(await channel.call('once', 'take', id)),
    spend: async (id, ttlMs) => await channel.call('once', 'spend', id, ttlMs) === true,
    close: () => {}
  }
}

export function workerSessions (channel: Channel, bounds: SessionBounds): SessionStore {
  channel.post('sessions', 'open', bounds)
  return {
    isShared: true,
    create: async (id, session) => as(await channel.call('sessions', 'create', id, session)),
    use: async (id, owner, adds, known) => {
      const record = await channel.call('sessions', 'use', id, owner, adds ?? null, known?.version ?? null)
      return record === 'same' ? known : given<SessionRecord>(record)
    },
    set: async (id, change) => given(await channel.call('sessions', 'set', id, change)),
    keep: async ids => as(await channel.call('sessions', 'keep', ids)),
    end: async id => { await channel.call('sessions', 'end', id) },
    ask: async (id, question, needed, ttlMs) => { await channel.call('sessions', 'ask', id, question, needed, ttlMs) },
    asked: async (id, question) => given(await channel.call('sessions', 'asked', id, question)),
    answered: (id, question) => { channel.post('sessions', 'answered', id, question) }
  }
}

export function workerEvents (channel: Channel): EventLog {
  return {
    open: (session, name, requests, isOwed) => { channel.post('events', 'open', session, name, requests, isOwed) },
    append: (session, name, event) => { channel.post('events', 'append', session, name, event) },
    finish: (session, name) => { channel.post('events', 'finish', session, name) },
    deliver: (session, name) => { channel.post('events', 'deliver', session, name) },
    read: async (session, name, n) => given<KeptStream>(await channel.call('events', 'read', session, name, n)),
    drop: session => { channel.post('events', 'drop', session) }
  }
}
