/** Creates and parses managed keys, `mcp_<id>_<secret>_<checksum>`, and detects typing errors. */
import { randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { sha256 } from '../lib/sha256.js'

export interface MintedKey {
  readonly id: string
  /** The whole key. Shown once, never stored. */
  readonly key: string
  /** The SHA-256 of the whole key in hex. Only this is stored. */
  readonly digest: string
}

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const idLetters = '0123456789abcdefghijklmnopqrstuvwxyz'
const idLength = 12
/** About 190 bits of randomness. */
const secretLength = 32
const checksumLength = 6

/** The form of key ids, for created and imported keys. */
export const keyIdPattern = /^[a-z0-9]{12}$/
const shape = /^mcp_([a-z0-9]{12})_[0-9A-Za-z]{32}_[0-9A-Za-z]{6}$/
const beginning = /^mcp_[a-z0-9]{12}_/

/** Creates a key with a fresh secret, for a new id or for an existing key that is rotated. */
export function mintKey (id = newKeyId()): MintedKey {
  const body = `mcp_${id}_${randomText(base62, secretLength)}`
  const key = `${body}_${checksum(body)}`
  return { id, key, digest: sha256(key) }
}

/** The first letter comes after `f`. Ids of imported keys are hex, so the two kinds cannot collide. */
function newKeyId (): string {
  return randomText(idLetters.slice(16), 1) + randomText(idLetters, idLength - 1)
}

/**
 * `managed`: has the form of a key created here. `damaged`: a mistyped or truncated managed key, which needs
 * no look-up. `foreign`: any other text.
 */
export type KeyShape = 'managed' | 'damaged' | 'foreign'

/** Checks only the form, not whether the key exists or is valid. */
export function shapeOf (text: string): KeyShape {
  if (!beginning.test(text)) return 'foreign'
  return shape.test(text) && checksum(text.slice(0, -checksumLength - 1)) === text.slice(-checksumLength)
    ? 'managed'
    : 'damaged'
}

/** The id inside a managed key. `undefined` for any other text. */
export function keyIdOf (text: string): string | undefined {
  return shapeOf(text) === 'managed' ? shape.exec(text)?.[1] : undefined
}

function randomText (letters: string, length: number): string {
  return Array.from({ length }, () => letters[randomInt(letters.length)]).join('')
}

/** CRC-32 in base 62, as in GitHub's tokens, so that secret scanners can verify keys offline. */
function checksum (text: string): string {
  let rest = crc32(text)
  let digits = ''
  for (let i = 0; i < checksumLength; i++) {
    digits = base62.charAt(rest % 62) + digits
    rest = Math.floor(rest / 62)
  }
  return digits
}
