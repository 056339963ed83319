/** Selects the implementation of each port. Nothing else asks whether there is a Redis. */
import type { KeySource, UsageStore } from '../api-keys/key-source.js'
import type { Bus } from '../fleet/bus.js'
import { alone, type FleetHealth } from '../fleet/health.js'
import { InProcessBus } from '../fleet/in-process-bus.js'
import type { SharedRecords } from '../ledger/shared-records.js'
import type { Limits } from '../limits/limits.js'
import { MemoryLimits } from '../limits/memory-limits.js'
import { type KnownThere, MemoryKnownThere } from '../principal/known-there.js'
import { MemoryOneTimeStore, type OneTimeStore } from '../tokens/one-time-store.js'
import type { SessionStores } from '../mcp/legacy/sessions/sessions.js'
import type { Documents } from '../oauth/server/documents/documents.js'
import type { Channel } from '../workers/channel.js'
import {
  WorkerBus,
  workerEvents,
  WorkerKnownThere,
  WorkerLimits,
  workerOneTimeStore,
  workerSessions
} from '../workers/ports.js'
import { openRedis, type RedisLog, type RedisOptions } from '../redis/stores.js'

export interface StoresOptions {
  /** How long, in milliseconds, a credential is known at an address; 0 is off. */
  readonly knownTtlMs: number
  /** Default: nothing is shared, and everything is in the memory of this process. */
  readonly redis?: RedisOptions | undefined
  /** The channel of a worker to its primary. Default: this process is not a worker. */
  readonly channel?: Channel | undefined
  /** The path of the endpoint. */
  readonly endpoint: string
  readonly log: RedisLog
}

/** The stores that the instances of an endpoint share; in a single process, its memory. */
export interface Stores {
  readonly limits: Limits
  readonly knownThere: KnownThere
  readonly bus: Bus
  /** Default: only the journal. */
  readonly records?: SharedRecords
  /** Ids that may be used once, across all instances. */
  readonly oneTime: OneTimeStore
  /** The stores of the authorization server. Default: a directory, or memory. */
  readonly documents?: Documents
  /** Default: sessions are kept in the memory of this process. */
  readonly sessions?: SessionStores
  /** Where managed keys are stored. Default: only in a file. */
  readonly keySource?: KeySource
  readonly keyUsage?: UsageStore
  readonly health: () => FleetHealth
  /** True if no request may be served now, because revocations of other instances may be unknown here. */
  readonly mustRefuse: () => boolean
  /** Await it before serving anything. `merged`: the shared records have been read. */
  readonly ready: (merged: Promise<void>) => Promise<void>
  readonly close: () => Promise<void>
}

/** Throws if the options cannot be used. A store that cannot be reached shows in `ready`. */
export function openStores ({ knownTtlMs, redis, channel, endpoint, log }: StoresOptions): Stores {
  if (redis !== undefined) {
    const stores = openRedis(redis, endpoint, knownTtlMs, log)
    const refuses = redis.whenDownRevocations === 'refuse'
    return { ...stores, mustRefuse: () => refuses && !stores.link.isUp }
  }
  if (channel !== undefined) return openWorker(channel, knownTtlMs)
  const bus = new InProcessBus()
  return {
    limits: new MemoryLimits(),
    knownThere: new MemoryKnownThere({ ttlMs: knownTtlMs }),
    bus,
    oneTime: new MemoryOneTimeStore(),
    health: () => alone,
    mustRefuse: () => false,
    ready: async () => {},
    close: async () => { await bus.close() }
  }
}

/** The stores of a worker. Each worker follows the journal in `STATE_DIR` and the key file itself. */
function openWorker (channel: Channel, knownTtlMs: number): Stores {
  const bus = new WorkerBus(channel)
  return {
    limits: new WorkerLimits(channel),
    knownThere: new WorkerKnownThere(channel, knownTtlMs),
    bus,
    oneTime: workerOneTimeStore(channel),
    sessions: { openSessions: bounds => workerSessions(channel, bounds), events: workerEvents(channel) },
    health: () => ({ ...alone, instances: channel.workers }),
    mustRefuse: () => false,
    ready: async () => {},
    close: async () => { await bus.close() }
  }
}
