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

/** Checks one value. `name` is how the error calls it, such as `sessions.idleMs`. */
export type OptionCheck = (name: string, value: unknown) => void
/** A check for each option of a type; the compiler checks that none is missing. */
export type OptionChecks<T> = Readonly<Record<keyof T, OptionCheck>>

/** Throws a `TypeError` that ends with `what` if `accepts` is false. */
export function must (what: string, accepts: (value: unknown) => boolean): OptionCheck {
  return (name, value) => { if (!accepts(value)) throw new TypeError(`\`${name}\` must be ${what}`) }
}

export const aString = must('a non-empty string', value => typeof value === 'string' && value !== '')
export const aBoolean = must('true or false', value => typeof value === 'boolean')
export const aFunction = must('a function', value => typeof value === 'function')
export const anArray = must('an array', value => Array.isArray(value))
/** Zero is allowed, `Infinity` is not. */
export const anAmount = must('a number from 0', value => Number.isFinite(value) && Number(value) >= 0)
export const wholeFrom0 = must('a whole number from 0', value => Number.isSafeInteger(value) && Number(value) >= 0)
/** For values with a check of their own elsewhere. */
export const checkedElsewhere: OptionCheck = () => {}

export function oneOfStrings (...values: readonly string[]): OptionCheck {
  const quoted = values.map(value => `'${value}'`)
  return must(`${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1) ?? ''}`, value => values.some(one => one === value))
}

export function strings (name: string, value: unknown): void {
  anArray(name, value)
  for (const [index, one] of (value as unknown[]).entries()) aString(`${name}[${index}]`, one)
}

/** An object with these members and no others. Members may be undefined. */
export function anObjectWith<T> (checks: OptionChecks<T>): OptionCheck {
  return (name, value) => {
    requireKeys(`\`${name}\``, value, checks)
    requireEach(checks, value, `${name}.`)
  }
}

/** Throws the error of the first option that is neither undefined nor passes its check. */
export function requireEach<T> (checks: OptionChecks<T>, options: object, prefix = ''): void {
  for (const [name, check] of Object.entries<OptionCheck>(checks)) {
    const value: unknown = Reflect.get(options, name)
    if (value !== undefined) check(prefix + name, value)
  }
}
