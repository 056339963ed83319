/** Removes a byte order mark, which some editors write, such as those of Windows. */

/** JSON text may be parsed without its mark (RFC 8259 §8.1). */
export function withoutBom (text: string): string {
  return text.replace(/^\uFEFF/, '')
}
