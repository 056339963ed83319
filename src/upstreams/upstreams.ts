/** Manages all upstreams: adds their items to the endpoint and routes calls to them. */
import type { FastifyBaseLogger } from 'fastify'
import type { Endpoint } from '../mcp/endpoint.js'
import { Parking } from './call.js'
import { Connection, type ConnectionPlace, UpstreamAwayError } from './connection.js'
import { exposedName, type Forward, requireDistinct } from './definitions.js'
import { forwardBy } from './forward.js'
import { type Lists, listsOf } from './lists.js'
import type { Lock } from './lock.js'
import { adviceFor, boundedLines, reasonOf, redactorOf } from './log-text.js'
import type { Upstream } from './options.js'
import { everybody, Pool, type PoolEvents } from './pool.js'
import { Publisher } from './publisher.js'
import { Watches } from './watching/watches.js'

export interface OpenOptions {
  readonly log: Pick<FastifyBaseLogger, 'info' | 'warn' | 'error'>
  /** Default 8 MiB. */
  readonly maxResultBytes?: number | undefined
  /** The approved tools. Without it, changed definitions are logged and served. */
  readonly lock?: Lock | undefined
}

const eightMiB = 8 * 1024 * 1024
const retryMs = 10_000
const settleMs = 100
/** The lists of an upstream are read at most once a second, however often they change. */
const minRestMs = 1000

interface Served {
  readonly upstream: Upstream
  readonly place: ConnectionPlace
  readonly pool: Pool
  readonly publisher: Publisher
  readonly watches: Watches
  readonly forward: Forward
  readonly events: PoolEvents
  lists: Lists | undefined
  timer: NodeJS.Timeout | undefined
  dueAt: number
  learnedAt: number
  isLearning: boolean
  /** A connection that only reads the lists. */
  scout: Connection | undefined
}

export class Upstreams {
  readonly #served: Served[]
  readonly #options: OpenOptions
  readonly #parking = new Parking()
  #endpoint: Endpoint | undefined
  #isClosed = false

  private constructor (upstreams: readonly Upstream[], options: OpenOptions) {
    this.#options = options
    this.#served = upstreams.map(upstream => this.#servedOf(upstream))
  }

  /**
   * Reads the lists of all upstreams. Skips an unavailable one and tries it again later. Rejects with an
   * `UpstreamError` if two upstreams offer the same name.
   */
  static async open (upstreams: readonly Upstream[], options: OpenOptions): Promise<Upstreams> {
    const all = new Upstreams(upstreams, options)
    await Promise.all(all.#served.map(async served => { await all.#learn(served) }))
    try {
      requireDistinct(all.#served)
    } catch (error) {
      await all.close()
      throw error
    }
    return all
  }

  /** Adds the items to the endpoint, and updates them when they change. */
  serve (endpoint: Endpoint): void {
    this.#endpoint = endpoint
    for (const served of this.#served) this.#publish(served)
    endpoint.onSubscribed(({ uri, resource, principalId }) => {
      const owner = this.#served.find(({ publisher }) => publisher.serves('resources', resource))
      return owner?.watches.add(owner.pool.keyOf(principalId), uri)
    })
  }

  /** True if a tool of this name is served, or may be served when an unavailable upstream returns. */
  mayServe (name: string): boolean {
    return this.#served.some(({ upstream, lists }) =>
      lists === undefined
        ? name.startsWith(upstream.prefix) || Object.values(upstream.rename ?? {}).includes(name)
        : lists.tools.some(tool => exposedName(upstream, tool.name) === name)
    )
  }

  /**
   * Lists the upstreams that are unavailable or have withheld tools. `isFatal`: a required upstream is
   * unavailable.
   */
  problems (): ReadonlyArray<{ readonly reason: 'upstream', readonly isFatal: boolean }> {
    return this.#served
      .filter(({ lists, pool, publisher }) => lists === undefined || pool.isAway || publisher.withheld.length > 0)
      .map(({ upstream, lists, pool }) => ({
        reason: 'upstream' as const,
        isFatal: upstream.required && (lists === undefined || pool.isAway)
      }))
  }

  async close (): Promise<void> {
    this.#isClosed = true
    this.#parking.close()
    for (const { timer } of this.#served) clearTimeout(timer)
    await Promise.all(this.#served.flatMap(({ pool, scout }) => [pool.close(), scout?.close()]))
  }

  #servedOf (upstream: Upstream): Served {
    const { log, lock, maxResultBytes = eightMiB } = this.#options
    const place: ConnectionPlace = { upstream, maxResultBytes }
    const events = this.#eventsOf(upstream, () => served)
    const pool = new Pool(place, events)
    const served: Served = {
      upstream,
      place,
      pool,
      events,
      publisher: new Publisher({ upstream, log, lock, maxResultBytes }),
      watches: new Watches({
        set: async (key, uris) => {
          const connection = uris.length === 0 ? await pool.existing(key) : await pool.of(key)
          await connection?.watch(uris)
        },
        gap: (key, uris) => { for (const uri of uris) events.updated(uri, key) },
        report: error => { events.odd(error) }
      }),
      forward: forwardBy({
        upstream: upstream.name,
        pool,
        tellsCaller: upstream.identityMeta === true,
        parking: this.#parking,
        maxResultBytes,
        definition: name => served.lists?.tools.find(tool => tool.name === name),
        report: (error, { requestId }) => { this.#warn(upstream, error, 'a request to an upstream failed', requestId) }
      }),
      lists: undefined,
      timer: undefined,
      dueAt: Infinity,
      learnedAt: 0,
      isLearning: false,
      scout: undefined
    }
    return served
  }

  /** Opens the upstream and reads its lists. Uses a temporary connection if connections are not shared. */
  async #learn (served: Served): Promise<void> {
    const { upstream, pool, place, events } = served
    const isShared = upstream.share === 'all'
    served.isLearning = true
    try {
      if (!isShared) {
        served.scout = new Connection(place, { ...events, lost: () => {}, changed: () => {}, updated: () => {} })
        await served.scout.open()
      }
      const connection = served.scout ?? await pool.of('')
      served.lists = await connection.use(async client =>
        await listsOf(client, { timeoutMs: upstream.startTimeoutMs, maxBytes: place.maxResultBytes })
      )
      pool.recover()
    } catch (error) {
      if (this.#isClosed) return
      // The pool has already logged a failed start.
      if (!isShared || !(error instanceof UpstreamAwayError)) this.#warn(upstream, error, awayText)
      this.#later(served, retryMs)
    } finally {
      await served.scout?.close()
      served.scout = undefined
      served.isLearning = false
      served.learnedAt = Date.now()
    }
  }

  /** Reads the lists again after `ms`, unless an earlier time is already planned. */
  #later (served: Served, ms: number): void {
    const dueAt = Date.now() + ms
    if (this.#isClosed || dueAt >= served.dueAt) return
    clearTimeout(served.timer)
    served.dueAt = dueAt
    served.timer = setTimeout(() => {
      served.dueAt = Infinity
      if (served.isLearning) return this.#later(served, minRestMs)
      this.#learn(served).then(() => { if (!this.#isClosed) this.#publish(served) }, () => {})
    }, ms).unref()
  }

  #publish ({ publisher, lists, forward }: Served): void {
    if (this.#endpoint !== undefined && lists !== undefined) publisher.publish(this.#endpoint, lists, forward)
  }

  #eventsOf (upstream: Upstream, served: () => Served): PoolEvents {
    const { log } = this.#options
    const { name, eager, share } = upstream
    const redact = redactorOf(upstream)
    const tellLeftOut = (lines: number): void => {
      log.warn({ upstream: name, lines }, 'an upstream writes too much; some lines are dropped')
    }
    return {
      line: boundedLines(line => { log.info({ upstream: name, line: redact(line) }, 'upstream output') }, tellLeftOut),
      odd: oddBy(boundedLines(reason => {
        log.warn(
          { upstream: name, reason: redact(reason), advice: adviceFor(reason) },
          'an upstream sent an invalid message'
        )
      }, tellLeftOut, 10)),
      changed: () => { this.#later(served(), Math.max(settleMs, served().learnedAt + minRestMs - Date.now())) },
      opened: (connection, key) => {
        const { watches, isLearning } = served()
        connection.watch(watches.opened(key)).catch(() => {})
        // After a restart it may offer other items.
        if (share === 'all' && !isLearning) this.#later(served(), settleMs)
      },
      // If each caller has a process, only this caller sees the change.
      updated: (uri, key) => { this.#endpoint?.resourceUpdated(uri, share === 'all' ? undefined : key) },
      failed: error => {
        if (this.#isClosed) return
        this.#warn(upstream, error, awayText)
        this.#later(served(), retryMs)
      },
      lost: reason => {
        this.#warn(upstream, new Error(reason), 'an upstream ended; it will be restarted at the next call')
        if (share === 'all' && (eager || served().watches.has(everybody))) this.#later(served(), minRestMs)
      }
    }
  }

  #warn (upstream: Upstream, error: unknown, message: string, reqId?: string): void {
    const reason = redactorOf(upstream)(reasonOf(error))
    this.#options.log.warn(
      { upstream: upstream.name, ...(reqId === undefined ? {} : { reqId }), reason, advice: adviceFor(reason) },
      message
    )
  }
}

const awayText = 'an upstream is unavailable; it will be retried later'

function oddBy (tell: (reason: string) => void): (error: unknown) => void {
  // The text after the colon is the message of the upstream, which must not be logged.
  return error => { tell(reasonOf(error).split(':', 1)[0] ?? '') }
}
