/** Canonical JSON: the same text for equal values, whatever the order of their members (RFC 8785). */

/**
 * Takes JSON values, and objects with `toJSON`. Leaves out undefined members, as JSON does. Recursive, so bound the
 * depth of the value.
 */
export function canonicalJson (value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const names = Object.keys(value)
  if (isFlatAndSorted(value, names)) return JSON.stringify(value)
  if (hasToJson(value)) return canonicalJson(value.toJSON())
  const members: string[] = []
  // `sort` compares UTF-16 code units, as RFC 8785 requires.
  for (const name of names.sort()) {
    const member: unknown = Reflect.get(value, name)
    if (member !== undefined) members.push(`${JSON.stringify(name)}:${canonicalJson(member)}`)
  }
  return `{${members.join(',')}}`
}

/** True if `JSON.stringify` returns the same text, in a third of the time. */
function isFlatAndSorted (value: object, names: readonly string[]): boolean {
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  let before = ''
  for (const name of names) {
    const member: unknown = Reflect.get(value, name)
    const isFlat = typeof member === 'string' || typeof member === 'number' || typeof member === 'boolean'
    if (!isFlat || name < before) return false
    before = name
  }
  return true
}

function hasToJson (value: object): value is { toJSON: () => unknown } {
  return typeof Reflect.get(value, 'toJSON') === 'function'
}
