/** Parsers for arguments that several commands share. */
import { InvalidArgumentError } from 'commander'
import { OperatorError } from '../../lib/operator-error.js'

/**
 * Splits a list at commas and spaces. A repeated option adds to the list. An empty list is refused: it often
 * comes from a shell variable that is not set, and could mean "no restriction".
 */
export function listed (text: string, before: readonly string[] = []): readonly string[] {
  const entries = text.split(/[\s,]+/).filter(entry => entry !== '')
  if (entries.length === 0) throw new InvalidArgumentError('It is empty: pass at least one entry, or omit the option.')
  return [...before, ...entries]
}

/** For an option that may be repeated. */
export function repeated (text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}

/** For an option that takes one value. Throws an `OperatorError` if it is given twice. */
export function once (option: string): (text: string, before?: string) => string {
  return (text, before) => {
    if (before === undefined) return text
    throw new OperatorError(`Nothing was done: ${option} is given more than once. Run the command for each.`)
  }
}

/** True for an existing day, written `2026-01-31`. `Date` alone reads 2026-02-31 as a day in March. */
export function isDay (text: string): boolean {
  return new Date(text).getUTCDate() === Number(text.slice(8))
}
