/** The state on disk: lines appended under a lock, synced before they count, read by every process. */
import { constants } from 'node:fs'
import { link, open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile, withFileLock } from '../../lib/atomic-file.js'
import { codeOf } from '../../lib/guards.js'
import { StateError, journalName, unusable } from './directory.js'
import { Ledger } from '../index-in-memory.js'
import { heading, lineOf } from './line.js'
import type { StateRecord } from '../records.js'
import { Tail } from './tail.js'

export interface JournalOptions {
  /** Exists, and is for its owner alone. */
  readonly directory: string
  readonly ledger: Ledger
  /** Takes each record that is on disk; those that were taken already, too. */
  readonly apply: (record: StateRecord) => void
}

interface Pending {
  /** Called under the lock, with the ledger up to date. What it throws is for the caller of `write`. */
  readonly make: () => readonly StateRecord[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Of dead lines, before they are worth a new file. */
const compactAfter = 1000

export class Journal {
  readonly #directory: string
  readonly #path: string
  readonly #ledger: Ledger
  readonly #apply: (record: StateRecord) => void
  readonly #tail: Tail
  #pending: Pending[] = []
  /** The last of what must not run at the same time within this process. */
  #last: Promise<unknown> = Promise.resolve()
  /** The file lacks something that the ledger holds, or may. */
  #isLacking = false
  /** It is not as it was written. */
  #isDamaged = false

  private constructor ({ directory, ledger, apply }: JournalOptions) {
    this.#directory = directory
    this.#path = join(directory, journalName)
    this.#ledger = ledger
    this.#apply = apply
    this.#tail = new Tail(this.#path)
  }

  /** Throws a `StateError` where the directory cannot be written, or its journal is damaged. */
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

  /** Resolves once what `make` returns is on disk and applied; several at once are one write. */
  async write (make: () => readonly StateRecord[]): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#pending.push({ make, resolve, reject })
      if (this.#pending.length === 1) this.#inTurn(async () => { await this.#flush() }).catch(() => {})
    })
  }

  /**
   * Takes in what other processes wrote, and restores what somebody destroyed. True where it had
   * to. Throws a `StateError` where it can't.
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
    // Proves that it may be written.
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
      // What took effect already, as revocations do, reaches the disk once that is possible.
      this.#isLacking = true
      for (const { reject } of batch) reject(unusable(this.#directory, error))
      return
    }
    if (this.#isWasteful()) await this.#locked(async () => { await this.#compact() }).catch(() => {})
  }

  #make (pending: Pending): Array<{ pending: Pending, records: readonly StateRecord[] }> {
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

  #lacks (records: readonly StateRecord[]): boolean {
    const onDisk = new Ledger()
    for (const record of records) onDisk.apply(record)
    for (const record of this.#ledger.live(Date.now())) if (!onDisk.holds(record)) return true
    return false
  }

  #isWasteful (): boolean {
    return this.#tail.lines > compactAfter + 2 * this.#ledger.size
  }

  /** Another process may have done it meanwhile: then it is done. */
  async #restore (): Promise<void> {
    await this.#catchUp()
    if (!this.#isLacking) return
    // The operator may want to know what happened to it.
    if (this.#isDamaged) await keepAside(this.#path, `${this.#path}.damaged`).catch(() => {})
    await this.#rewrite()
    this.#isLacking = false
    this.#isDamaged = false
  }

  async #compact (): Promise<void> {
    await this.#catchUp()
    await this.#rewrite()
  }

  /** Puts a new file with what is live in the place of the old one: whole, or not at all. */
  async #rewrite (): Promise<void> {
    await replaceFile(this.#path, [`${heading}\n`, ...[...this.#ledger.live(this.#ledger.nowMs)].map(lineOf)].join(''))
    await this.#tail.read()
  }

  /** One process at a time, and within this one only in turn. */
  async #locked (work: () => Promise<void>): Promise<void> {
    await withFileLock(this.#path, work)
  }

  async #inTurn<T> (work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return await turn
  }
}

/** Gives the file a second name: the new one takes the first without a moment in which there is none. */
async function keepAside (path: string, aside: string): Promise<void> {
  try {
    await link(path, aside)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    await rm(aside, { force: true })
    await link(path, aside)
  }
}

/** Not through a link: nobody else decides where the state goes. */
const appending = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0)

/** Writes and syncs; rejects where any of it did not reach the disk. */
async function append (path: string, text: string): Promise<void> {
  const file = await open(path, appending, 0o600)
  try {
    await file.appendFile(text)
    await file.sync()
    // A process that stalls for seconds loses the lock, and may write to a file that was replaced meanwhile.
    if ((await file.stat()).ino !== (await stat(path)).ino) await append(path, text)
  } finally {
    await file.close()
  }
}
