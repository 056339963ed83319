/** Parsers for arguments that several commands share. */
import { InvalidArgumentError } from 'commander'

/**
 * Entries between commas or spaces; an option that is given again adds to them. An empty one is an
 * error: it comes of a variable that is not set, and would say "no limit" where one was meant.
 */
export function listed (text: string, before: readonly string[] = []): readonly string[] {
  const entries = text.split(/[\s,]+/).filter(entry => entry !== '')
  if (entries.length === 0) throw new InvalidArgumentError('It is empty: pass at least one entry, or omit the option.')
  return [...before, ...entries]
}
