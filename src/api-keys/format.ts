/** The text form of a managed key, `mcp_<id>_<secret>_<checksum>`: creates, parses, and detects typing errors. */
import { randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { sha256 } from '../lib/sha256.js'

export interface MintedKey {
  readonly id: string
  /** The whole key. Shown once, kept nowhere. */
  readonly key: string
  /** The SHA-256 of the whole key in hex: all that is stored. */
  readonly digest: string
}

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const idLetters = '0123456789abcdefghijklmnopqrstuvwxyz'
const idLength = 12
/** 190 bits. */
const secretLength = 32
const checksumLength = 6

/** What a key's id looks like, a minted and an imported one's. */
export const keyIdPattern = /^[a-z0-9]{12}$/
const shape = /^mcp_([a-z0-9]{12})_[0-9A-Za-z]{32}_[0-9A-Za-z]{6}$/
const beginning = /^mcp_[a-z0-9]{12}_/

/** Makes a key with a fresh secret, for a new id or for one that gets another secret. */
export function mintKey (id = newKeyId()): MintedKey {
  const body = `mcp_${id}_${randomText(base62, secretLength)}`
  const key = `${body}_${checksum(body)}`
  return { id, key, digest: sha256(key) }
}

/** Begins with a letter beyond `f`: ids made of a digest are hex, and the two kinds never meet. */
function newKeyId (): string {
  return randomText(idLetters.slice(16), 1) + randomText(idLetters, idLength - 1)
}

/**
 * `managed` is a key that may have been made here; `damaged` was meant to be one and is mistyped
 * or cut off, so no look-up is needed; `foreign` is any other text.
 */
export type KeyShape = 'managed' | 'damaged' | 'foreign'

/** Judges the form alone. Does not check that the key is, or ever was, good. */
export function shapeOf (text: string): KeyShape {
  if (!beginning.test(text)) return 'foreign'
  return shape.test(text) && checksum(text.slice(0, -checksumLength - 1)) === text.slice(-checksumLength)
    ? 'managed'
    : 'damaged'
}

/** The id inside a managed key; `undefined` for every other text. */
export function keyIdOf (text: string): string | undefined {
  return shapeOf(text) === 'managed' ? shape.exec(text)?.[1] : undefined
}

function randomText (letters: string, length: number): string {
  return Array.from({ length }, () => letters[randomInt(letters.length)]).join('')
}

/** CRC-32 in base 62, as in the tokens of GitHub: secret scanners can check it without asking us. */
function checksum (text: string): string {
  let rest = crc32(text)
  let digits = ''
  for (let i = 0; i < checksumLength; i++) {
    digits = base62.charAt(rest % 62) + digits
    rest = Math.floor(rest / 62)
  }
  return digits
}
