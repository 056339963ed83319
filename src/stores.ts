/** Which implementation of each port is in force. Nothing else asks whether there is a Redis. */
import type { Bus } from './fleet/bus.js'
import { alone, type FleetHealth } from './fleet/health.js'
import { InProcessBus } from './fleet/in-process-bus.js'
import type { Limits } from './limits/limits.js'
import { MemoryLimits } from './limits/memory-limits.js'
import { type KnownThere, MemoryKnownThere } from './principal/known-there.js'

export interface StoresOptions {
  /** Milliseconds that a credential is known at an address; 0 never. */
  readonly knownTtlMs: number
}

/** What the instances of one endpoint share; of a single process, what it keeps in memory. */
export interface Stores {
  readonly limits: Limits
  readonly knownThere: KnownThere
  readonly bus: Bus
  readonly health: () => FleetHealth
  readonly close: () => Promise<void>
}

export async function openStores ({ knownTtlMs }: StoresOptions): Promise<Stores> {
  const bus = new InProcessBus()
  return {
    limits: new MemoryLimits(),
    knownThere: new MemoryKnownThere({ ttlMs: knownTtlMs }),
    bus,
    health: () => alone,
    close: async () => { await bus.close() }
  }
}
