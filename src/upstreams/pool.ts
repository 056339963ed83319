/** The connections to one upstream: one for everybody, or one for each principal. */
import { PublicToolError } from '../errors.js'
import { Connection, type ConnectionEvents, UpstreamAwayError } from './connection.js'
import type { Upstream } from './options.js'

const everybody = ''
const firstBackoffMs = 250
const longestBackoffMs = 30_000

export class Pool {
  readonly #upstream: Upstream
  readonly #events: ConnectionEvents
  readonly #connections = new Map<string, Promise<Connection>>()
  readonly #sweep: NodeJS.Timeout
  #failures = 0
  #retryAt = 0
  #isClosed = false

  constructor (upstream: Upstream, events: ConnectionEvents) {
    this.#upstream = upstream
    this.#events = events
    this.#sweep = setInterval(() => { this.#endIdle() }, Math.min(upstream.idleMs, 10_000)).unref()
  }

  /** True after a start that failed, until one succeeds. */
  get isAway (): boolean { return this.#failures > 0 }

  get size (): number { return this.#connections.size }

  /**
   * Rejects with an `UpstreamAwayError` where it does not start, with a `PublicToolError` where all places
   * are taken.
   */
  async of (principalId: string): Promise<Connection> {
    if (this.#isClosed) throw new UpstreamAwayError(`Upstream ${this.#upstream.name} is closed`)
    const key = this.#upstream.share === 'all' ? everybody : principalId
    const known = this.#connections.get(key)
    if (known !== undefined) return await known
    if (Date.now() < this.#retryAt) {
      throw new UpstreamAwayError(`Upstream ${this.#upstream.name} is started again later`)
    }
    if (this.#connections.size >= this.#upstream.maxProcesses && !await this.#makeRoom()) {
      throw new PublicToolError('The server behind this tool has no place left; try again in a minute')
    }
    // Another call of the same principal may have been first meanwhile.
    return await (this.#connections.get(key) ?? this.#open(key))
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
    const connection: Connection = new Connection(this.#upstream, {
      ...this.#events,
      lost: () => {
        this.#forget(key, opened)
        this.#events.lost()
      }
    }, key === everybody ? undefined : key)
    const opened: Promise<Connection> = this.#opened(connection, key)
    this.#connections.set(key, opened)
    opened.catch(() => { this.#forget(key, opened) })
    return opened
  }

  async #opened (connection: Connection, key: string): Promise<Connection> {
    try {
      await connection.open()
    } catch (error) {
      this.#failures += 1
      this.#retryAt = Date.now() + Math.min(longestBackoffMs, firstBackoffMs * 2 ** (this.#failures - 1))
      throw error
    }
    this.#failures = 0
    this.#retryAt = 0
    if (!this.#isClosed) return connection
    await connection.close()
    throw new UpstreamAwayError(`Upstream ${this.#upstream.name} is closed (${key === everybody ? 'shared' : 'own'})`)
  }

  #forget (key: string, opened: Promise<Connection>): void {
    if (this.#connections.get(key) === opened) this.#connections.delete(key)
  }

  /** Ends the idle connection that was used longest ago. False where all of them serve a call. */
  async #makeRoom (): Promise<boolean> {
    const settled = await Promise.allSettled(
      [...this.#connections].map(async ([key, opened]) => ({ key, opened, connection: await opened }))
    )
    const idle = settled.flatMap(result =>
      result.status === 'fulfilled' && result.value.connection.isIdle ? [result.value] : []
    )
    idle.sort((a, b) => a.connection.usedAt - b.connection.usedAt)
    const [oldest] = idle
    if (oldest === undefined) return this.#connections.size < this.#upstream.maxProcesses
    this.#forget(oldest.key, oldest.opened)
    await oldest.connection.close()
    return true
  }

  #endIdle (): void {
    const { idleMs, eager } = this.#upstream
    if (eager) return
    for (const [key, opened] of this.#connections) {
      opened.then(async connection => {
        if (!connection.isIdle || Date.now() - connection.usedAt < idleMs) return
        this.#forget(key, opened)
        await connection.close()
      }, () => {})
    }
  }
}
