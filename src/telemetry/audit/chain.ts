/**
 * The chain of an audit: each record holds the hash of the one before it, so that none can be changed or
 * taken out unseen.
 */
import { createHmac, hash, randomUUID } from 'node:crypto'
import { canonicalJson } from '../../lib/canonical-json.js'
import { escapeUnprintable } from '../../log/printable-line.js'

/** The place of a record: the process that wrote it, its number there, and its hash. */
export interface Head {
  readonly boot: string
  readonly seq: number
  readonly hash: string
}

/** The `prev` of the first record of a process. */
export const noHash = '0'.repeat(64)

/** 64 hex digits: SHA-256 of a text, or with a key its HMAC. */
export function digestOf (text: string, key: string | undefined): string {
  return key === undefined ? hash('sha256', text, 'hex') : createHmac('sha256', key).update(text).digest('hex')
}

/** What a record is hashed by: its canonical JSON without its own hash. */
export function hashOf (record: Readonly<Record<string, unknown>>, key: string | undefined): string {
  const { hash: _own, ...rest } = record
  return digestOf(canonicalJson(rest), key)
}

export interface Sealed {
  /** The line, with its line break. */
  readonly line: string
  readonly head: Head
}

/** The records of one process. */
export class Chain {
  readonly boot = randomUUID()
  readonly #key: string | undefined
  readonly #redact: (line: string) => string
  #seq = 0
  #prev = noHash

  /** `redact`: takes credentials out of a line; a caller may name a tool like one. */
  constructor (key: string | undefined, redact: (line: string) => string) {
    this.#key = key
    this.#redact = redact
  }

  get head (): Head {
    return { boot: this.boot, seq: this.#seq, hash: this.#prev }
  }

  /** `textOf`: the canonical JSON of the record, given its number and the hash before it. */
  seal (textOf: (link: { readonly boot: string, readonly seq: number, readonly prev: string }) => string): Sealed {
    const text = this.#redact(textOf({ boot: this.boot, seq: this.#seq + 1, prev: this.#prev }))
    const sealed = sealText(text, this.#key)
    this.#seq += 1
    this.#prev = sealed.hash
    return { line: sealed.line, head: this.head }
  }

  /** The line that begins another file: where the chain goes on. It is no record, and has no number of its own. */
  continuation ({ seq, hash: prev }: Head, isTorn: boolean): string {
    return sealText(
      canonicalJson({ audit: 1, boot: this.boot, continues: seq, prev, torn: isTorn ? true : undefined }),
      this.#key
    ).line
  }
}

function sealText (text: string, key: string | undefined): { line: string, hash: string } {
  const own = digestOf(text, key)
  // Escaped after it was hashed: what a reader parses is hashed, and not how it is spelled.
  return { line: escapeUnprintable(`${text.slice(0, -1)},"hash":"${own}"}\n`), hash: own }
}
