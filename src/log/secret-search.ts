/** Whether one of many texts may stand in a line, in a time that does not grow with how many there are. */

/**
 * A function that is false where none of `texts` stands in a line, and hardly ever true beyond that.
 * Each must have four characters at least; the longer the shortest is, the fewer places are looked at.
 */
export function searchFor (texts: readonly string[]): (line: string) => boolean {
  const shortest = Math.min(...texts.map(text => text.length))
  if (shortest < 4) throw new RangeError('A text to search for needs four characters')
  const length = Math.min(8, Math.max(4, shortest >> 1))
  // Wherever a text stands, one of so many places in a row is in it, with a whole piece to come.
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
      // The sum first: cutting out a piece takes several times as long.
      if (sums[sumAt(line, at)] === 1 && pieces.has(line.slice(at, at + length))) return true
    }
    return false
  }
}

/** 16 bits of the four characters there, spread by the golden ratio. */
function sumAt (text: string, at: number): number {
  const four =
    text.charCodeAt(at) ^
    (text.charCodeAt(at + 1) << 7) ^
    (text.charCodeAt(at + 2) << 14) ^
    (text.charCodeAt(at + 3) << 21)
  return Math.imul(four, 0x9e3779b1) >>> 16
}
