/** Records when each key was last used, with low precision, in a file next to the key file. */
import { readFile } from 'node:fs/promises'
import { z } from '../lib/zod.js'
import { replaceFile, withFileLock } from '../lib/atomic-file.js'
import { codeOf } from '../lib/guards.js'
import type { LastUsed, UsageStore } from './key-source.js'

export type { LastUsed } from './key-source.js'

/** Uses of a key within this time count as one. */
const coarsenessMs = 600_000
const writeDelayMs = 2000
/** The wait before a retry, and the longest wait for another writer. */
const retryDelayMs = 60_000
const lockWaitMs = 2000

const usageFile = z.object({ version: z.literal(1), lastUsed: z.record(z.string(), z.iso.datetime()) })

/**
 * A separate file, because the server never writes the key file: it may be mounted read-only, and a failed
 * write must not endanger the keys.
 */
export function usagePath (keyFile: string): string {
  return `${keyFile}.used`
}

/** The recorded uses. Empty if there are none yet; `undefined` if the file cannot be read. */
export async function readUsage (path: string): Promise<LastUsed | undefined> {
  try {
    const { lastUsed } = usageFile.parse(JSON.parse(await readFile(path, 'utf8')))
    const times = Object.entries(lastUsed).map(([id, time]) => [id, Date.parse(time)] as const)
    // A time in the future comes from a clock that was ahead. It would remain the last use for ever.
    const latest = Date.now() + coarsenessMs
    return new Map(times.filter(([, at]) => at <= latest))
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? new Map() : undefined
  }
}

/** A store in a file, which several processes may write. */
export function usageInFile (path: string): UsageStore {
  return {
    read: async () => await readUsage(path),
    write: async uses => {
      await withFileLock(path, async ({ path: file }) => {
        await replaceFile(file, format(latest(await readUsage(file) ?? new Map(), uses)))
      }, lockWaitMs)
    }
  }
}

export interface UsageOptions {
  readonly store: UsageStore
  /** Called for the first of several failures in a row. */
  readonly onFailure: (code: string) => void
}

/** Records uses at the cost of one look-up, and writes them later, merged with those of other processes. */
export class KeyUsage {
  readonly #store: UsageStore
  readonly #onFailure: (code: string) => void
  readonly #noted = new Map<string, number>()
  #unwritten = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #hasFailed = false

  constructor ({ store, onFailure }: UsageOptions) {
    this.#store = store
    this.#onFailure = onFailure
  }

  /** Reads the recorded uses, so that a restart does not cause a write. */
  async load (): Promise<void> {
    for (const [id, at] of await this.#store.read() ?? []) this.#noted.set(id, at)
  }

  note (id: string): void {
    const now = Date.now()
    if (Math.abs(now - (this.#noted.get(id) ?? 0)) < coarsenessMs) return
    this.#noted.set(id, now)
    this.#unwritten.set(id, now)
    this.#writeIn(writeDelayMs)
  }

  /** Writes the pending uses. Never rejects. */
  async close (): Promise<void> {
    clearTimeout(this.#timer)
    await this.#writing
    await this.#write()
    clearTimeout(this.#timer)
  }

  #writeIn (ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#writing = this.#write()
    }, ms).unref()
  }

  async #write (): Promise<void> {
    if (this.#unwritten.size === 0) return
    const batch = this.#unwritten
    this.#unwritten = new Map()
    try {
      await this.#store.write(batch)
      this.#hasFailed = false
    } catch (error) {
      this.#unwritten = latest(batch, this.#unwritten)
      if (!this.#hasFailed) this.#onFailure(codeOf(error))
      this.#hasFailed = true
      this.#writeIn(retryDelayMs)
    }
  }
}

function latest (one: LastUsed, other: LastUsed): Map<string, number> {
  const all = new Map(one)
  for (const [id, at] of other) all.set(id, Math.max(at, all.get(id) ?? 0))
  return all
}

function format (lastUsed: LastUsed): string {
  const entries = [...lastUsed].map(([id, at]) => [id, new Date(at).toISOString()])
  return `${JSON.stringify({ version: 1, lastUsed: Object.fromEntries(entries) }, null, 2)}\n`
}
