/** Names of definitions that every client can refer to. */
import { isRecord } from '../../lib/guards.js'

const plain = /^(?!__proto__$)[\w.-]+$/

/**
 * The schema with plain names in `$defs`: zod takes them from ids as they are, and a `$ref` to a name such as `100%` or
 * `a user` is not a valid URI (RFC 3986 §3.5).
 */
export function withPlainNames (schema: Record<string, unknown>): Record<string, unknown> {
  const { $defs } = schema
  if (!isRecord($defs) || Object.keys($defs).every(name => plain.test(name))) return schema
  const taken = new Set(Object.keys($defs))
  const names = new Map<string, string>()
  for (const name of Object.keys($defs)) names.set(name, plain.test(name) ? name : unused(name, taken))
  const refs = new Map([...names].map(([name, other]) => [refTo(escaped(name)), refTo(other)]))
  const definitions = Object.entries($defs).map(([name, definition]) => [names.get(name), renamed(definition, refs)])
  return { ...renamed({ ...schema, $defs: undefined }, refs) as object, $defs: Object.fromEntries(definitions) }
}

function unused (name: string, taken: Set<string>): string {
  const base = name.replace(/[^\w.-]+|^__proto__$/g, '_')
  let found = base
  for (let count = 2; taken.has(found); count++) found = `${base}${count}`
  taken.add(found)
  return found
}

const refTo = (name: string): string => `#/$defs/${name}`

/** Escapes a name as a part of a JSON pointer (RFC 6901 §3). */
function escaped (name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

function renamed (value: unknown, refs: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map(one => renamed(one, refs))
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined).map(([name, part]) => {
    if (name === '$ref' && typeof part === 'string') return [name, refs.get(part) ?? part]
    return [name, renamed(part, refs)]
  }))
}
