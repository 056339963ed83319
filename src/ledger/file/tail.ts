/** Reads what was appended to a journal, or the whole file if it was replaced. */
import { type FileHandle, open } from 'node:fs/promises'
import { constants, type Stats } from 'node:fs'
import { statIfAny } from '../../lib/atomic-file.js'
import { heading, readLine } from './line.js'
import { type LedgerRecord, readRecord } from '../records.js'

export interface JournalReading {
  readonly records: readonly LedgerRecord[]
  /** True if `records` is everything in the file, not only the new records. */
  readonly isWhole: boolean
  /** False if the file is missing or may have lost an acknowledged record. */
  readonly isSound: boolean
}

/** Does not follow a symbolic link, and does not wait for the other end of a pipe. */
const readOnly = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

const nothing: JournalReading = Object.freeze({ records: [], isWhole: false, isSound: true })

export class JournalTail {
  readonly #path: string
  /** Kept open, so that no new file can reuse its inode and be mistaken for it. */
  #file: FileHandle | undefined
  /** The state of the file at the last read. */
  #stats: Stats | undefined
  /** The offset of the first incomplete line. */
  #offset = 0
  /** The number of lines in the file; it tells the journal when to compact. */
  lines = 0

  constructor (path: string) {
    this.#path = path
  }

  /** Rejects if the file exists but cannot be read. */
  async read (): Promise<JournalReading> {
    const before = this.#stats
    const now = await statIfAny(this.#path)
    if (now === undefined) {
      await this.close()
      return { records: [], isWhole: true, isSound: before === undefined }
    }
    const isSame = before !== undefined && now.ino === before.ino && now.dev === before.dev
    if (isSame && now.size === before.size && now.mtimeMs === before.mtimeMs) return nothing
    if (!isSame || now.size <= before.size) return await this.#readWhole()
    this.#stats = now
    const reading = await this.#readOn(now.size)
    // The file grew, but not by whole lines: it was overwritten.
    return reading.isSound ? reading : await this.#readWhole()
  }

  async close (): Promise<void> {
    const file = this.#file
    this.#file = undefined
    this.#stats = undefined
    await file?.close()
  }

  async #readWhole (): Promise<JournalReading> {
    await this.close()
    this.#file = await open(this.#path, readOnly)
    this.#stats = await this.#file.stat()
    this.#offset = 0
    this.lines = 0
    const reading = await this.#readOn(this.#stats.size)
    return { ...reading, isWhole: true }
  }

  async #readOn (size: number): Promise<JournalReading> {
    const bytes = Buffer.alloc(size - this.#offset)
    const { bytesRead = 0 } = await this.#file?.read(bytes, 0, bytes.length, this.#offset) ?? {}
    const isStart = this.#offset === 0
    const complete = bytes.subarray(0, bytesRead).lastIndexOf(10) + 1
    const lines = bytes.subarray(0, complete).toString('utf8').split('\n')
    const rest = bytes.subarray(complete, bytesRead).toString('utf8')
    this.#offset += complete
    let isSound = isStart ? lines.shift() === heading : true
    const records: LedgerRecord[] = []
    for (const text of lines) {
      if (text === '') continue
      this.lines += 1
      const line = readLine(text)
      if (line === 'damaged') isSound = false
      else if (line !== 'torn') records.push(...[readRecord(line.value) ?? []].flat())
    }
    if (rest !== '' && readLine(rest) === 'damaged') isSound = false
    return { records, isWhole: false, isSound }
  }
}
