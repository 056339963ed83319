/** Tells whether JSON preserves a value exactly. */

/** Deeper values are never sent; circular values are deeper. */
const maxDepth = 200

/**
 * True for strings, finite numbers, booleans, null, and for arrays and plain objects of these. Undefined members
 * are allowed, because JSON omits them.
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
    // Not `every`, which skips holes: JSON writes null for them.
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
