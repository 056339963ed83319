/** Formats tables for a terminal. */

/**
 * Control characters and direction marks. Names chosen by others could use them to fake output (spoofing).
 */
const unprintable = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** Replaces control characters and direction marks. */
export function safeText (text: string): string {
  return text.replace(unprintable, '\ufffd')
}

/**
 * Formats an ISO 8601 time to the minute: `2026-01-31 12:00Z`. `null` is `never`, `undefined` is `unknown`.
 */
export function minute (time: string | null | undefined): string {
  if (time === undefined) return 'unknown'
  return time === null ? 'never' : `${time.slice(0, 16).replace('T', ' ')}Z`
}

/** Aligns the columns, two spaces apart, without trailing spaces. */
export function table (texts: ReadonlyArray<readonly string[]>): string {
  const rows = texts.map(row => row.map(safeText))
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  }
  return rows.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()).join('\n')
}
