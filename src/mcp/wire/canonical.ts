/** The text of a value in which the order of an object's members, which means nothing, makes no difference. */

/** By hand: a replacer and a sort for each object of `JSON.stringify` take five times as long. */
export function canonical (value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const record = value as Record<string, unknown>
  if (typeof record.toJSON === 'function') return JSON.stringify(value) ?? 'null'
  let text = ''
  for (const name of Object.keys(record).sort()) {
    if (record[name] !== undefined) {
      text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${canonical(record[name])}`
    }
  }
  return `{${text}}`
}
