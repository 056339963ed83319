/** Parsers for arguments that several commands share. */
import { InvalidArgumentError } from 'commander'

/**
 * Splits a list at commas and spaces. A repeated option adds to the list. An empty list is refused: it often
 * comes from a shell variable that is not set, and could mean "no restriction".
 */
export function listed (text: string, before: readonly string[] = []): readonly string[] {
  const entries = text.split(/[\s,]+/).filter(entry => entry !== '')
  if (entries.length === 0) throw new InvalidArgumentError('It is empty: pass at least one entry, or omit the option.')
  return [...before, ...entries]
}
