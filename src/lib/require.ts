/** Checks options. Each error names the option and says what it must be. */
import { isRecord } from './guards.js'

/**
 * Throws a `RangeError` for a limit that is not a whole number from 1. Such a limit would let every call
 * pass, or none.
 */
export function requireWhole (owner: string, limits: Readonly<Record<string, number | undefined>>): void {
  for (const [name, value] of Object.entries(limits)) {
    const isWhole = Number.isSafeInteger(value) && Number(value) >= 1
    if (value !== undefined && !isWhole) throw new RangeError(`${owner}: ${name} must be a whole number from 1`)
  }
}

/** The names of all options of a type; the compiler checks that the list is complete. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>

/**
 * Throws a `TypeError` unless `value` is an object with no keys other than those of `known`. Otherwise a
 * misspelt option would be ignored.
 */
export function requireKeys (owner: string, value: unknown, known: object): asserts value is Record<string, unknown> {
  const names = Object.keys(known).join(', ')
  if (!isRecord(value)) throw new TypeError(`${owner} must be an object with ${names}`)
  const unknown = Object.keys(value).filter(key => !Object.hasOwn(known, key))
  if (unknown.length > 0) {
    throw new TypeError(`${owner}: ${unknown.join(', ')} is not an option; the options are ${names}`)
  }
}

/**
 * Throws a `TypeError` unless every entry of every list is an object. A failed import leaves `undefined` in a
 * list.
 */
export function requireObjects (lists: Readonly<Record<string, unknown>>): void {
  for (const [name, list] of Object.entries(lists)) {
    for (const [index, entry] of (Array.isArray(list) ? list : []).entries()) {
      if (typeof entry !== 'object' || entry === null) {
        throw new TypeError(
          `\`${name}[${index}]\` must be an object, not ${entry === null ? 'null' : typeof entry}`
        )
      }
    }
  }
}

/** Throws a `TypeError` unless each of `lists` is an array or undefined. */
export function requireLists (lists: Readonly<Record<string, unknown>>): void {
  for (const [name, list] of Object.entries(lists)) {
    if (list !== undefined && !Array.isArray(list)) throw new TypeError(`\`${name}\` must be an array`)
  }
}
