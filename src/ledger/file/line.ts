/** Formats and parses journal lines. Length and checksum tell a torn line from a damaged one. */
import { sha256 } from '../../lib/sha256.js'

/** The first line of every journal. */
export const heading = 'fastify-mcp-auth state 1'

/**
 * `torn`: only the beginning of a line, because the writer was killed or the disk was full; it was never
 * acknowledged. `damaged`: any other invalid line, so an acknowledged record may be lost.
 */
export type JournalLine = { readonly value: unknown } | 'torn' | 'damaged'

/**
 * The line starts with a line break as well, so that it does not continue a torn line. The JSON contains no
 * line breaks.
 */
export function lineOf (value: unknown): string {
  const json = ascii(JSON.stringify(value))
  return `\n${json.length} ${checksum(json)} ${json}\n`
}

/** Reads one line without its line breaks. Callers skip the empty lines in between. */
export function readLine (line: string): JournalLine {
  const [, length = '', sum = '', json = ''] = /^(\d{1,7}) ([0-9a-f]{16}) (.*)$/.exec(line) ?? []
  if (length === '') return /^\d{1,7}( [0-9a-f]{0,16})?$/.test(line) ? 'torn' : 'damaged'
  if (json.length < Number(length)) return json === '' || json.startsWith('{') ? 'torn' : 'damaged'
  if (json.length > Number(length) || checksum(json) !== sum) return 'damaged'
  const value: unknown = JSON.parse(json)
  return { value }
}

/** Escapes non-ASCII characters, so that a torn line never ends within a character. */
function ascii (json: string): string {
  return json.replace(/[\u0080-\uffff]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function checksum (json: string): string {
  return sha256(json).slice(0, 16)
}
