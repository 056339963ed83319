/** What an app knows about a caller besides its id and rights. */
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
 * A frozen copy, lists and plain objects within included: one principal serves many requests, and none of them may
 * change it for the others. What else stands there (a `Date`, an instance of a class) stays as it is. Throws a
 * `TypeError` where `attributes` is no plain object, or nested deeper than 16.
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
