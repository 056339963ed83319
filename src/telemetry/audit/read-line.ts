/** Parses a line of an audit file, even if a process ended while it wrote the line. */
import { isRecord } from '../../lib/guards.js'
import { type Digest, hashOf } from './chain.js'

/** The largest number of objects in a record, including itself. */
const mostObjects = 20

/** True for the first record of a process that found a truncated line. */
export function isTornOpening (record: Readonly<Record<string, unknown>> | undefined): boolean {
  return isRecord(record?.about) && record.about.torn === true
}

/**
 * The text of the record at the end of a line that another process began and did not finish. The truncated
 * record was the last of its chain; otherwise its number is missing.
 */
export function recordAtEndOf (text: string, digest: Digest): string | undefined {
  let from = text.length
  for (let tries = 0; tries < mostObjects; tries++) {
    from = text.lastIndexOf('{"', from - 1)
    if (from <= 0) return undefined
    const rest = text.slice(from)
    const record = parsed(rest)
    if (record !== undefined && typeof record.hash === 'string' && hashOf(record, digest) === record.hash) return rest
    // `lastIndexOf` treats a negative position as 0.
    if (from === 1) return undefined
  }
  return undefined
}

/** The record in a complete line. `undefined` if the line is not a JSON object. */
export function parsed (text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}
