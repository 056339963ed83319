/** Managed keys in Redis, stored as one document in the format of the key file, and their last uses. */
import { type Bus, NotSharedError } from '../fleet/bus.js'
import type { Changed } from '../api-keys/file.js'
import type { KeySet, KeySource, UsageStore } from '../api-keys/key-source.js'
import type { LastUsed } from '../api-keys/last-use.js'
import { formatKeyFile, type KeyRecord, parseKeyFile, type RecordLines } from '../api-keys/record.js'
import { againMs } from './link/each-up.js'
import type { RedisKeys } from './link/keys.js'
import type { Link } from './link/link.js'
import { changeKeys, noteUses } from './link/scripts.js'

export interface RedisKeysOptions {
  readonly link: Link
  readonly keys: RedisKeys
  readonly bus: Bus
}

/** The topic of change messages. */
const topic = 'keys'
const attempts = 100

export class RedisKeySource implements KeySource {
  readonly #link: Link
  readonly #bus: Bus
  readonly #key: string
  readonly #news: string
  readonly #listeners = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined
  /** The lines that were read last. Unchanged lines are not parsed again. */
  #lines: RecordLines = new Map()

  constructor ({ link, keys, bus }: RedisKeysOptions) {
    this.#link = link
    this.#bus = bus
    this.#key = keys.shared('keys')
    this.#news = keys.shared('news')
  }

  async read (): Promise<KeySet> {
    const reply = await this.#link.call('HMGET', this.#key, 'version', 'text').catch((error: unknown) => {
      this.#announceLater()
      throw error
    })
    const [version, text] = Array.isArray(reply) ? reply : []
    if (typeof version !== 'string' || typeof text !== 'string') return { version: 0, records: [] }
    const parsed = parseKeyFile(text, this.#lines)
    if ('wrong' in parsed) throw new Error(`The keys in Redis: the text ${parsed.wrong}`)
    this.#lines = parsed.lines
    return { version: Number(version), records: parsed.records }
  }

  async change<T> (make: (records: readonly KeyRecord[]) => Changed<T>): Promise<T> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const { version, records } = await this.read()
      const { records: changed, result } = make(records)
      if (await this.#write(version, version + 1, changed)) return result
    }
    throw new NotSharedError('Other programs keep changing the keys in Redis: try again')
  }

  async restore ({ version, records }: KeySet): Promise<void> {
    await this.#write(0, version, records)
  }

  onChange (listener: () => void): () => void {
    this.#listeners.add(listener)
    const stops = [this.#bus.on(topic, listener), this.#link.onUp(listener)]
    return () => {
      this.#listeners.delete(listener)
      for (const stop of stops) stop()
    }
  }

  /** A read can fail while Redis stays available, such as on a Cluster: then nothing else would repeat it. */
  #announceLater (): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      // Otherwise the listeners are called when it becomes available.
      if (this.#link.isUp) for (const listener of this.#listeners) listener()
    }, againMs).unref()
  }

  /** False if the version has changed in the meantime. */
  async #write (before: number, version: number, records: readonly KeyRecord[]): Promise<boolean> {
    return (
      (await this.#link.run(
        changeKeys,
        [this.#key, this.#news],
        [before, version, formatKeyFile(records), this.#link.id]
      )) === 1
    )
  }
}

export class RedisUsageStore implements UsageStore {
  readonly #link: Link
  readonly #key: string

  constructor ({ link, keys }: Pick<RedisKeysOptions, 'link' | 'keys'>) {
    this.#link = link
    this.#key = keys.shared('used')
  }

  async read (): Promise<LastUsed | undefined> {
    try {
      const reply = await this.#link.call('HGETALL', this.#key)
      const uses = new Map<string, number>()
      if (Array.isArray(reply)) {
        for (let i = 0; i < reply.length; i += 2) uses.set(String(reply[i]), Number(reply[i + 1]))
      }
      return uses
    } catch {
      return undefined
    }
  }

  async write (uses: LastUsed): Promise<void> {
    await this.#link.run(noteUses, [this.#key], [...uses].flat())
  }
}
