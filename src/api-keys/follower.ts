/** The managed keys of a running server: a key ring that follows a source. */
import type { Verdict } from '../principal/presented.js'
import type { Principal } from '../principal/principal.js'
import type { FollowedKeys, KeySet, KeySource, UsageStore } from './key-source.js'
import { KeyUsage } from './last-use.js'
import type { KeyRecord } from './record.js'
import { type KeyReference, ManagedKeys, type PresentedKey, type Referred } from './ring.js'

/** The part of a logger that is used here. */
export interface StoreLog {
  readonly info: (fields: object, message: string) => void
  readonly warn: (fields: object, message: string) => void
  readonly error: (fields: object, message: string) => void
}

/** The log messages about a source. */
export interface SourceWords {
  /** The source cannot be read. */
  readonly stale: string
  /** The source can be read again. */
  readonly again: string
  /** The times of last use cannot be written. */
  readonly unwritten: string
  /** Why the source cannot be read. Logged with `fields`, and again only when `problem` changes. */
  readonly problemOf: (error: unknown) => { readonly problem: string, readonly fields: object }
}

export interface FollowerOptions {
  readonly source: KeySource
  readonly usage: UsageStore
  readonly log: StoreLog
  readonly words: SourceWords
  /** Milliseconds between checks for expired keys and secrets. Default 200. */
  readonly lookMs?: number | undefined
}

export class KeyFollower implements FollowedKeys {
  readonly #source: KeySource
  readonly #usage: KeyUsage
  readonly #log: StoreLog
  readonly #words: SourceWords
  readonly #lookMs: number
  readonly #keys = new ManagedKeys([])
  readonly #listeners = new Set<() => void>()
  #last: KeySet | undefined
  #nextEndAt = Infinity
  #problem: string | undefined
  #stop: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #reading: Promise<void> | undefined
  #isStale = false

  protected constructor ({ source, usage, log, words, lookMs = 200 }: FollowerOptions) {
    this.#source = source
    this.#log = log
    this.#words = words
    this.#lookMs = lookMs
    this.#usage = new KeyUsage({ store: usage, onFailure: code => { log.warn({ code }, words.unwritten) } })
  }

  /**
   * Reads the keys and then follows changes. If they cannot be read, it rejects with `mustRead`; otherwise
   * there are no keys until they can be read.
   */
  protected async begin (mustRead: boolean): Promise<void> {
    if (mustRead) await this.#take()
    this.#stop = this.#source.onChange(() => { this.#readSoon() })
    this.#timer = setInterval(() => { if (Date.now() >= this.#nextEndAt) this.#announce() }, this.#lookMs).unref()
    if (!mustRead) this.#readSoon()
    await this.#reading
    await this.#usage.load()
  }

  /** The keys as last read. */
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

  /** Problems, as sentences for the operator. Empty if there are none. */
  problems (): readonly string[] {
    return this.#problem === undefined ? [] : [this.#words.stale]
  }

  /** Calls `listener` after each change of the keys, and when one expires. Returns an unsubscriber. */
  onChange (listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /** Stops following the source, and writes the times of last use. */
  async close (): Promise<void> {
    this.#stop?.()
    clearInterval(this.#timer)
    await this.#reading
    await this.#usage.close()
  }

  /** Reads again if the source changed during the read. */
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
      await this.#take()
      if (this.#problem !== undefined) this.#log.info({}, this.#words.again)
      this.#problem = undefined
    } catch (error) {
      const { problem, fields } = this.#words.problemOf(error)
      if (problem !== this.#problem) this.#log.error(fields, this.#words.stale)
      this.#problem = problem
    }
  }

  async #take (): Promise<void> {
    const keys = await this.#source.read()
    // Restores the known keys only to an empty store (version 0), never over an older version from a backup.
    if (keys.version === 0 && this.#last !== undefined && this.#last.version > 0) {
      await this.#source.restore(this.#last)
      return
    }
    if (keys.version === this.#last?.version) return
    this.#last = keys
    this.#keys.replace(keys.records)
    this.#log.info({ keys: keys.records.length }, 'API keys read')
    this.#announce()
  }

  #announce (): void {
    this.#nextEndAt = this.#keys.nextEnd()
    for (const listener of this.#listeners) listener()
  }
}
