/** Reads the `Accept` header: JSON, an event stream, or both. */
import { Readable } from 'node:stream'
import { NotAcceptableError } from '../../errors.js'
import { eventOf, streamHeaders } from './event-stream.js'
import type { Reply } from './reply.js'

/** Sent by the clients of both SDKs. */
const bothTypes = 'application/json, text/event-stream'

/**
 * True if the caller accepts an event stream. With only `application/json`, a reply
 * is never a stream. Throws if it accepts neither. No header, or a wildcard, accepts both.
 */
export function takesStream (accept: string | string[] | undefined): boolean {
  if (accept === bothTypes || typeof accept !== 'string' || /\*\/\*|text\/(\*|event-stream)/i.test(accept)) return true
  if (/application\/(\*|json)/i.test(accept)) return false
  throw new NotAcceptableError({ reason: 'Accept lists neither JSON nor an event stream' })
}

/** The reply for a caller that accepts only an event stream. A refusal with its own status stays JSON. */
export function asAccepted (reply: Reply, accept: string | string[] | undefined): Reply {
  if (
    accept === bothTypes ||
    typeof accept !== 'string' ||
    reply.json === undefined ||
    reply.status !== 200
  ) {
    return reply
  }
  if (/\*\/\*|application\/(\*|json)/i.test(accept)) return reply
  return { status: 200, headers: { ...reply.headers, ...streamHeaders }, stream: Readable.from([eventOf(reply.json)]) }
}
