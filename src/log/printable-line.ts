/** Makes a log line safe to display: escapes control characters and bounds its length. */

/** DEL and C1 controls, line and paragraph separators, bidirectional marks, and the byte order mark. */
const unprintable = /[\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g
/** JSON escapes C0 controls by itself. */
const longestLine = 32 * 1024
const longestText = 8 * 1024
const mostEntries = 100
const deepest = 8

/** Takes JSON with or without a final line break. Returns equivalent JSON; long strings are truncated. */
export function printableLine (line: string): string {
  return escapeUnprintable(line.length > longestLine ? shortened(line) : line)
}

/** Equivalent JSON without characters that move a cursor or change the direction of text. */
export function escapeUnprintable (json: string): string {
  // Nearly every line is plain ASCII, and this check takes a tenth of the time.
  if (Buffer.byteLength(json) === json.length && !json.includes('\u007f')) return json
  return json.replace(unprintable, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Bounds the line, because a host may log text from a caller. */
function shortened (line: string): string {
  try {
    const whole = JSON.stringify(bounded(JSON.parse(line), longestText, 0))
    const text = whole.length > longestLine ? JSON.stringify(bounded(JSON.parse(line), 256, deepest - 2)) : whole
    return line.endsWith('\n') ? `${text}\n` : text
  } catch {
    // The line is not JSON, so it is simply truncated.
    return `${JSON.stringify(line.slice(0, longestText))}\n`
  }
}

function bounded (value: unknown, longest: number, depth: number): unknown {
  if (typeof value === 'string') return value.length > longest ? `${value.slice(0, longest)}…` : value
  if (typeof value !== 'object' || value === null) return value
  if (depth >= deepest) return '…'
  if (Array.isArray(value)) return value.slice(0, mostEntries).map(one => bounded(one, longest, depth + 1))
  const entries = Object.entries(value).slice(0, mostEntries)
  return Object.fromEntries(entries.map(([key, one]) => [key.slice(0, 256), bounded(one, longest, depth + 1)]))
}
