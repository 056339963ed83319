/** The connections to one upstream: one for everybody, or one per principal. */
import { PublicToolError } from '../errors.js'
import { Connection, type ConnectionEvents, type ConnectionPlace, UpstreamAwayError } from './connection.js'
import type { Upstream } from './options.js'

/** The key where all share one connection. */
export const everybody = ''
const firstBackoffMs = 250
const longestBackoffMs = 30_000

export interface PoolEvents extends Omit<ConnectionEvents, 'updated'> {
  /** A connection was opened. `key`: what tells it from others. */
  readonly opened: (connection: Connection, key: string) => void
  /** A resource has other contents now, for those whose connection that is. */
  readonly updated: (uri: string, key: string) => void
  /** A start failed. */
  readonly failed: (error: unknown) => void
}

export class Pool {
  readonly #place: ConnectionPlace
  readonly #upstream: Upstream
  readonly #events: PoolEvents
  readonly #connections = new Map<string, Promise<Connection>>()
  readonly #byPromise = new WeakMap<Promise<Connection>, Connection>()
  readonly #sweep: NodeJS.Timeout
  #failures = 0
  #retryAt = 0
  #isClosed = false

  constructor (place: ConnectionPlace, events: PoolEvents) {
    const { upstream } = place
    this.#place = place
    this.#upstream = upstream
    this.#events = events
    this.#sweep = setInterval(() => { this.#endIdle() }, Math.min(upstream.idleMs, 10_000)).unref()
  }

  /** True after a start that failed, until one succeeds. */
  get isAway (): boolean { return this.#failures > 0 }

  get size (): number { return this.#connections.size }

  /** What tells the connection of this principal from others; the same for all where it is shared. */
  keyOf (principalId: string): string {
    return this.#upstream.share === 'all' ? everybody : principalId
  }

  /**
   * Rejects with an `UpstreamAwayError` where it does not start, with a `PublicToolError` where all places
   * are taken.
   */
  async of (principalId: string): Promise<Connection> {
    if (this.#isClosed) throw new UpstreamAwayError(`Upstream ${this.#upstream.name} is closed`)
    const key = this.keyOf(principalId)
    const known = this.#connections.get(key)
    if (known !== undefined) return await known
    if (Date.now() < this.#retryAt) {
      throw new UpstreamAwayError(`Upstream ${this.#upstream.name} will be restarted later`)
    }
    // Others may have taken the room meanwhile.
    while (this.#connections.size >= this.#upstream.maxProcesses && !this.#connections.has(key)) {
      if (!await this.#makeRoom()) {
        throw new PublicToolError('The upstream server has no capacity left; try again in a minute')
      }
    }
    // Another call of the same principal may have been first meanwhile.
    return await (this.#connections.get(key) ?? this.#open(key))
  }

  /** The connection that is there; never opens one. */
  async existing (principalId: string): Promise<Connection | undefined> {
    return await this.#connections.get(this.keyOf(principalId))?.catch(() => undefined)
  }

  /** It was reached by another way: the pauses after failures are over. */
  recover (): void {
    this.#failures = 0
    this.#retryAt = 0
  }

  /** Ends one connection, so that the next call opens another. */
  async drop (connection: Connection): Promise<void> {
    for (const [key, opened] of this.#connections) {
      if (await opened.catch(() => undefined) === connection) this.#forget(key, opened)
    }
    await connection.close()
  }

  async close (): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#sweep)
    const open = [...this.#connections.values()]
    this.#connections.clear()
    await Promise.allSettled(open.map(async connection => { await (await connection).close() }))
  }

  #open (key: string): Promise<Connection> {
    const connection: Connection = new Connection(this.#place, {
      ...this.#events,
      updated: uri => { this.#events.updated(uri, key) },
      lost: reason => {
        this.#forget(key, opened)
        this.#events.lost(reason)
      }
    }, key === everybody ? undefined : key)
    const opened: Promise<Connection> = this.#opened(connection, key)
    this.#connections.set(key, opened)
    this.#byPromise.set(opened, connection)
    opened.catch(() => { this.#forget(key, opened) })
    return opened
  }

  async #opened (connection: Connection, key: string): Promise<Connection> {
    try {
      await connection.open()
    } catch (error) {
      this.#failures += 1
      this.#retryAt = Date.now() + Math.min(longestBackoffMs, firstBackoffMs * 2 ** (this.#failures - 1))
      this.#events.failed(error)
      throw error
    }
    this.recover()
    if (!this.#isClosed) {
      this.#events.opened(connection, key)
      return connection
    }
    await connection.close()
    throw new UpstreamAwayError(`Upstream ${this.#upstream.name} is closed`)
  }

  #forget (key: string, opened: Promise<Connection>): void {
    if (this.#connections.get(key) === opened) this.#connections.delete(key)
  }

  /** Ends the idle connection that was used longest ago. False where all of them serve a call, or are being opened. */
  async #makeRoom (): Promise<boolean> {
    const [oldest] = [...this.#connections]
      .flatMap(([key, opened]) => {
        const connection = this.#byPromise.get(opened)
        return connection?.isOpen === true && connection.isIdle ? [{ key, opened, connection }] : []
      })
      .sort((a, b) => a.connection.usedAt - b.connection.usedAt)
    if (oldest === undefined) return false
    this.#forget(oldest.key, oldest.opened)
    await oldest.connection.close()
    return true
  }

  #endIdle (): void {
    const { idleMs, eager } = this.#upstream
    if (eager) return
    for (const [key, opened] of this.#connections) {
      opened.then(async connection => {
        if (!connection.isIdle || connection.isWatched || Date.now() - connection.usedAt < idleMs) return
        this.#forget(key, opened)
        await connection.close()
      }, () => {})
    }
  }
}
