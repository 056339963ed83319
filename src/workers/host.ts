/** The primary's side of the ports: implements each port in memory, for all workers. */
import { randomUUID } from 'node:crypto'
import type { Json } from '../fleet/bus.js'
import { Topics } from '../fleet/in-process-bus.js'
import { type Ask } from '../limits/limits.js'
import { MemoryLimits } from '../limits/memory-limits.js'
import type { EventBoundsOptions } from '../mcp/legacy/sessions/event-bounds.js'
import { EventsInMemory } from '../mcp/legacy/sessions/memory-events.js'
import type { KeptEvent } from '../mcp/legacy/sessions/event-log.js'
import type { NewSession, SessionBounds, SessionChange, SessionStore } from '../mcp/legacy/sessions/store.js'
import type { Rights } from '../mcp/legacy/sessions/rights.js'
import { SessionsInMemory } from '../mcp/legacy/sessions/memory-store.js'
import type { RequestId } from '../mcp/wire/messages.js'
import { MemoryOneTimeStore } from '../tokens/one-time-store.js'
import { type PortAnswer, isCalls, metricsTopic, type Told } from './messages.js'

/** The part of a cluster worker that is used here. */
export interface Attached {
  readonly send: (message: object) => void
  readonly onMessage: (listener: (message: unknown) => void) => void
  readonly onGone: (listener: () => void) => void
}

interface Peer {
  readonly worker: Attached
  /** Unique. A replacement for a worker gets a new number. */
  readonly number: number
  /** Its `Bus.id`, after its `bus.hello`. */
  id: string
  answers: PortAnswer[]
  told: Told[]
}

/** A method of a port. The arguments are not checked, because workers run the same code. */
type Method = (args: never, peer: Peer) => unknown

export class PortsHost {
  readonly #peers = new Set<Peer>()
  readonly #topics = new Topics()
  readonly #limits = new MemoryLimits()
  readonly #known = new KnownByAddress()
  readonly #once = new MemoryOneTimeStore()
  readonly #events: EventsInMemory
  #sessions: SessionStore | undefined
  #count = 0
  #attached = 0
  /** Pending requests for the metrics of all workers. */
  readonly #gatherings = new Map<number, Gathering>()
  readonly #ports = this.#methods()

  /** `eventBounds`: how many events of a session are kept. Default: those of a single process. */
  constructor ({ eventBounds }: { readonly eventBounds?: EventBoundsOptions | undefined } = {}) {
    this.#events = new EventsInMemory(eventBounds)
  }

  attach (worker: Attached): void {
    this.#attached += 1
    const peer: Peer = { worker, number: this.#attached, id: randomUUID(), answers: [], told: [] }
    this.#peers.add(peer)
    worker.onMessage(message => {
      if (!isCalls(message)) return
      for (const [id, port, method, args] of message.mcpCalls) {
        this.#serve(peer, id, this.#ports.get(`${port}.${method}`), args)
      }
    })
    worker.onGone(() => {
      this.#peers.delete(peer)
      for (const gathering of this.#gatherings.values()) gathering.take(peer)
    })
  }

  #serve (peer: Peer, id: number | null, method: Method | undefined, args: readonly unknown[]): void {
    const answer = (ok: boolean, value: unknown): void => {
      if (id !== null) this.#later(peer, peer.answers, [id, ok, value])
    }
    try {
      if (method === undefined) throw new Error('no such method')
      const value = method(args as never, peer)
      if (value instanceof Promise) value.then(done => { answer(true, done) }, () => { answer(false, null) })
      else answer(true, value)
    } catch {
      answer(false, null)
    }
  }

  /** Adds `item` to the message that this worker gets at the end of the tick. */
  #later<T> (peer: Peer, list: T[], item: T): void {
    if (peer.answers.length === 0 && peer.told.length === 0) {
      setImmediate(() => {
        const { answers: mcpAnswers, told: mcpTold } = peer
        peer.answers = []
        peer.told = []
        peer.worker.send({ mcpAnswers, mcpTold, workers: this.#peers.size })
      })
    }
    list.push(item)
  }

  #tellAll (topic: string, message: Json, from: string): void {
    this.#count += 1
    const id = String(this.#count)
    this.#topics.keep(topic, id, message)
    for (const peer of this.#peers) this.#later(peer, peer.told, [topic, message, from, id])
  }

  /** Resolves to `[worker, text]` for each worker that responds in time. */
  async #gatherMetrics (): Promise<Array<readonly [worker: string, text: string]>> {
    this.#count += 1
    const id = this.#count
    const gathering = new Gathering(this.#peers)
    this.#gatherings.set(id, gathering)
    for (const peer of this.#peers) this.#later(peer, peer.told, [metricsTopic, id, '', ''])
    try {
      return await gathering.done
    } finally {
      this.#gatherings.delete(id)
    }
  }

  #methods (): ReadonlyMap<string, Method> {
    const sessions = (): SessionStore => {
      if (this.#sessions === undefined) throw new Error('sessions are not open')
      return this.#sessions
    }
    const methods: Record<string, Method> = {
      'limits.take': ([asks]: readonly [readonly Ask[]]) => this.#limits.take(asks),
      'limits.leave': ([place, holder]: readonly [string, string]) => {
        this.#limits.leave(place, holder)
      },
      'limits.clear': ([bucket, at]: readonly [string, number]) => {
        this.#limits.clear(bucket, at)
      },
      'known.remember': ([address, digest]: readonly [string, string]) => {
        this.#known.remember(address, digest)
      },
      'known.at': ([address, ttlMs]: readonly [string, number]) => this.#known.at(address, ttlMs),
      'once.isFull': () => this.#once.isFull(),
      'once.put': ([id, sealed, ttlMs]: readonly [string, string, number]) =>
        this.#once.put(id, sealed, ttlMs),
      'once.take': ([id]: readonly [string]) => this.#once.take(id) ?? null,
      'once.spend': ([id, ttlMs]: readonly [string, number]) => this.#once.spend(id, ttlMs),
      'bus.hello': ([id]: readonly [string], peer) => {
        peer.id = id
      },
      'bus.tellAll': ([topic, message]: readonly [string, Json], peer) => {
        this.#tellAll(topic, message, peer.id)
      },
      'bus.tell': ([instance, topic, message]: readonly [string, string, Json], peer) => {
        const other = [...this.#peers].find(({ id }) => id === instance)
        if (other !== undefined) this.#later(other, other.told, [topic, message, peer.id, ''])
        return other !== undefined
      },
      'bus.isAlive': ([instance]: readonly [string]) => [...this.#peers].some(({ id }) => id === instance),
      'bus.since': ([topic, id]: readonly [string, string]) => this.#topics.since(topic, id) ?? null,
      'metrics.gather': async () => await this.#gatherMetrics(),
      'metrics.give': ([id, text]: readonly [number, string], peer) => {
        this.#gatherings.get(id)?.take(peer, text)
      },
      'sessions.open': ([bounds]: readonly [SessionBounds]) => {
        this.#sessions ??= new SessionsInMemory(bounds)
      },
      'sessions.create': ([id, session]: readonly [string, NewSession]) => sessions().create(id, session),
      'sessions.use': async ([id, owner, adds, version]: readonly [
        string,
        string,
        Rights | null,
        number | null
      ]) => {
        const record = await sessions().use(id, owner, adds ?? undefined)
        if (record === undefined) return null
        return record.version === version ? 'same' : record
      },
      'sessions.set': async ([id, change]: readonly [string, SessionChange]) =>
        (await sessions().set(id, change)) ?? null,
      'sessions.keep': ([ids]: readonly [readonly string[]]) => sessions().keep(ids),
      'sessions.end': ([id]: readonly [string]) => sessions().end(id),
      'sessions.ask': ([id, question, needed, ttlMs]: readonly [string, string, Rights, number]) =>
        sessions().ask(id, question, needed, ttlMs),
      'sessions.asked': async ([id, question]: readonly [string, string]) =>
        (await sessions().asked(id, question)) ?? null,
      'sessions.answered': ([id, question]: readonly [string, string]) => {
        sessions().answered(id, question)
      },
      'events.open': ([session, name, requests, isOwed]: readonly [
        string,
        string,
        readonly RequestId[],
        boolean
      ]) => {
        this.#events.open(session, name, requests, isOwed)
      },
      'events.append': ([session, name, event]: readonly [string, string, KeptEvent]) => {
        this.#events.append(session, name, event)
      },
      'events.finish': ([session, name]: readonly [string, string]) => {
        this.#events.finish(session, name)
      },
      'events.deliver': ([session, name]: readonly [string, string]) => {
        this.#events.deliver(session, name)
      },
      'events.read': async ([session, name, n]: readonly [string, string, number]) =>
        (await this.#events.read(session, name, n)) ?? null,
      'events.drop': ([session]: readonly [string]) => {
        this.#events.drop(session)
      }
    }
    return new Map(Object.entries(methods))
  }
}

/** If a worker is busy for longer, its metrics are missing in the result. */
const gatherMs = 5000

class Gathering {
  readonly #missing: Set<Peer>
  readonly #texts: Array<readonly [worker: string, text: string]> = []
  readonly done: Promise<Array<readonly [worker: string, text: string]>>
  #end = (): void => {}

  constructor (peers: Iterable<Peer>) {
    this.#missing = new Set(peers)
    this.done = new Promise(resolve => {
      const timer = setTimeout(() => { this.#end() }, gatherMs)
      this.#end = () => {
        clearTimeout(timer)
        resolve(this.#texts)
      }
    })
  }

  /** `text` is omitted if the worker has ended. */
  take (peer: Peer, text?: string): void {
    if (!this.#missing.delete(peer)) return
    if (text !== undefined) this.#texts.push([String(peer.number), text])
    if (this.#missing.size === 0) this.#end()
  }
}

const maxAddresses = 10_000
/** Maximum number of credentials for each address. */
const maxDigests = 1000

/** Accepted credentials by address. Workers read those of one address. */
class KnownByAddress {
  readonly #known = new Map<string, Map<string, number>>()

  remember (address: string, digest: string): void {
    const digests = this.#known.get(address) ?? new Map<string, number>()
    this.#known.delete(address)
    digests.delete(digest)
    this.#known.set(address, digests.set(digest, performance.now()))
    for (const map of [digests, ...this.#known.size > maxAddresses ? [this.#known] : []]) {
      const [oldest] = map.keys()
      if (oldest !== undefined && (map !== digests || digests.size > maxDigests)) map.delete(oldest)
    }
  }

  /** Returns each digest with its age in milliseconds. */
  at (address: string, ttlMs: number): Array<[string, number]> {
    const now = performance.now()
    const found = [...this.#known.get(address) ?? []].map(([digest, at]): [string, number] => [digest, now - at])
    return found.filter(([, ageMs]) => ageMs < ttlMs)
  }
}
