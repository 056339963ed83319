/** Verifies the chains in audit files: finds the first record that was altered, removed, moved or cut off. */
import { isRecord } from '../../lib/guards.js'
import { createDigest, type Digest, type Head, hashOf, chainLineOf, noHash } from './chain.js'
import { type AuditFault, cut, fault, FaultFound, type LineOfFile } from './fault.js'
import { type AuditFile, closeFiles, linesOf, openFiles } from './files.js'
import { isTornOpening, parsed, recordAtEndOf } from './read-line.js'

export interface AuditReport {
  readonly records: number
  readonly chains: number
  /** Absent if the files are intact. */
  readonly fault?: AuditFault | undefined
  /** Observations that are not faults, such as a line that was left incomplete by a crash. */
  readonly notes: readonly string[]
  /** The last record of each chain, to compare with the `audit head` lines of the log. */
  readonly heads: readonly Head[]
}

export interface VerifyOptions {
  /** The key that was set when the files were written. */
  readonly key?: string | undefined
  /** Heads from the log. Each of them must be in the files. */
  readonly heads?: readonly ToldHead[]
}

export interface ToldHead extends Head {
  /** When the head was logged, in milliseconds since the epoch. */
  readonly at?: number | undefined
}

/**
 * Verifies files, given in the order in which they were written. Rejects with the error of the file system if
 * one cannot be read.
 */
export async function verifyAudit (paths: readonly string[], options: VerifyOptions = {}): Promise<AuditReport> {
  const files = await openFiles(paths)
  try {
    return await verifyFiles(files, options)
  } finally {
    await closeFiles(files)
  }
}

/** Like `verifyAudit`, for open files. */
export async function verifyFiles (files: readonly AuditFile[], options: VerifyOptions = {}): Promise<AuditReport> {
  const verifier = new Verifier(options)
  try {
    for (const file of files) {
      let line = 0
      for await (const text of linesOf(file)) {
        line += 1
        if (text !== '') verifier.take(text, { file: file.path, line })
      }
    }
    verifier.end()
    return verifier.verdict()
  } catch (error) {
    if (!(error instanceof FaultFound)) throw error
    return verifier.verdict(error.fault)
  }
}

/** Far longer than the processes of one server need to start. */
const togetherMs = 60_000

class Verifier {
  readonly #digest: Digest
  readonly #heads: readonly ToldHead[]
  /** The latest record of each process. */
  readonly #chains = new Map<string, Head>()
  /** The number of the first known record of each process, or of the one before it. */
  readonly #firsts = new Map<string, number>()
  /** The hashes of the records that a logged head names, by process and number. */
  readonly #told = new Map<string, string | undefined>()
  readonly #ended = new Set<string>()
  readonly #notes: string[] = []
  #records = 0
  /** The position of a line that is not JSON. It is no fault if the next line reports a crash there. */
  #torn: LineOfFile | undefined
  #last: LineOfFile | undefined
  #firstFile: string | undefined
  /** When the first record was created, and whether there were records before it. */
  #beginsAt: number | undefined
  #hasEarlier = false
  /** The time and the file of the latest record. */
  #latest: { readonly at: number, readonly file: string } | undefined

  constructor ({ key, heads = [] }: VerifyOptions) {
    this.#digest = createDigest(key)
    this.#heads = heads
    for (const head of heads) this.#told.set(nameOf(head), undefined)
  }

  take (text: string, place: LineOfFile): void {
    this.#last = place
    this.#firstFile ??= place.file
    let line = text
    let record = parsed(line)
    if (record === undefined) {
      line = recordAtEndOf(text, this.#digest) ?? ''
      record = parsed(line)
      if (record !== undefined) {
        this.#notes.push(`${at(place)}: a process ended while it wrote this line, and another continued it`)
      }
    }
    if (this.#torn !== undefined && record?.torn !== true && !isTornOpening(record)) throw cut(this.#torn)
    if (record === undefined) {
      this.#torn = place
      return
    }
    if (this.#torn !== undefined) {
      this.#notes.push(`${at(this.#torn)}: a process ended while it wrote this line, as the next one says`)
    }
    this.#torn = undefined
    this.#judge(record, line, place)
  }

  end (): void {
    if (this.#torn !== undefined) throw cut(this.#torn)
    const last = this.#last ?? { file: '-', line: 0 }
    const older = this.#heads.filter(head => !this.#holds(head, last)).length
    if (older > 0) this.#notes.push(`heads in the log that are older than these files: ${older}`)
    for (const [boot] of this.#chains) {
      if (!this.#ended.has(boot)) {
        this.#notes.push(`${boot}: no end is recorded: the process is running, or was killed`)
      }
    }
  }

  /** False for a head that is older than the files. */
  #holds (head: ToldHead, last: LineOfFile): boolean {
    const { boot, seq, at } = head
    const first = this.#firsts.get(boot)
    if (first === undefined) {
      if (this.#hasEarlier && at !== undefined && at < (this.#beginsAt ?? 0)) return false
    } else if (seq < first) return false
    if ((this.#chains.get(boot)?.seq ?? 0) < seq) {
      throw fault(last, 'cut', `record ${seq} of ${boot} is in the log, but not in these files`)
    }
    if (this.#told.get(nameOf(head)) !== head.hash) {
      throw fault(last, 'altered', `record ${seq} of ${boot} differs from the one in the log`)
    }
    return true
  }

  verdict (found?: AuditFault): AuditReport {
    return {
      records: this.#records,
      chains: this.#chains.size,
      fault: found,
      notes: this.#notes,
      heads: [...this.#chains.values()]
    }
  }

  #judge (record: Readonly<Record<string, unknown>>, line: string, place: LineOfFile): void {
    const { boot, seq, prev, hash, kind, continues } = record
    if (typeof boot !== 'string' || typeof prev !== 'string' || typeof hash !== 'string') {
      throw fault(place, 'foreign', 'this is not an audit record')
    }
    if (hashOf(record, this.#digest) !== hash) {
      throw fault(
        place,
        'altered',
        this.#records === 0
          ? 'the hash does not match: the record was altered, or the key is wrong'
          : 'the hash does not match: the record was altered'
      )
    }
    // A repeated member name could be read in two ways.
    if (chainLineOf(record, hash) !== line) {
      throw fault(place, 'altered', 'the record is not written in the form that the server uses')
    }
    const known = this.#chains.get(boot)
    if (typeof continues === 'number') {
      this.#continue({ boot, seq: continues, hash: prev }, known, place)
      return
    }
    if (typeof seq !== 'number') throw fault(place, 'foreign', 'this is not an audit record')
    this.#link({ boot, seq, prev }, known, place)
    const recordedAt = Date.parse(String(record.at))
    if (seq === 1) this.#checkAfter(record.about, recordedAt, place)
    this.#records += 1
    this.#latest = { at: recordedAt, file: place.file }
    this.#beginsAt ??= recordedAt
    this.#set({ boot, seq, hash })
    if (kind === 'audit-closed') this.#ended.add(boot)
  }

  #set (head: Head): void {
    const name = nameOf(head)
    if (this.#told.has(name)) this.#told.set(name, head.hash)
    if (!this.#firsts.has(head.boot)) this.#firsts.set(head.boot, head.seq)
    this.#chains.set(head.boot, head)
  }

  /** Checks a line that continues the chain in a new file. */
  #continue (from: Head, known: Head | undefined, place: LineOfFile): void {
    if (known !== undefined && known.seq < from.seq) {
      throw fault(place, 'missing', `the files lack ${span(known.seq + 1, from.seq)} of ${from.boot}`)
    }
    if (known !== undefined && (known.seq > from.seq || known.hash !== from.hash)) {
      throw fault(
        place,
        'reordered',
        `this continues after record ${from.seq}, but record ${known.seq} came before it`
      )
    }
    if (known === undefined) {
      this.#hasEarlier = true
      this.#notes.push(
        `${at(place)}: begins after record ${from.seq} of ${from.boot}: earlier files were not given`
      )
    }
    this.#set(from)
  }

  #link (
    { boot, seq, prev }: { boot: string; seq: number; prev: string },
    known: Head | undefined,
    place: LineOfFile
  ): void {
    if (known === undefined) {
      if (seq !== 1) {
        throw fault(
          place,
          this.#chains.size === 0 ? 'missing' : 'foreign',
          `the records before record ${seq} of ${boot} are missing`
        )
      }
      if (prev !== noHash) throw fault(place, 'altered', 'the first record must not name a previous one')
      return
    }
    if (seq <= known.seq) throw fault(place, 'reordered', `record ${seq} comes after record ${known.seq}`)
    if (seq > known.seq + 1) {
      const lost = span(known.seq + 1, seq - 1)
      throw fault(place, 'missing', `record ${seq} follows record ${known.seq}, without ${lost}`)
    }
    if (prev !== known.hash) throw fault(place, 'altered', `record ${seq} does not follow from record ${known.seq}`)
  }

  /** The first record of a process names the last record it found, which reveals records cut off before. */
  #checkAfter (about: unknown, startedAt: number, place: LineOfFile): void {
    const after = isRecord(about) ? about.after : undefined
    const { file, at: before = NaN } = this.#latest ?? {}
    // Without a file, `about` is absent. Processes that start together all find an empty file.
    if (isRecord(about) && Object.keys(about).length === 0 && file === place.file && startedAt - before > togetherMs) {
      const what = 'the process that starts here found an empty file: its records may be from another file'
      this.#notes.push(`${at(place)}: ${what}`)
    }
    if (!isRecord(after) || typeof after.boot !== 'string' || typeof after.seq !== 'number') return
    const known = this.#chains.get(after.boot)
    if (known === undefined) {
      // Nothing is known about records in files before the first one.
      this.#hasEarlier ||= this.#records === 0
      if (!this.#hasEarlier || place.file !== this.#firstFile) {
        throw fault(place, 'missing', `the records of ${after.boot} existed when this process started`)
      }
    } else if (known.seq < after.seq) {
      throw fault(
        place,
        'cut',
        `${span(known.seq + 1, after.seq)} of ${after.boot} existed when this process started`
      )
    } else if (known.seq === after.seq && known.hash !== after.hash) {
      throw fault(place, 'altered', `record ${known.seq} of ${known.boot} was different when this process started`)
    }
  }
}

function span (first: number, last: number): string {
  return first === last ? `record ${first}` : `records ${first} to ${last}`
}

function nameOf ({ boot, seq }: Head): string {
  return `${boot} ${seq}`
}

function at ({ file, line }: LineOfFile): string {
  return `${file}:${line}`
}
