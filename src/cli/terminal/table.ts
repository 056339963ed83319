/** Rows of text as columns. */

/** What moves a cursor or turns the direction of a text: subjects are of other people's making. */
const unprintable = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** Without what moves a cursor or turns the direction of a text. */
export function safeText (text: string): string {
  return text.replace(unprintable, '\ufffd')
}

/** An ISO 8601 time as tables show it, to the minute: `2026-01-31 12:00Z`; `undefined` where nobody can tell. */
export function minute (time: string | null | undefined): string {
  if (time === undefined) return 'unknown'
  return time === null ? 'never' : `${time.slice(0, 16).replace('T', ' ')}Z`
}

/** Each column as wide as its widest cell, two spaces apart, nothing after the last one. */
export function table (texts: ReadonlyArray<readonly string[]>): string {
  const rows = texts.map(row => row.map(safeText))
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  }
  return rows.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()).join('\n')
}
