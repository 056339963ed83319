/** A record as a journal line: length and checksum tell a torn line from a damaged one. */
import { sha256 } from '../../lib/sha256.js'

/** The first line of every journal. */
export const heading = 'fastify-mcp-auth state 1'

/**
 * `torn`: the beginning of a line, from a writer that was killed or had no room; it was never
 * acknowledged. `damaged`: anything else, so something acknowledged may be gone.
 */
export type Line = { readonly value: unknown } | 'torn' | 'damaged'

/**
 * Begins with a line break, too: what is appended after a torn line must not become a part of it.
 * The line itself holds none.
 */
export function lineOf (value: unknown): string {
  const json = ascii(JSON.stringify(value))
  return `\n${json.length} ${checksum(json)} ${json}\n`
}

/** Reads one line without its line breaks; empty ones are between the lines and not for here. */
export function readLine (line: string): Line {
  const [, length = '', sum = '', json = ''] = /^(\d{1,7}) ([0-9a-f]{16}) (.*)$/.exec(line) ?? []
  if (length === '') return /^\d{1,7}( [0-9a-f]{0,16})?$/.test(line) ? 'torn' : 'damaged'
  if (json.length < Number(length)) return json === '' || json.startsWith('{') ? 'torn' : 'damaged'
  if (json.length > Number(length) || checksum(json) !== sum) return 'damaged'
  const value: unknown = JSON.parse(json)
  return { value }
}

/** A torn line then never ends within a character. */
function ascii (json: string): string {
  return json.replace(/[\u0080-\uffff]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function checksum (json: string): string {
  return sha256(json).slice(0, 16)
}
