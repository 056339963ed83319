/** Canonical JSON: the same text for the same value, whatever the order of its members (RFC 8785). */

/** Leaves out what is undefined, as JSON does. Takes what JSON can hold, and is as deep as its value. */
export function canonicalJson (value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const members: string[] = []
  // By UTF-16 code units, as `sort` does.
  for (const name of Object.keys(value).sort()) {
    const member: unknown = Reflect.get(value, name)
    if (member !== undefined) members.push(`${JSON.stringify(name)}:${canonicalJson(member)}`)
  }
  return `{${members.join(',')}}`
}
