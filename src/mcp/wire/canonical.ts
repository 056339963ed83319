/** The JSON text of a value with sorted members, so that their order makes no difference. */

/** Written by hand: `JSON.stringify` with a replacer that sorts each object takes five times as long. */
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
