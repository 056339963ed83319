/** What a value is that nothing is known of. */

/** True of what JSON calls an object. */
export function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isListOf (value: unknown, isOne: (one: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isOne)
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

/** Throws a `TypeError` unless `value` is an object with no other keys than `known`. Of a typing error nobody else would tell. */
export function requireKeys (owner: string, value: unknown, known: object): asserts value is Record<string, unknown> {
  const names = Object.keys(known).join(', ')
  if (!isRecord(value)) throw new TypeError(`${owner} is an object with ${names}`)
  const unknown = Object.keys(value).filter(key => !Object.hasOwn(known, key))
  if (unknown.length > 0) throw new TypeError(`${owner}: ${unknown.join(', ')} is not known here; there are ${names}`)
}

/** Throws a `TypeError` unless each of `lists` is an array, or left out. */
export function requireLists (lists: Readonly<Record<string, unknown>>): void {
  for (const [name, list] of Object.entries(lists)) {
    if (list !== undefined && !Array.isArray(list)) throw new TypeError(`\`${name}\` is a list`)
  }
}
