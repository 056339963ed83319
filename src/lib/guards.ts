/** Type guards for untrusted values. */

/** True for a JSON object. */
export function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isListOf (value: unknown, isOne: (one: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isOne)
}

/**
 * The `code` of any thrown value. Returns `none` if there is no code, if it is not a string, or if its getter
 * throws.
 */
export function codeOf (error: unknown, none = 'unknown error'): string {
  try {
    const code = (error as { code?: unknown } | null | undefined)?.code
    return typeof code === 'string' ? code : none
  } catch {
    return none
  }
}
