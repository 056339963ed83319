/** The key file as a source of keys. It polls the file for changes. */
import { sha256 } from '../lib/sha256.js'
import { changeKeyFile, type Changed, contentsOf, type Fingerprint, fingerprint, readKeyText } from './file.js'
import type { KeySet, KeySource } from './key-source.js'
import type { KeyRecord, RecordLines } from './record.js'

export interface KeyFileOptions {
  /** The key file. It must exist. */
  readonly path: string
  /** Milliseconds between checks for changes. */
  readonly pollMs: number
  /** Called once for each warning about the file, when it first applies. */
  readonly onDanger: (danger: string) => void
}

/** File systems have coarse clocks: within this time, a file may change again with the same timestamp. */
const settledMs = 2000

export class KeyFileSource implements KeySource {
  readonly #path: string
  readonly #pollMs: number
  readonly #onDanger: (danger: string) => void
  /** The fingerprint at the last read. Empty if the next check must read the file again. */
  #seen = ''
  #digest = ''
  /** The lines of the last read. */
  #lines: RecordLines = new Map()
  #last: KeySet = { version: 0, records: [] }
  #danger: string | undefined

  constructor ({ path, pollMs, onDanger }: KeyFileOptions) {
    this.#path = path
    this.#pollMs = pollMs
    this.#onDanger = onDanger
  }

  /** Rejects with a `KeyFileError` if the file cannot be used. */
  async read (): Promise<KeySet> {
    const now = await fingerprint(this.#path)
    this.#warn(now)
    this.#seen = ''
    const text = await readKeyText(this.#path)
    if (Math.abs(now.ageMs) > settledMs) this.#seen = now.text
    const digest = sha256(text)
    if (digest === this.#digest) return this.#last
    const { records, lines } = contentsOf(this.#path, text, this.#lines)
    this.#lines = lines
    this.#digest = digest
    this.#last = { version: this.#last.version + 1, records }
    return this.#last
  }

  async change<T> (make: (records: readonly KeyRecord[]) => Changed<T>): Promise<T> {
    return await changeKeyFile(this.#path, make)
  }

  /** Does nothing: a missing file is an error, never version 0. */
  async restore (): Promise<void> {}

  /**
   * Polls instead of watching: change notifications get lost if a file is replaced, is on a network file
   * system, or is mounted into a container.
   */
  onChange (listener: () => void): () => void {
    let timer: NodeJS.Timeout | undefined
    let isOver = false
    const lookLater = (): void => {
      timer = setTimeout(() => {
        this.#hasChanged().then(hasChanged => {
          if (isOver) return
          if (hasChanged) listener()
          lookLater()
        }, () => {})
      }, this.#pollMs).unref()
    }
    lookLater()
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  }

  /** Never rejects. A file that was missing must be read again, even if its fingerprint is the same. */
  async #hasChanged (): Promise<boolean> {
    try {
      return (await fingerprint(this.#path)).text !== this.#seen
    } catch {
      this.#seen = ''
      return true
    }
  }

  #warn ({ danger }: Fingerprint): void {
    if (danger !== undefined && danger !== this.#danger) this.#onDanger(danger)
    this.#danger = danger
  }
}
