/** Encodes the id of a caller for upstreams. Different ids stay different. */
import { hash } from 'node:crypto'

/** Percent-encodes `%` and everything except visible ASCII (RFC 9110 §5.5, RFC 3986 §2.1). */
export function headerValueOf (id: string): string {
  return id.replaceAll(/[^!-$&-~]/gu, encoded)
}

/** Returns the first 32 hexadecimal digits of SHA-256. */
export function digestOfCaller (id: string): string {
  const bytes = headerValueOf(id).replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return hash('sha256', Buffer.from(bytes, 'latin1'), 'hex').slice(0, 32)
}

/** A lone surrogate has no UTF-8 form, so its code point is encoded in three bytes. */
function encoded (character: string): string {
  if (!/\p{Surrogate}/u.test(character)) return encodeURIComponent(character)
  const code = character.charCodeAt(0)
  return [0xe0 | code >> 12, 0x80 | code >> 6 & 0x3f, 0x80 | code & 0x3f]
    .map(byte => `%${byte.toString(16).toUpperCase()}`)
    .join('')
}
