/**
 * The chain of an audit: each record holds the hash of the one before it, so that none can be changed or
 * taken out unseen.
 */
import { hash, randomUUID } from 'node:crypto'
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

/** 64 hex digits of a text. */
export type Digest = (text: string) => string

/** Bytes that SHA-256 works on at once. */
const blockBytes = 64

/** SHA-256, or with a key its HMAC (RFC 2104), which takes half the time here of that of `node:crypto`. */
export function createDigest (key: string | undefined): Digest {
  if (key === undefined) return text => hash('sha256', text, 'hex')
  const block = Buffer.alloc(blockBytes)
  const bytes = Buffer.from(key)
  block.set(bytes.length > blockBytes ? hash('sha256', bytes, 'buffer') : bytes)
  const outer = Buffer.concat([block.map(byte => byte ^ 0x5c), Buffer.alloc(32)])
  const start = block.map(byte => byte ^ 0x36)
  let inner = Buffer.alloc(4096)
  inner.set(start)
  return text => {
    const most = blockBytes + text.length * 3
    if (inner.length < most) {
      inner = Buffer.alloc(most)
      inner.set(start)
    }
    const length = inner.write(text, blockBytes)
    outer.write(hash('sha256', inner.subarray(0, blockBytes + length), 'hex'), blockBytes, 'hex')
    return hash('sha256', outer, 'hex')
  }
}

/** What a record is hashed by: its canonical JSON without its own hash. */
export function hashOf (record: Readonly<Record<string, unknown>>, digest: Digest): string {
  const { hash: _own, ...rest } = record
  return digest(canonicalJson(rest))
}

export interface Sealed {
  /** The line, with its line break. */
  readonly line: string
  readonly head: Head
}

/** The records of one process. */
export class Chain {
  readonly boot = randomUUID()
  readonly #digest: Digest
  readonly #redact: (line: string) => string
  #seq = 0
  #prev = noHash

  /** `redact`: takes credentials out of a line; a caller may name a tool like one. */
  constructor (digest: Digest, redact: (line: string) => string) {
    this.#digest = digest
    this.#redact = redact
  }

  get head (): Head {
    return { boot: this.boot, seq: this.#seq, hash: this.#prev }
  }

  /** `textOf`: the canonical JSON of the record, given its number and the hash before it. */
  seal (textOf: (link: { readonly boot: string, readonly seq: number, readonly prev: string }) => string): Sealed {
    const text = this.#redact(textOf({ boot: this.boot, seq: this.#seq + 1, prev: this.#prev }))
    const sealed = sealText(text, this.#digest)
    this.#seq += 1
    this.#prev = sealed.hash
    return { line: sealed.line, head: this.head }
  }

  /** The line that begins another file: where the chain goes on. It is no record, and has no number of its own. */
  continuation ({ seq, hash: prev }: Head, isTorn: boolean): string {
    return sealText(
      canonicalJson({ audit: 1, boot: this.boot, continues: seq, prev, torn: isTorn ? true : undefined }),
      this.#digest
    ).line
  }
}

function sealText (text: string, digest: Digest): { line: string, hash: string } {
  const own = digest(text)
  return { line: `${withHash(text, own)}\n`, hash: own }
}

/** Escaped after it was hashed: what a reader parses is hashed, and not how it is spelled. */
function withHash (text: string, own: string): string {
  return escapeUnprintable(`${text.slice(0, -1)},"hash":"${own}"}`)
}

/** The line of a record as it is written, without its line break. */
export function lineOf ({ hash: _own, ...rest }: Readonly<Record<string, unknown>>, own: string): string {
  return withHash(canonicalJson(rest), own)
}
