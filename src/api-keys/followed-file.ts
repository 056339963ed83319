/** The managed keys of a running server: the key ring, and the file that it follows. */
import { sha256 } from '../lib/sha256.js'
import type { Verdict } from '../principal/presented.js'
import { type Fingerprint, fingerprint, KeyFileError, readKeyText, contentsOf } from './file.js'
import type { KeyRecord, RecordLines } from './record.js'
import { type KeyReference, ManagedKeys, type PresentedKey, type Referred } from './ring.js'
import type { FollowedKeys } from './key-source.js'
import { KeyUsage, usageInFile, usagePath } from './last-use.js'
import type { Principal } from '../principal/principal.js'

/** What of a logger is used here. */
export interface StoreLog {
  readonly info: (fields: object, message: string) => void
  readonly warn: (fields: object, message: string) => void
  readonly error: (fields: object, message: string) => void
}

export interface KeyStoreOptions {
  /** The key file. It has to be there. */
  readonly path: string
  readonly log: StoreLog
  /** Milliseconds between two looks at the file. Default 200. */
  readonly pollMs?: number
}

/** Younger than this a file may have changed again without a sign: clocks of file systems are coarse. */
const settledMs = 2000
const stale = 'The key file cannot be used: the last known keys still apply'

export class KeyStore implements FollowedKeys {
  readonly #path: string
  readonly #log: StoreLog
  readonly #pollMs: number
  readonly #usage: KeyUsage
  readonly #keys = new ManagedKeys([])
  readonly #listeners = new Set<() => void>()
  /** How the file looked when it was read; empty where the next look has to read it again. */
  #seen = ''
  #digest = ''
  #records: readonly KeyRecord[] = []
  /** Of what was read last. */
  #lines: RecordLines = new Map()
  #nextEndAt = Infinity
  #problem: string | undefined
  #danger: string | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  private constructor ({ path, log, pollMs = 200 }: KeyStoreOptions) {
    this.#path = path
    this.#log = log
    this.#pollMs = pollMs
    this.#usage = new KeyUsage({
      store: usageInFile(usagePath(path)),
      onFailure: code => {
        log.warn({ code }, 'the last use of API keys cannot be written next to the key file')
      }
    })
  }

  /** Reads the file and follows it from then on. Rejects with a `KeyFileError` where it can't be used. */
  static async open (options: KeyStoreOptions): Promise<KeyStore> {
    const store = new KeyStore(options)
    const now = await fingerprint(options.path)
    store.#warn(now)
    await store.#read(now)
    await store.#usage.load()
    store.#nextEndAt = store.#keys.nextEnd()
    store.#lookLater()
    return store
  }

  /** The keys as they were read last. */
  get records (): readonly KeyRecord[] { return this.#records }

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

  /** Sentences for the operator about what is not as it should be; empty where all is well. */
  problems (): readonly string[] {
    return this.#problem === undefined ? [] : [stale]
  }

  /** Calls `listener` after each change of the keys, and when one ends. Returns how to end that. */
  onChange (listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /** Stops following the file, and writes down the last uses. */
  async close (): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#usage.close()
  }

  /**
   * Looking again and again, not waiting to be told: notices of changes get lost where a file is
   * replaced, reached over a network, or mounted into a container.
   */
  #lookLater (): void {
    if (this.#isClosed) return
    this.#timer = setTimeout(() => {
      if (Date.now() >= this.#nextEndAt) this.#announce()
      void this.#look().finally(() => { this.#lookLater() })
    }, this.#pollMs).unref()
  }

  async #look (): Promise<void> {
    try {
      const before = this.#seen
      // A file that was away for a while has to be read again, even if it looks the same.
      this.#seen = ''
      const now = await fingerprint(this.#path)
      this.#seen = before
      if (now.text === before) return
      this.#warn(now)
      if (await this.#read(now)) this.#announce()
      if (this.#problem !== undefined) this.#log.info({}, 'the key file can be used again')
      this.#problem = undefined
    } catch (error) {
      this.#report(error)
    }
  }

  /** Takes over what is in the file, which looked like `now` a moment ago. True where it is other than before. */
  async #read (now: Fingerprint): Promise<boolean> {
    this.#seen = ''
    const text = await readKeyText(this.#path)
    if (Math.abs(now.ageMs) > settledMs) this.#seen = now.text
    const digest = sha256(text)
    if (digest === this.#digest) return false
    const { records, lines } = contentsOf(this.#path, text, this.#lines)
    this.#keys.replace(records)
    this.#lines = lines
    this.#records = records
    this.#digest = digest
    this.#log.info({ keys: records.length }, 'API keys read')
    return true
  }

  /** Once for each danger, when it begins. */
  #warn ({ danger }: Fingerprint): void {
    if (danger !== undefined && danger !== this.#danger) this.#log.warn({ file: this.#path }, danger)
    this.#danger = danger
  }

  #announce (): void {
    this.#nextEndAt = this.#keys.nextEnd()
    for (const listener of this.#listeners) listener()
  }

  /** Once for each thing that is wrong, not at each look. */
  #report (error: unknown): void {
    const problem = error instanceof KeyFileError ? `${error.wrong}; ${error.right}` : 'cannot be read'
    if (problem === this.#problem) return
    this.#problem = problem
    this.#log.error(
      error instanceof KeyFileError ? { file: this.#path, problem } : { file: this.#path, err: error },
      stale
    )
  }
}
