/** Checks of options: each throws an error that names the option and what it must be. */
import { isRecord } from './guards.js'

/**
 * Throws a `RangeError` on a limit that is not a whole number from 1: it would let every call pass, or fail
 * each of them.
 */
export function requireWhole (owner: string, limits: Readonly<Record<string, number | undefined>>): void {
  for (const [name, value] of Object.entries(limits)) {
    const isWhole = Number.isSafeInteger(value) && Number(value) >= 1
    if (value !== undefined && !isWhole) throw new RangeError(`${owner}: ${name} must be a whole number from 1`)
  }
}

/**
 * Throws a `TypeError` unless `value` is an object with no other keys than `known`. A misspelt option would
 * be ignored.
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
 * Throws a `TypeError` unless each entry of each of `lists` is an object. An import that is not there
 * leaves `undefined` behind.
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

/** Throws a `TypeError` unless each of `lists` is an array, or left out. */
export function requireLists (lists: Readonly<Record<string, unknown>>): void {
  for (const [name, list] of Object.entries(lists)) {
    if (list !== undefined && !Array.isArray(list)) throw new TypeError(`\`${name}\` must be an array`)
  }
}
