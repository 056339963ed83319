/**
 * The hash chain of the audit log: each record contains the hash of the previous one, so that no record can
 * be changed or removed unnoticed.
 */
import { hash, randomUUID } from 'node:crypto'
import { canonicalJson } from '../../lib/canonical-json.js'
import { escapeUnprintable } from '../../log/printable-line.js'

/** Identifies a record: the process that wrote it, its number in that process, and its hash. */
export interface Head {
  readonly boot: string
  readonly seq: number
  readonly hash: string
}

/** The `prev` of the first record of a process. */
export const noHash = '0'.repeat(64)

/** Hashes a text to 64 hex digits. */
export type Digest = (text: string) => string

/** The block size of SHA-256 in bytes. */
const blockBytes = 64

/** SHA-256, or with a key its HMAC (RFC 2104) by one-shot hashes. `node:crypto`'s HMAC takes twice as long. */
export function createDigest (key: string | undefined): Digest {
  if (key === undefined) {
    const encode = encoderAfter(Buffer.alloc(0))
    return text => hash('sha256', encode(text), 'hex')
  }
  const block = Buffer.alloc(blockBytes)
  const bytes = Buffer.from(key)
  block.set(bytes.length > blockBytes ? hash('sha256', bytes, 'buffer') : bytes)
  const outer = Buffer.concat([block.map(byte => byte ^ 0x5c), Buffer.alloc(32)])
  const encode = encoderAfter(block.map(byte => byte ^ 0x36))
  return text => {
    outer.write(hash('sha256', encode(text), 'hex'), blockBytes, 'hex')
    return hash('sha256', outer, 'hex')
  }
}

/** Encodes texts in UTF-8, each after `start`, in a shared buffer. The bytes are valid until the next text. */
function encoderAfter (start: Uint8Array): (text: string) => Uint8Array {
  const room = (bytes: number): Buffer => {
    const buffer = Buffer.alloc(bytes)
    buffer.set(start)
    return buffer
  }
  let buffer = room(4096)
  return text => {
    // A UTF-16 code unit takes at most three bytes.
    const most = start.length + text.length * 3
    if (buffer.length < most) buffer = room(most)
    return buffer.subarray(0, start.length + buffer.write(text, start.length))
  }
}

/** The hash of a record: of its canonical JSON without the `hash` member. */
export function hashOf (record: Readonly<Record<string, unknown>>, digest: Digest): string {
  const { hash: _own, ...rest } = record
  return digest(canonicalJson(rest))
}

/** The position of a record in its chain. */
export interface ChainLink {
  readonly boot: string
  readonly seq: number
  /** The hash of the previous record. */
  readonly prev: string
}

/** A record as a line, including its line break. */
export interface Sealed extends Head {
  readonly line: string
}

/** The records of one process. */
export class Chain {
  readonly boot = randomUUID()
  readonly #digest: Digest
  #seq = 0
  #prev = noHash

  constructor (digest: Digest) {
    this.#digest = digest
  }

  get head (): Head {
    return { boot: this.boot, seq: this.#seq, hash: this.#prev }
  }

  /** `textOf` returns the canonical JSON of the record at its position. */
  seal (textOf: (link: ChainLink) => string): Sealed {
    const seq = this.#seq + 1
    const { line, hash } = sealText(textOf({ boot: this.boot, seq, prev: this.#prev }), this.#digest)
    this.#seq = seq
    this.#prev = hash
    return { boot: this.boot, seq, hash, line }
  }

  /** The first line of a new file, which continues the chain. It is not a record and has no number. */
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

/** Escapes after hashing: the hash covers what a reader parses, not how it is written. */
function withHash (text: string, own: string): string {
  return escapeUnprintable(`${text.slice(0, -1)},"hash":"${own}"}`)
}

/** The line of a record as it is written, without its line break. */
export function chainLineOf ({ hash: _own, ...rest }: Readonly<Record<string, unknown>>, own: string): string {
  return withHash(canonicalJson(rest), own)
}
