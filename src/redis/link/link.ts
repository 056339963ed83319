/** The connection to Redis: one batch of commands per tick, a deadline, a circuit breaker and a heartbeat. */
import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { NotSharedError } from '../../fleet/bus.js'
import type { RedisClient } from './client.js'
import { errorCode, outages } from './faults.js'
import type { RedisKeys } from './keys.js'
import { beat, type Script } from './scripts.js'

export type Argument = string | number

export interface LinkOptions {
  readonly client: RedisClient
  readonly keys: RedisKeys
  /** The deadline of each command in milliseconds. Default 100. */
  readonly timeoutMs?: number
  /** An instance without a heartbeat for this time, in milliseconds, is dead. Default 3,000. */
  readonly leaseMs?: number
}

/** A command failed or was not answered in time. Unlike the errors of ioredis, it contains no arguments. */
export class RedisError extends NotSharedError {
  /** The first word of the Redis error, such as `OOM`, or `TIMEOUT` or `CLOSED`. */
  readonly code: string

  constructor (code: string) {
    super(`Redis: ${code}`)
    this.code = code
  }
}

interface Pending {
  readonly command: readonly [string, ...Argument[]]
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: RedisError) => void
  sentAt: number
}

const beatMs = 1000
const probeMs = 500
const tickMs = 20

export class Link {
  /** The id of this instance. A new one after each start. */
  readonly id = randomUUID()
  readonly #client: RedisClient
  readonly #keys: RedisKeys
  readonly #timeoutMs: number
  readonly #leaseMs: number
  readonly #upListeners = new Set<() => void>()
  readonly #downListeners = new Set<(reason: string) => void>()
  readonly #pending = new Set<Pending>()
  #batch: Pending[] = []
  #isUp = false
  #isClosed = false
  #reason = 'CONNECTING'
  #lastCode = ''
  #instances = 1
  #epoch = ''
  #heardAt = performance.now()
  #ticker: NodeJS.Timeout | undefined
  #toldTried: () => void = () => {}
  /** Resolves after the first attempt to reach Redis, whether it succeeded or not. */
  readonly tried = new Promise<void>(resolve => { this.#toldTried = resolve })
  #beater: NodeJS.Timeout | undefined

  constructor ({ client, keys, timeoutMs = 100, leaseMs = 3000 }: LinkOptions) {
    this.#client = client
    this.#keys = keys
    this.#timeoutMs = timeoutMs
    this.#leaseMs = leaseMs
    // Without a listener, ioredis prints errors with all details, which may contain secrets.
    client.on('error', (error: unknown) => { this.#lastCode = errorCode(error) })
    client.on('ready', () => { this.#beat().catch(() => {}) })
    client.on('close', () => { this.#open(this.#lastCode === '' ? 'CLOSED' : this.#lastCode) })
  }

  /** True if commands are sent. False if they are rejected immediately. */
  get isUp (): boolean { return this.#isUp }
  /** Why commands are rejected. `''` if they are not. */
  get reason (): string { return this.#isUp ? '' : this.#reason }
  /** The number of live instances at the last heartbeat. */
  get instances (): number { return this.#instances }
  /** Changes when Redis was emptied. `''` before the first heartbeat. */
  get epoch (): string { return this.#epoch }
  /** Milliseconds since the last response of Redis. */
  get ageMs (): number { return performance.now() - this.#heardAt }
  get isCluster (): boolean { return this.#client.isCluster }

  /** Connects, and tries again until `close`. */
  start (): void {
    this.#client.connect().catch((error: unknown) => { this.#lastCode = errorCode(error) })
    this.#beatIn(probeMs)
  }

  /**
   * Calls `listener` each time that Redis becomes available or was emptied. Returns a function that removes
   * the listener.
   */
  onUp (listener: () => void): () => void {
    this.#upListeners.add(listener)
    return () => { this.#upListeners.delete(listener) }
  }

  onDown (listener: (reason: string) => void): () => void {
    this.#downListeners.add(listener)
    return () => { this.#downListeners.delete(listener) }
  }

  /**
   * Sends a command together with all others of this tick. Rejects with a `RedisError`, at the latest at its
   * deadline.
   */
  async call (...command: readonly [string, ...Argument[]]): Promise<unknown> {
    if (!this.#isUp) throw new RedisError(this.#reason)
    return await this.#send(command)
  }

  async run (script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    if (!this.#isUp) throw new RedisError(this.#reason)
    return await this.#run(script, keys, args)
  }

  /** Closes the connection. Pending commands are rejected. */
  async close (): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#beater)
    // So that the others know immediately, and not when the entry expires.
    if (this.#isUp) await this.call('ZREM', this.#keys.shared('alive'), this.id).catch(() => {})
    this.#open('CLOSED')
    clearTimeout(this.#ticker)
    this.#upListeners.clear()
    this.#downListeners.clear()
    this.#client.disconnect()
  }

  /** Does not use the script support of ioredis, which would not send a script in the same batch. */
  async #run ({ sha, lua }: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    try {
      return await this.#send(['EVALSHA', sha, keys.length, ...keys, ...args])
    } catch (error) {
      if (!(error instanceof RedisError) || error.code !== 'NOSCRIPT') throw error
      return await this.#send(['EVAL', lua, keys.length, ...keys, ...args])
    }
  }

  #send (command: readonly [string, ...Argument[]]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#batch.length === 0) setImmediate(() => { this.#flush() })
      this.#batch.push({ command, resolve, reject, sentAt: Infinity })
    })
  }

  #flush (): void {
    const batch = this.#batch
    this.#batch = []
    const now = performance.now()
    for (const pending of batch) {
      pending.sentAt = now
      this.#pending.add(pending)
    }
    this.#ticker ??= this.#tick()
    // On a Cluster, a pipeline can use only one node.
    const client = this.#client
    if (batch.length === 1 || client.isCluster) {
      for (const pending of batch) {
        const [name, ...args] = pending.command
        client.call(name, ...args).then(
          reply => {
            this.#settle(pending, null, reply)
          },
          (error: unknown) => {
            this.#settle(pending, error, undefined)
          }
        )
      }
      return
    }
    const pipeline = client.pipeline()
    for (const { command: [name, ...args] } of batch) pipeline.call(name, ...args)
    pipeline.exec().then(replies => {
      for (const [index, pending] of batch.entries()) {
        const [error, reply] = replies?.[index] ?? [new Error('no reply')]
        this.#settle(pending, error, reply)
      }
    }, (error: unknown) => { for (const pending of batch) this.#settle(pending, error, undefined) })
  }

  #settle (pending: Pending, error: unknown, reply: unknown): void {
    if (!this.#pending.delete(pending)) return
    if (error === null || error === undefined) {
      this.#heardAt = performance.now()
      pending.resolve(reply)
      return
    }
    const code = errorCode(error)
    pending.reject(new RedisError(code))
    // Kept as the reason of a following close: ioredis disconnects from a replica to find the primary.
    if (outages.has(code)) this.#lastCode = code
    // In a Cluster, a single node may fail. The heartbeat checks the node that all instances depend on.
    const isOutage = outages.has(code) && !this.#client.isCluster
    if (isOutage || this.#client.status !== 'ready') this.#open(code)
  }

  #tick (): NodeJS.Timeout {
    return setTimeout(() => {
      // If the process was busy, this timer is late, and responses may be waiting. Let them be read first.
      setImmediate(() => {
        setImmediate(() => {
          this.#ticker = undefined
          this.#expire()
          if (this.#pending.size > 0) this.#ticker ??= this.#tick()
        })
      })
    }, tickMs).unref()
  }

  #expire (): void {
    const now = performance.now()
    // Sorted by the time of sending.
    for (const pending of this.#pending) {
      if (now - pending.sentAt < this.#timeoutMs) return
      if (!this.#client.isCluster) {
        this.#open('TIMEOUT')
        return
      }
      this.#pending.delete(pending)
      pending.reject(new RedisError('TIMEOUT'))
    }
  }

  /** Opens the circuit breaker: rejects all pending commands, so that callers use their fallbacks. */
  #open (reason: string): void {
    const wasUp = this.#isUp
    this.#isUp = false
    this.#reason = reason
    this.#toldTried()
    const waiting = [...this.#pending, ...this.#batch]
    this.#pending.clear()
    this.#batch = []
    for (const { reject } of waiting) reject(new RedisError(reason))
    if (!wasUp) return
    this.#instances = Math.max(1, this.#instances)
    for (const listener of this.#downListeners) listener(reason)
    if (!this.#isClosed) this.#beatIn(probeMs)
  }

  #beatIn (ms: number): void {
    clearTimeout(this.#beater)
    this.#beater = setTimeout(() => { this.#beat().catch(() => {}) }, ms).unref()
  }

  /**
   * If the database does not exist, ioredis would silently use database 0. An explicit SELECT fails instead.
   */
  async #select (): Promise<void> {
    if (this.#client.isCluster) return
    const { db = 0 } = (this.#client as Redis).options
    if (db > 0) await this.#send(['SELECT', db])
  }

  async #beat (): Promise<void> {
    if (this.#isClosed) return
    clearTimeout(this.#beater)
    try {
      if (this.#client.status !== 'ready') throw new RedisError(this.#lastCode === '' ? 'CLOSED' : this.#lastCode)
      if (!this.#isUp) await this.#select()
      const names = ['alive', `in:${this.id}`, 'epoch', 'beat'].map(name => this.#keys.shared(name))
      const reply = await this.#run(beat, names, [this.id, this.#leaseMs, randomUUID()])
      if (!Array.isArray(reply)) throw new RedisError('BAD_REPLY')
      this.#instances = Math.max(1, Number(reply[0]))
      const isOther = this.#epoch !== '' && this.#epoch !== String(reply[2])
      this.#epoch = String(reply[2])
      this.#lastCode = ''
      if (this.#isClosed) return
      this.#beatIn(beatMs)
      // Listeners also run if Redis was emptied while connected, so that they can write their data again.
      if (this.#isUp && !isOther) return
      this.#isUp = true
      this.#toldTried()
      for (const listener of this.#upListeners) listener()
    } catch (error) {
      const code = error instanceof RedisError ? error.code : 'FAULT'
      this.#open(code)
      if (!this.#isClosed) this.#beatIn(probeMs)
    }
  }
}
