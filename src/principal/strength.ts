/** What a template, or a broken one, leaves in the place of a secret. */

/** Found anywhere: `my-change-me-key` is public, too. */
const placeholder = /change[-_ ]?me|^(undefined|null|none|todo|secret|your[-_].*|<.*>)$/i

/** True for a text that everybody knows. */
export function isPlaceholder (text: string): boolean {
  return placeholder.test(text)
}
