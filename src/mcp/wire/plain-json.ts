/** Whether a value reads back from its JSON text as it is. */

/** Deeper than that nothing is sent; a value that holds itself is. */
const maxDepth = 200

/**
 * True of texts, finite numbers, booleans, null, and of lists and plain objects of those. Members that are
 * undefined are left out by JSON, and so do no harm.
 */
export function isPlainJson (value: unknown, depth = 0): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean': return true
    case 'number': return Number.isFinite(value) && !Object.is(value, -0)
    case 'object': return value === null || (depth < maxDepth && isPlainObject(value, depth))
    default: return false
  }
}

function isPlainObject (value: object, depth: number): boolean {
  if (Array.isArray(value)) {
    // Not `every`, which skips what was never set: JSON writes null there.
    for (let index = 0; index < value.length; index++) if (!isPlainJson(value[index], depth + 1)) return false
    return true
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  const members = value as Record<string, unknown>
  if (typeof members.toJSON === 'function') return false
  for (const name in members) {
    if (members[name] !== undefined && !isPlainJson(members[name], depth + 1)) return false
  }
  return true
}
