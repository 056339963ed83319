/** What a value is that nothing is known of. */

/** True of what JSON calls an object. */
export function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The `code` of whatever was thrown; `none` where there is none, where it is no string, and where its getter throws. */
export function codeOf (error: unknown, none = 'unknown error'): string {
  try {
    const code = (error as { code?: unknown } | null | undefined)?.code
    return typeof code === 'string' ? code : none
  } catch {
    return none
  }
}

/** Throws a `RangeError` on a limit that is no whole number from 1: it would let every call pass, or fail each of them. */
export function requireWhole (owner: string, limits: Readonly<Record<string, number | undefined>>): void {
  for (const [name, value] of Object.entries(limits)) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1)) throw new RangeError(`${owner}: ${name} is a whole number from 1`)
  }
}
