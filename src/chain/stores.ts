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
  /** Milliseconds that a credential is known at an address; 0 never. */
  readonly knownTtlMs: number
  /** Left out: nothing is shared, and all is in the memory of this process. */
  readonly redis?: RedisOptions | undefined
  /** To the primary, of a worker. Left out: this process is none. */
  readonly channel?: Channel | undefined
  /** The path of the endpoint. */
  readonly endpoint: string
  readonly log: RedisLog
}

/** What the instances of one endpoint share; of a single process, what it keeps in memory. */
export interface Stores {
  readonly limits: Limits
  readonly knownThere: KnownThere
  readonly bus: Bus
  /** Left out: the journal is all there is. */
  readonly records?: SharedRecords
  /** What may be used once in the fleet. */
  readonly oneTime: OneTimeStore
  /** What the authorization server keeps. Left out: a directory, or memory. */
  readonly documents?: Documents
  /** Left out: sessions are kept in the memory of this process. */
  readonly sessions?: SessionStores
  /** Where managed keys are kept, if not in a file. Left out: a file is all there is. */
  readonly keySource?: KeySource
  readonly keyUsage?: UsageStore
  readonly health: () => FleetHealth
  /** True where nobody is to be served now, because what was revoked elsewhere may not be known here. */
  readonly mustRefuse: () => boolean
  /** To be awaited before anything is served. `merged`: what the others share is in. */
  readonly ready: (merged: Promise<void>) => Promise<void>
  readonly close: () => Promise<void>
}

/** Throws where the options cannot be used. What cannot be reached shows in `ready`. */
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

/** The ports of a worker; the journal in `STATE_DIR` and the key file are followed by each of them. */
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
