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

/** SHA-256, or with a key its HMAC (RFC 2104). By one-shot hashes: the HMAC of `node:crypto` takes twice as long. */
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

/** Encodes texts in UTF-8, each after `start`. The bytes are good until the next text: all are in one buffer. */
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

/** What a record is hashed by: its canonical JSON without its own hash. */
export function hashOf (record: Readonly<Record<string, unknown>>, digest: Digest): string {
  const { hash: _own, ...rest } = record
  return digest(canonicalJson(rest))
}

/** What places a record in its chain. */
export interface Link {
  readonly boot: string
  readonly seq: number
  /** The hash of the record before it. */
  readonly prev: string
}

/** A record as a line, with its line break. */
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

  /** `textOf`: the canonical JSON of the record in its place. */
  seal (textOf: (link: Link) => string): Sealed {
    const seq = this.#seq + 1
    const { line, hash } = sealText(textOf({ boot: this.boot, seq, prev: this.#prev }), this.#digest)
    this.#seq = seq
    this.#prev = hash
    return { boot: this.boot, seq, hash, line }
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
