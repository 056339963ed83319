/** The key file as a source of keys, which looks for changes of the file. */
import { sha256 } from '../lib/sha256.js'
import { changeKeyFile, type Changed, contentsOf, type Fingerprint, fingerprint, readKeyText } from './file.js'
import type { KeySet, KeySource } from './key-source.js'
import type { KeyRecord, RecordLines } from './record.js'

export interface KeyFileOptions {
  /** The key file. It must exist. */
  readonly path: string
  /** Milliseconds between two looks at the file. */
  readonly pollMs: number
  /** Told once of each danger, when it begins. */
  readonly onDanger: (danger: string) => void
}

/** Younger than this a file may have changed again without a sign: clocks of file systems are coarse. */
const settledMs = 2000

export class KeyFileSource implements KeySource {
  readonly #path: string
  readonly #pollMs: number
  readonly #onDanger: (danger: string) => void
  /** How the file looked when it was read; empty where the next look has to read it again. */
  #seen = ''
  #digest = ''
  /** Of what was read last. */
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

  /** Nothing to do: a file that is gone is an error, and never version 0. */
  async restore (): Promise<void> {}

  /**
   * Looking again and again, not waiting to be told: notices of changes get lost where a file is
   * replaced, reached over a network, or mounted into a container.
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

  /** Never rejects. A file that was away has to be read again, even if it looks the same. */
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
