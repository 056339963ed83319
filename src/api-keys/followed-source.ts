/** Managed keys that are stored elsewhere: the key ring, and the source that it follows. */
import { NotSharedError } from '../fleet/bus.js'
import type { Verdict } from '../principal/presented.js'
import type { Principal } from '../principal/principal.js'
import type { StoreLog } from './followed-file.js'
import type { FollowedKeys, KeySet, KeySource, UsageStore } from './key-source.js'
import { KeyUsage } from './last-use.js'
import type { KeyRecord } from './record.js'
import { type KeyReference, ManagedKeys, type PresentedKey, type Referred } from './ring.js'

export interface SharedKeyStoreOptions {
  readonly source: KeySource
  readonly usage: UsageStore
  readonly log: StoreLog
}

const stale = 'The keys cannot be read: the last known keys still apply'
/** Between two looks at what ends by itself. */
const lookMs = 200

export class SharedKeyStore implements FollowedKeys {
  readonly #source: KeySource
  readonly #usage: KeyUsage
  readonly #log: StoreLog
  readonly #keys = new ManagedKeys([])
  readonly #listeners = new Set<() => void>()
  readonly #stop: () => void
  readonly #timer: NodeJS.Timeout
  #last: KeySet | undefined
  #nextEndAt = Infinity
  #problem: string | undefined
  #reading: Promise<void> | undefined
  #isStale = false

  private constructor ({ source, usage, log }: SharedKeyStoreOptions) {
    this.#source = source
    this.#log = log
    this.#usage = new KeyUsage({
      store: usage,
      onFailure: code => {
        log.warn({ code }, 'the last use of API keys cannot be written')
      }
    })
    this.#stop = source.onChange(() => { this.#readSoon() })
    this.#timer = setInterval(() => { if (Date.now() >= this.#nextEndAt) this.#announce() }, lookMs).unref()
  }

  /** Reads the keys and follows them. Where they cannot be read there are none until they can. */
  static async open (options: SharedKeyStoreOptions): Promise<SharedKeyStore> {
    const store = new SharedKeyStore(options)
    await store.#read()
    await store.#usage.load()
    return store
  }

  /** The keys as they were read last. */
  get records (): readonly KeyRecord[] { return this.#last?.records ?? [] }

  verify (presented: PresentedKey, address: string): Verdict {
    return this.#keys.verify(presented, address)
  }

  stillGood (principal: Principal, address?: string): boolean {
    return this.#keys.stillGood(principal, address)
  }

  current (reference: KeyReference): Referred | undefined {
    return this.#keys.current(reference)
  }

  noteUse (principal: Principal): void {
    const id = this.#keys.keyIdOf(principal)
    if (id !== undefined) this.#usage.note(id)
  }

  problems (): readonly string[] {
    return this.#problem === undefined ? [] : [stale]
  }

  onChange (listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  async close (): Promise<void> {
    this.#stop()
    clearInterval(this.#timer)
    await this.#reading
    await this.#usage.close()
  }

  /** Once more afterwards, where it changes while it is read. */
  #readSoon (): void {
    if (this.#reading !== undefined) {
      this.#isStale = true
      return
    }
    this.#isStale = false
    this.#reading = this.#read().finally(() => {
      this.#reading = undefined
      if (this.#isStale) this.#readSoon()
    })
  }

  /** Never rejects. */
  async #read (): Promise<void> {
    try {
      const keys = await this.#source.read()
      // An emptied store gets back what was in it, and not what an older one may have been restored to.
      if (keys.version === 0 && this.#last !== undefined && this.#last.version > 0) {
        await this.#source.restore(this.#last)
        return
      }
      if (this.#problem !== undefined) this.#log.info({}, 'the keys can be read again')
      this.#problem = undefined
      if (keys.version === this.#last?.version) return
      this.#last = keys
      this.#keys.replace(keys.records)
      this.#log.info({ keys: keys.records.length }, 'API keys read')
      this.#announce()
    } catch (error) {
      const problem = error instanceof NotSharedError ? error.message : 'they are damaged, or from a later version'
      if (problem !== this.#problem) this.#log.error({ problem }, stale)
      this.#problem = problem
    }
  }

  #announce (): void {
    this.#nextEndAt = this.#keys.nextEnd()
    for (const listener of this.#listeners) listener()
  }
}
