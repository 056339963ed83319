/** Opens, monitors and closes everything that instances share in Redis. */
import type { FleetHealth } from '../fleet/health.js'
import { OperatorError } from '../lib/operator-error.js'
import { aString, checkedElsewhere, oneOfStrings, type OptionChecks, requireEach, requireKeys } from '../lib/require.js'
import type { SessionBounds } from '../mcp/legacy/sessions/store.js'
import type { SessionStores } from '../mcp/legacy/sessions/sessions.js'
import { RedisKeySource, RedisUsageStore } from './api-keys.js'
import { RedisBus } from './bus.js'
import { createClients, isClient, type RedisSource } from './link/client.js'
import { RedisDocuments } from './documents.js'
import { RedisEvents } from './event-log.js'
import { RedisKeys } from './link/keys.js'
import { RedisKnownThere } from './known-there.js'
import type { DownLimits } from '../limits/shadowed-limits.js'
import { RedisLimits } from './limits.js'
import { evictionPolicy, redisFaultOf, sentenceOf } from './link/faults.js'
import { Link } from './link/link.js'
import { RedisOneTimeStore } from './one-time.js'
import { RedisRecords } from './records.js'
import { RedisSessions } from './sessions.js'

export interface RedisOptions {
  /** A URL as in `REDIS_URL`, or an ioredis client, of which only the settings are used. */
  readonly source: RedisSource
  /** Prefix of all keys, to separate deployments. Default `mcp:`. */
  readonly prefix?: string | undefined
  /** The deadline of a command in milliseconds. Default 100. */
  readonly timeoutMs?: number | undefined
  /** How limits work while Redis is unavailable. Default `local`. */
  readonly whenDownLimits?: DownLimits | undefined
  /** While Redis is unavailable, serve callers with the known revocations, or refuse them. Default `keep`. */
  readonly whenDownRevocations?: 'keep' | 'refuse' | undefined
  /** `wait`: the start waits up to 9 seconds for Redis. `degraded`: it does not. Default `wait`. */
  readonly start?: 'wait' | 'degraded' | undefined
}

const checks: OptionChecks<RedisOptions> = {
  source: checkedElsewhere,
  timeoutMs: checkedElsewhere,
  prefix: aString,
  whenDownLimits: oneOfStrings('local', 'share', 'refuse'),
  whenDownRevocations: oneOfStrings('keep', 'refuse'),
  start: oneOfStrings('wait', 'degraded')
}

/** Normalizes the `redis` option of a host. Throws a `TypeError` for an unknown or invalid member. */
export function redisOptionsOf (given: RedisSource | RedisOptions | undefined): RedisOptions | undefined {
  if (given === undefined) return undefined
  if (typeof given === 'string' || isClient(given)) return { source: given }
  requireKeys('`redis`', given, checks)
  if (typeof given.source !== 'string' && !isClient(given.source)) {
    throw new TypeError('`redis.source` must be a Redis URL or an ioredis client')
  }
  requireEach(checks, given, 'redis.')
  return given
}

/** The methods of a logger that are used here. */
export interface RedisLog {
  readonly info: (fields: object, message: string) => void
  readonly warn: (fields: object, message: string) => void
}

/** Redis could not be reached at the start. */
export class RedisStartError extends OperatorError {
  override readonly name = 'RedisStartError'
}

/** Less than Fastify's default `pluginTimeout`: its error in a host would hide ours. */
export const redisStartMs = 9_000

export interface RedisStores {
  readonly link: Link
  readonly keys: RedisKeys
  readonly limits: RedisLimits
  readonly knownThere: RedisKnownThere
  readonly bus: RedisBus
  readonly records: RedisRecords
  readonly oneTime: RedisOneTimeStore
  readonly sessions: SessionStores
  readonly documents: RedisDocuments
  readonly keySource: RedisKeySource
  readonly keyUsage: RedisUsageStore
  readonly health: () => FleetHealth
  /**
   * Waits for `merged`, unless `start` is `degraded`. Rejects with a `RedisStartError` if it takes too long.
   */
  readonly ready: (merged: Promise<void>) => Promise<void>
  readonly close: () => Promise<void>
}

/**
 * Opens the stores. `endpoint` is the path of the endpoint: it is part of all keys, so that two endpoints of
 * an app share nothing. Throws a `RedisUrlError`.
 */
export function openRedis (options: RedisOptions, endpoint: string, knownTtlMs: number, log: RedisLog): RedisStores {
  const { source, prefix = 'mcp:', timeoutMs, whenDownLimits, start = 'wait' } = options
  const { commands, reader } = createClients(source, timeoutMs)
  const keys = new RedisKeys(`${prefix}${endpoint}:`)
  const link = new Link({ client: commands, keys, ...(timeoutMs === undefined ? {} : { timeoutMs }) })
  // First, so that the bus notes its position in the messages before the other stores read from Redis.
  const bus = new RedisBus({ link, keys, reader })
  const watch = new Watch(link, log)
  const stores = {
    link,
    keys,
    bus,
    limits: new RedisLimits({
      link,
      keys,
      onPolicy: () => {
        watch.byPolicy += 1
      },
      ...(whenDownLimits === undefined ? {} : { whenDown: whenDownLimits })
    }),
    knownThere: new RedisKnownThere({ link, keys, ttlMs: knownTtlMs }),
    records: new RedisRecords({ link, keys, bus }),
    oneTime: new RedisOneTimeStore({ link, keys, bus }),
    sessions: {
      openSessions: (bounds: SessionBounds) => new RedisSessions({ link, keys, bounds }),
      events: new RedisEvents({ link, keys })
    },
    documents: new RedisDocuments({ link, keys }),
    keySource: new RedisKeySource({ link, keys, bus }),
    keyUsage: new RedisUsageStore({ link, keys })
  }
  link.start()
  return {
    ...stores,
    health: () => watch.health(),
    ready: async merged => {
      await (start === 'degraded' ? link.tried : inTime(merged, link))
      watch.begin()
    },
    close: async () => {
      watch.end()
      stores.records.close()
      await bus.close()
      await link.close()
    }
  }
}

async function inTime (merged: Promise<void>, link: Link): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(
        new RedisStartError(
          `${sentenceOf(link.reason === '' ? 'TIMEOUT' : link.reason)}, or set REDIS_START=degraded to start ` +
            'without it.'
        )
      )
    }, redisStartMs)
  })
  try {
    await Promise.race([merged, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Logs one line when Redis becomes unavailable, and one when it is available again. */
class Watch {
  byPolicy = 0
  readonly #link: Link
  readonly #log: RedisLog
  #since = Date.now()
  #isTold = false
  #isOn = false

  constructor (link: Link, log: RedisLog) {
    this.#link = link
    this.#log = log
    link.onDown(reason => { this.#tell(reason) })
    link.onUp(() => { this.#untell() })
  }

  /** Starts to log. Problems before the end of the start are reported by the start. */
  begin (): void {
    this.#isOn = true
    if (this.#link.isUp) this.#judgeMemory().catch(() => {})
    else this.#tell(this.#link.reason)
  }

  end (): void {
    this.#isOn = false
  }

  health (): FleetHealth {
    const { isUp, reason, instances, ageMs: newsAgeMs } = this.#link
    return {
      state: isUp ? 'ok' : 'degraded',
      since: this.#since,
      reason,
      instances,
      newsAgeMs,
      byPolicy: this.byPolicy
    }
  }

  #tell (reason: string): void {
    if (!this.#isOn || this.#isTold) return
    this.#isTold = true
    this.#since = Date.now()
    this.byPolicy = 0
    const { wrong, right } = redisFaultOf(reason)
    this.#log.warn(
      { reason, problem: wrong, fix: right },
      'Redis cannot be used: REDIS_DOWN_LIMITS and REDIS_DOWN_REVOCATIONS apply'
    )
  }

  #untell (): void {
    if (!this.#isTold) return
    this.#isTold = false
    this.#log.info({ ms: Date.now() - this.#since, answersByPolicy: this.byPolicy }, 'Redis can be used again')
    this.#since = Date.now()
    // Redis may be another one now.
    this.#judgeMemory().catch(() => {})
  }

  /**
   * Warns if Redis may evict keys: an evicted revocation would be undone. Does nothing if INFO is not
   * allowed.
   */
  async #judgeMemory (): Promise<void> {
    const policy = evictionPolicy(String(await this.#link.call('INFO', 'memory')))
    if (policy === undefined) return
    this.#log.warn(
      { policy },
      'Redis evicts keys when its memory is full, including limits and revocations: set ' +
        'maxmemory-policy to noeviction'
    )
  }
}
