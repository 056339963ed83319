/** Verifies the chains in audit files: finds the first record that was altered, removed, moved or cut off. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { isRecord } from '../../lib/guards.js'
import { type Head, hashOf, noHash } from './chain.js'

export interface Fault {
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly kind: 'altered' | 'missing' | 'reordered' | 'cut' | 'foreign'
  readonly what: string
}

export interface Verdict {
  readonly records: number
  readonly chains: number
  /** Absent where all is well. */
  readonly fault?: Fault | undefined
  /** What is no fault, and worth knowing, such as a line that a crash left half written. */
  readonly notes: readonly string[]
  /** The last record of each chain, for a comparison with the `audit head` lines of the log. */
  readonly heads: readonly Head[]
}

export interface VerifyOptions {
  /** As it was set when the files were written. */
  readonly key?: string | undefined
  /** Heads that the log told of: each has to be in the files. */
  readonly heads?: readonly Head[]
}

interface Place { readonly file: string, readonly line: number }

class FaultFound extends Error {
  readonly fault: Fault

  constructor (fault: Fault) {
    super(fault.what)
    this.fault = fault
  }
}

/**
 * `files`: in the order in which they were written. Rejects with the error of the file system where one
 * cannot be read.
 */
export async function verifyAudit (files: readonly string[], options: VerifyOptions = {}): Promise<Verdict> {
  const verifier = new Verifier(options)
  try {
    for (const file of files) {
      let line = 0
      for await (const text of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
        line += 1
        if (text !== '') verifier.take(text, { file, line })
      }
    }
    verifier.end()
    return verifier.verdict()
  } catch (error) {
    if (!(error instanceof FaultFound)) throw error
    return verifier.verdict(error.fault)
  }
}

class Verifier {
  readonly #key: string | undefined
  readonly #heads: readonly Head[]
  readonly #chains = new Map<string, Head>()
  /** The hashes that a head may name, by process and number. */
  readonly #wanted = new Map<string, string>()
  readonly #ended = new Set<string>()
  readonly #notes: string[] = []
  #records = 0
  /** A line that is no JSON: a crash, if the next line says so. */
  #torn: Place | undefined
  #last: Place | undefined

  constructor ({ key, heads = [] }: VerifyOptions) {
    this.#key = key
    this.#heads = heads
  }

  take (text: string, place: Place): void {
    this.#last = place
    const record = parsed(text)
    if (this.#torn !== undefined && record?.torn !== true && !isTornOpening(record)) throw cut(this.#torn)
    if (record === undefined) {
      this.#torn = place
      return
    }
    if (this.#torn !== undefined) {
      this.#notes.push(`${at(this.#torn)}: a process ended while it wrote this line, as the next one says`)
    }
    this.#torn = undefined
    this.#judge(record, place)
  }

  end (): void {
    if (this.#torn !== undefined) throw cut(this.#torn)
    const last = this.#last ?? { file: '-', line: 0 }
    for (const head of this.#heads) {
      const found = this.#chains.get(head.boot)
      const isThere = found !== undefined && found.seq >= head.seq
      if (!isThere) {
        throw fault(last, 'cut', `the log tells of record ${head.seq} of ${head.boot}, which is not here`)
      }
      if (this.#wanted.get(nameOf(head)) !== head.hash) {
        throw fault(
          last,
          'altered',
          `record ${head.seq} of ${head.boot} is not the one that the log tells of`
        )
      }
    }
    for (const [boot] of this.#chains) {
      if (!this.#ended.has(boot)) {
        this.#notes.push(`${boot}: its end is not on record: the process runs, or was killed`)
      }
    }
  }

  verdict (found?: Fault): Verdict {
    return {
      records: this.#records,
      chains: this.#chains.size,
      fault: found,
      notes: this.#notes,
      heads: [...this.#chains.values()]
    }
  }

  #judge (record: Readonly<Record<string, unknown>>, place: Place): void {
    const { boot, seq, prev, hash, kind, continues } = record
    if (typeof boot !== 'string' || typeof prev !== 'string' || typeof hash !== 'string') {
      throw fault(place, 'foreign', 'this is no audit record')
    }
    if (hashOf(record, this.#key) !== hash) {
      throw fault(
        place,
        'altered',
        this.#records === 0
          ? 'the hash does not fit: the record was altered, or the key is another'
          : 'the hash does not fit: the record was altered'
      )
    }
    const known = this.#chains.get(boot)
    if (typeof continues === 'number') {
      this.#continue({ boot, seq: continues, hash: prev }, known, place)
      return
    }
    if (typeof seq !== 'number') throw fault(place, 'foreign', 'this is no audit record')
    this.#link({ boot, seq, prev }, known, place)
    if (seq === 1) this.#checkAfter(record.about, place)
    this.#records += 1
    const head = { boot, seq, hash }
    this.#chains.set(boot, head)
    if (this.#heads.some(one => one.boot === boot && one.seq === seq)) this.#wanted.set(nameOf(head), hash)
    if (kind === 'audit-closed') this.#ended.add(boot)
  }

  /** The chain goes on in another file. */
  #continue (from: Head, known: Head | undefined, place: Place): void {
    if (known !== undefined && known.seq < from.seq) {
      throw fault(place, 'missing', `records ${known.seq + 1} to ${from.seq} of ${from.boot} are missing`)
    }
    if (known !== undefined && (known.seq > from.seq || known.hash !== from.hash)) {
      throw fault(
        place,
        'reordered',
        `this goes on after record ${from.seq}, and record ${known.seq} was here already`
      )
    }
    if (known === undefined) {
      this.#notes.push(
        `${at(place)}: begins after record ${from.seq} of ${from.boot}: earlier files were not given`
      )
    }
    this.#chains.set(from.boot, from)
  }

  #link (
    { boot, seq, prev }: { boot: string; seq: number; prev: string },
    known: Head | undefined,
    place: Place
  ): void {
    if (known === undefined) {
      if (seq !== 1) {
        throw fault(
          place,
          this.#chains.size === 0 ? 'missing' : 'foreign',
          `record ${seq} of ${boot} comes without those before it`
        )
      }
      if (prev !== noHash) throw fault(place, 'altered', 'the first record of a chain has nothing before it')
      return
    }
    if (seq <= known.seq) throw fault(place, 'reordered', `record ${seq} comes after record ${known.seq}`)
    if (seq > known.seq + 1) {
      throw fault(place, 'missing', `records ${known.seq + 1} to ${seq - 1} are missing, or were moved`)
    }
    if (prev !== known.hash) { throw fault(place, 'altered', `record ${seq} does not follow from record ${known.seq}`) }
  }

  /** A process says which record it found last: what was cut off before it came shows here. */
  #checkAfter (about: unknown, place: Place): void {
    const after = isRecord(about) ? about.after : undefined
    if (!isRecord(after) || typeof after.boot !== 'string' || typeof after.seq !== 'number') return
    const known = this.#chains.get(after.boot)
    if (known !== undefined && known.seq < after.seq) {
      throw fault(
        place,
        'cut',
        `records ${known.seq + 1} to ${after.seq} of ${after.boot} were here when this process began`
      )
    }
  }
}

function isTornOpening (record: Readonly<Record<string, unknown>> | undefined): boolean {
  return isRecord(record?.about) && record.about.torn === true
}

function parsed (text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function nameOf ({ boot, seq }: Head): string {
  return `${boot} ${seq}`
}

function cut (place: Place): FaultFound {
  return fault(place, 'cut', 'the line is cut off')
}

function fault (place: Place, kind: Fault['kind'], what: string): FaultFound {
  return new FaultFound({ ...place, kind, what })
}

function at ({ file, line }: Place): string {
  return `${file}:${line}`
}
