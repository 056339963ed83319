/** Parses a line of an audit file, even if a process ended while it wrote the line. */
import { isRecord } from '../../lib/guards.js'
import { type Digest, hashOf } from './chain.js'

/** The largest number of objects in a record, including itself. */
const mostObjects = 20
/** Far deeper than any record. */
const deepest = 32

/** True for the first record of a process that found a truncated line. */
export function isTornOpening (record: Readonly<Record<string, unknown>> | undefined): boolean {
  return isRecord(record?.about) && record.about.torn === true
}

/**
 * The text of the record at the end of a line that another process began and did not finish. The truncated
 * record was the last of its chain; otherwise its number is missing.
 */
export function recordAtEndOf (text: string, digest: Digest): string | undefined {
  const rest = objectAtEndOf(text)
  const record = rest === undefined ? undefined : parsed(rest)
  return record !== undefined && typeof record.hash === 'string' && hashOf(record, digest) === record.hash
    ? rest
    : undefined
}

/** The text of the JSON object at the end of a line. An object inside another one is not at the end. */
function objectAtEndOf (text: string): string | undefined {
  let from = text.length
  for (let tries = 0; tries < mostObjects; tries++) {
    from = text.lastIndexOf('{"', from - 1)
    if (from <= 0) return undefined
    const rest = text.slice(from)
    if (parsed(rest) !== undefined) return rest
    // `lastIndexOf` treats a negative position as 0.
    if (from === 1) return undefined
  }
  return undefined
}

/**
 * The record in a complete line. `undefined` if the line is not a JSON object, or nested more deeply than any
 * record: it could overflow the stack of a reader.
 */
export function parsed (text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) && !isDeeper(value, deepest) ? value : undefined
  } catch {
    return undefined
  }
}

function isDeeper (value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some(one => isDeeper(one, levels - 1))
}

/**
 * Like `parsed`, for a line with something else before the JSON: the prefix of a journal or container engine,
 * or a record that a process did not finish.
 */
export function parsedAtEnd (text: string): Readonly<Record<string, unknown>> | undefined {
  return parsed(text.slice(Math.max(0, text.indexOf('{')))) ?? parsed(objectAtEndOf(text) ?? '')
}
