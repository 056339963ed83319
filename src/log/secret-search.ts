/** Searches a line for many texts, in a time that does not grow with their number. */

/**
 * Creates a function that returns false only if the line contains none of `texts`, and rarely returns true
 * otherwise. Each text must have at least four characters. The search is faster the longer the shortest text
 * is.
 */
export function searchFor (texts: readonly string[]): (line: string) => boolean {
  const shortest = Math.min(...texts.map(text => text.length))
  if (shortest < 4) throw new RangeError('A text to search for needs four characters')
  const length = Math.min(8, Math.max(4, shortest >> 1))
  // Any occurrence of a text covers one of the checked positions, followed by a complete piece.
  const stride = Math.min(16, shortest - length + 1)
  const pieces = new Set<string>()
  const sums = new Uint8Array(0x10000)
  for (const text of texts) {
    for (let at = 0; at < stride; at++) {
      pieces.add(text.slice(at, at + length))
      sums[sumAt(text, at)] = 1
    }
  }
  return line => {
    for (let at = 0; at + length <= line.length; at += stride) {
      // Compares the sum first: extracting a piece takes several times as long.
      if (sums[sumAt(line, at)] === 1 && pieces.has(line.slice(at, at + length))) return true
    }
    return false
  }
}

/** A 16-bit hash of four characters, by multiplication with the golden ratio. */
function sumAt (text: string, at: number): number {
  const four =
    text.charCodeAt(at) ^
    (text.charCodeAt(at + 1) << 7) ^
    (text.charCodeAt(at + 2) << 14) ^
    (text.charCodeAt(at + 3) << 21)
  return Math.imul(four, 0x9e3779b1) >>> 16
}
