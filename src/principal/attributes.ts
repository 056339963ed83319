/** The attributes of a caller: what an app knows about it besides its id and rights. */
import { isRecord } from '../lib/guards.js'

/**
 * The attributes of principals. An app names its own:
 *
 * @example
 * declare module 'fastify-mcp-auth' {
 *   interface PrincipalAttributes { tenant?: string }
 * }
 */
export interface PrincipalAttributes {
  readonly [name: string]: unknown
}

export const noAttributes: PrincipalAttributes = Object.freeze({})

const maxDepth = 16

/**
 * Returns a deeply frozen copy. Many requests share one principal, and none may change it for the others.
 * Only arrays and plain objects are copied and frozen; other values (a `Date`, a class instance) are kept as
 * they are. Throws a `TypeError` if `attributes` is not a plain object, or is nested deeper than 16 levels.
 */
export function freezeAttributes (attributes: unknown): PrincipalAttributes {
  if (!isPlain(attributes)) throw new TypeError('attributes must be a plain object')
  return freezeEntries(attributes, maxDepth)
}

function freezeEntries (object: Record<string, unknown>, depth: number): PrincipalAttributes {
  return Object.freeze(
    Object.fromEntries(Object.entries(object).map(([name, value]) => [name, freezeValue(value, depth - 1)]))
  )
}

function freezeValue (value: unknown, depth: number): unknown {
  if (!Array.isArray(value) && !isPlain(value)) return value
  if (depth === 0) throw new TypeError(`attributes must not be nested deeper than ${maxDepth}`)
  return Array.isArray(value)
    ? Object.freeze(value.map(one => freezeValue(one, depth - 1)))
    : freezeEntries(value, depth)
}

/** True for an object that is no instance of a class. */
export function isPlain (value: unknown): value is Record<string, unknown> {
  if (!isRecord(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
