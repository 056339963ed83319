/** Reads a line of an audit file as a record, also where a process ended while it wrote the line. */
import { isRecord } from '../../lib/guards.js'
import { type Digest, hashOf } from './chain.js'

/** Objects in a record, itself included. */
const mostObjects = 20

/** True of the first record of a process that found a line cut off. */
export function isTornOpening (record: Readonly<Record<string, unknown>> | undefined): boolean {
  return isRecord(record?.about) && record.about.torn === true
}

/**
 * The text of the record at the end of a line that another process began, and did not finish. The lost record was the
 * last of its chain, or its number is missing.
 */
export function recordAtEndOf (text: string, digest: Digest): string | undefined {
  let from = text.length
  for (let tries = 0; tries < mostObjects; tries++) {
    from = text.lastIndexOf('{"', from - 1)
    if (from <= 0) return undefined
    const rest = text.slice(from)
    const record = parsed(rest)
    if (record !== undefined && typeof record.hash === 'string' && hashOf(record, digest) === record.hash) return rest
    // `lastIndexOf` takes a negative place for the first.
    if (from === 1) return undefined
  }
  return undefined
}

/** The record in a whole line; `undefined` where the line is no JSON object. */
export function parsed (text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}
