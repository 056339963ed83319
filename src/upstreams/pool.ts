/** The connections to one upstream: a shared one, or one for each principal. */
import { PublicToolError } from '../errors.js'
import { Connection, type ConnectionEvents, type ConnectionPlace, UpstreamAwayError } from './connection.js'
import type { Upstream } from './options.js'

/** The key of the shared connection. */
export const everybody = ''
const firstBackoffMs = 250
const longestBackoffMs = 30_000
/** Principals whose pauses are remembered. */
const maxFailures = 1000

export interface PoolEvents extends Omit<ConnectionEvents, 'updated'> {
  /** A connection was opened. `key` is that of `keyOf`. */
  readonly opened: (connection: Connection, key: string) => void
  /** The contents of a resource changed, for the principals that use this connection. */
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
  /** By key, so that a failed start for one principal does not delay others. */
  readonly #failures = new Map<string, { readonly count: number, readonly retryAt: number }>()
  #isAway = false
  #isClosed = false

  constructor (place: ConnectionPlace, events: PoolEvents) {
    const { upstream } = place
    this.#place = place
    this.#upstream = upstream
    this.#events = events
    this.#sweep = setInterval(() => { this.#endIdle() }, Math.min(upstream.idleMs, 10_000)).unref()
  }

  /** True from a failed start until the next successful one. */
  get isAway (): boolean { return this.#isAway }

  get size (): number { return this.#connections.size }

  /** The key of the connection for this principal: its id, or `everybody` if the connection is shared. */
  keyOf (principalId: string): string {
    return this.#upstream.share === 'all' ? everybody : principalId
  }

  /**
   * Returns the connection for a principal and opens it if necessary. Rejects with an `UpstreamAwayError` if
   * it does not start, and with a `PublicToolError` if there are too many connections.
   */
  async of (principalId: string): Promise<Connection> {
    if (this.#isClosed) throw new UpstreamAwayError(`Upstream ${this.#upstream.name} is closed`)
    const key = this.keyOf(principalId)
    const known = this.#connections.get(key)
    if (known !== undefined) return await known
    if (Date.now() < (this.#failures.get(key)?.retryAt ?? 0)) {
      throw new UpstreamAwayError(`Upstream ${this.#upstream.name} will be restarted later`)
    }
    // In a loop, because another call may use the room while an idle connection is being closed.
    while (this.#connections.size >= this.#upstream.maxProcesses && !this.#connections.has(key)) {
      if (!await this.#makeRoom()) {
        throw new PublicToolError('The upstream server has no capacity left; try again in a minute')
      }
    }
    // In the meantime another call of the same principal may have opened it.
    return await (this.#connections.get(key) ?? this.#open(key))
  }

  /** Returns an open connection. Never opens one. */
  async existing (principalId: string): Promise<Connection | undefined> {
    return await this.#connections.get(this.keyOf(principalId))?.catch(() => undefined)
  }

  /** Resets the backoff after failures, because the upstream was reached in another way. */
  recover (): void {
    this.#failures.clear()
    this.#isAway = false
  }

  /** Closes a connection. The next call opens a new one. */
  async drop (connection: Connection): Promise<void> {
    for (const [key, opened] of this.#connections) {
      if (this.#byPromise.get(opened) === connection) this.#forget(key, opened)
    }
    await connection.close()
  }

  async close (): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#sweep)
    const all = [...this.#connections.values()]
    this.#connections.clear()
    // Also those that are being opened, which may take until their timeout.
    await Promise.allSettled(all.flatMap(opened => [opened, this.#byPromise.get(opened)?.close()]))
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
      this.#failed(key)
      this.#events.failed(error)
      throw error
    }
    this.#failures.delete(key)
    this.#isAway = false
    if (!this.#isClosed) {
      this.#events.opened(connection, key)
      return connection
    }
    await connection.close()
    throw new UpstreamAwayError(`Upstream ${this.#upstream.name} is closed`)
  }

  #failed (key: string): void {
    const count = (this.#failures.get(key)?.count ?? 0) + 1
    if (this.#failures.size >= maxFailures) this.#failures.clear()
    this.#failures.set(key, {
      count,
      retryAt: Date.now() + Math.min(longestBackoffMs, firstBackoffMs * 2 ** (count - 1))
    })
    this.#isAway = true
  }

  #forget (key: string, opened: Promise<Connection>): void {
    if (this.#connections.get(key) === opened) this.#connections.delete(key)
  }

  /** Closes the least recently used idle connection. False if all of them are in use or being opened. */
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
