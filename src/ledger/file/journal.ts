/** The state on disk: a journal that all processes read. Writers append under a lock and sync each write. */
import { constants } from 'node:fs'
import { link, open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile, withFileLock } from '../../lib/atomic-file.js'
import { codeOf } from '../../lib/guards.js'
import { StateError, journalName, unusable } from './directory.js'
import { LedgerIndex } from '../index-in-memory.js'
import { heading, lineOf } from './line.js'
import type { LedgerRecord } from '../records.js'
import { JournalTail } from './tail.js'

export interface JournalOptions {
  /** Must exist and be private to its owner. */
  readonly directory: string
  readonly ledger: LedgerIndex
  /** Called with each record on disk. The same record may be passed more than once. */
  readonly apply: (record: LedgerRecord) => void
}

interface Pending {
  /** Called under the lock, with the ledger up to date. An error that it throws rejects `write`. */
  readonly make: () => readonly LedgerRecord[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** The number of lines beyond twice the live records after which the journal is compacted. */
const compactAfter = 1000

export class Journal {
  readonly #directory: string
  readonly #path: string
  readonly #ledger: LedgerIndex
  readonly #apply: (record: LedgerRecord) => void
  readonly #tail: JournalTail
  #pending: Pending[] = []
  /** The end of the queue of work that must not overlap within this process. */
  #last: Promise<unknown> = Promise.resolve()
  /** True if the file lacks, or may lack, a record that the ledger holds. */
  #isLacking = false
  /** True if the file was damaged or altered. */
  #isDamaged = false

  private constructor ({ directory, ledger, apply }: JournalOptions) {
    this.#directory = directory
    this.#path = join(directory, journalName)
    this.#ledger = ledger
    this.#apply = apply
    this.#tail = new JournalTail(this.#path)
  }

  /** Throws a `StateError` if the directory cannot be written or its journal is damaged. */
  static async open (options: JournalOptions): Promise<Journal> {
    const journal = new Journal(options)
    try {
      await journal.#locked(async () => {
        await journal.#open()
      })
      return journal
    } catch (error) {
      await journal.#tail.close()
      throw error instanceof StateError ? error : unusable(options.directory, error)
    }
  }

  /** Resolves once the records from `make` are on disk and applied. Concurrent calls share one write. */
  async write (make: () => readonly LedgerRecord[]): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#pending.push({ make, resolve, reject })
      if (this.#pending.length === 1) this.#inTurn(async () => { await this.#flush() }).catch(() => {})
    })
  }

  /**
   * Applies what other processes wrote, and restores a journal that was damaged or removed. Resolves to true
   * if it had to restore it. Throws a `StateError` if it cannot.
   */
  async follow (): Promise<boolean> {
    return await this.#inTurn(async () => {
      try {
        await this.#catchUp()
        const wasLacking = this.#isLacking
        if (wasLacking) await this.#locked(async () => { await this.#restore() })
        return wasLacking
      } catch (error) {
        throw unusable(this.#directory, error)
      }
    })
  }

  async close (): Promise<void> {
    await this.#inTurn(async () => { await this.#tail.close() })
  }

  async #open (): Promise<void> {
    const { records, isSound } = await this.#tail.read()
    if (!isSound) {
      throw new StateError(
        `The state in ${this.#path} is damaged, so revoked credentials could be valid again: restore it from ` +
          'a backup, or move it away to start without its records.'
      )
    }
    for (const record of records) this.#apply(record)
    this.#ledger.sweep(this.#ledger.nowMs)
    const isNew = this.#tail.lines === 0
    if (isNew || this.#isWasteful()) await this.#rewrite()
    // Fails now rather than at the first revocation if the journal cannot be written.
    else await append(this.#path, '')
  }

  async #flush (): Promise<void> {
    const batch = this.#pending
    this.#pending = []
    try {
      await this.#locked(async () => {
        await this.#catchUp()
        if (this.#isLacking) await this.#restore()
        const made = batch.flatMap(one => this.#make(one))
        const records = made.flatMap(({ records }) => records)
        if (records.length > 0) await append(this.#path, records.map(lineOf).join(''))
        for (const record of records) this.#apply(record)
        for (const { pending } of made) pending.resolve()
      })
    } catch (error) {
      // Revocations are already in effect. They reach the disk at the next successful write.
      this.#isLacking = true
      for (const { reject } of batch) reject(unusable(this.#directory, error))
      return
    }
    if (this.#isWasteful()) await this.#locked(async () => { await this.#compact() }).catch(() => {})
  }

  #make (pending: Pending): Array<{ pending: Pending, records: readonly LedgerRecord[] }> {
    try {
      return [{ pending, records: pending.make() }]
    } catch (error) {
      pending.reject(error)
      return []
    }
  }

  async #catchUp (): Promise<void> {
    const { records, isWhole, isSound } = await this.#tail.read()
    for (const record of records) this.#apply(record)
    if (!isWhole) return
    this.#isDamaged = !isSound
    this.#isLacking = !isSound || this.#lacks(records)
  }

  #lacks (records: readonly LedgerRecord[]): boolean {
    const onDisk = new LedgerIndex()
    for (const record of records) onDisk.apply(record)
    for (const record of this.#ledger.live(Date.now())) if (!onDisk.holds(record)) return true
    return false
  }

  #isWasteful (): boolean {
    return this.#tail.lines > compactAfter + 2 * this.#ledger.size
  }

  /** Does nothing if another process has restored the journal in the meantime. */
  async #restore (): Promise<void> {
    await this.#catchUp()
    if (!this.#isLacking) return
    // Kept so that the operator can find out what happened to it.
    if (this.#isDamaged) await keepAside(this.#path, `${this.#path}.damaged`).catch(() => {})
    await this.#rewrite()
    this.#isLacking = false
    this.#isDamaged = false
  }

  async #compact (): Promise<void> {
    await this.#catchUp()
    await this.#rewrite()
  }

  /** Replaces the journal atomically with a new file that holds only live records. */
  async #rewrite (): Promise<void> {
    await replaceFile(this.#path, [`${heading}\n`, ...[...this.#ledger.live(this.#ledger.nowMs)].map(lineOf)].join(''))
    await this.#tail.read()
  }

  /** Runs `work` under the file lock, and in sequence within this process. */
  async #locked (work: () => Promise<void>): Promise<void> {
    await withFileLock(this.#path, work)
  }

  async #inTurn<T> (work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return await turn
  }
}

/** Adds a second name to the old file, so that the new file can replace the first name without a gap. */
async function keepAside (path: string, aside: string): Promise<void> {
  try {
    await link(path, aside)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    await rm(aside, { force: true })
    await link(path, aside)
  }
}

/** Does not follow a symbolic link: it could redirect the state to another place. */
const appending = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0)

/** Writes and syncs. Rejects if any part did not reach the disk. */
async function append (path: string, text: string): Promise<void> {
  const file = await open(path, appending, 0o600)
  try {
    await file.appendFile(text)
    await file.sync()
    // A process that stalls for seconds loses the lock. The file it wrote to may have been replaced.
    if ((await file.stat()).ino !== (await stat(path)).ino) await append(path, text)
  } finally {
    await file.close()
  }
}
