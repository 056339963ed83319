/** What the `Accept` header of a caller takes: JSON, an event stream, or both. */
import { Readable } from 'node:stream'
import { NotAcceptableError } from '../../errors.js'
import { eventOf, streamHeaders } from './event-stream.js'
import type { Reply } from './reply.js'

/**
 * True where the caller takes an event stream. Only `application/json` is fine, too: then a reply
 * is never a stream. Throws where it takes neither; no header, or a wildcard, takes both.
 */
export function takesStream (accept: string | string[] | undefined): boolean {
  if (typeof accept !== 'string' || /\*\/\*|text\/(\*|event-stream)/i.test(accept)) return true
  if (/application\/(\*|json)/i.test(accept)) return false
  throw new NotAcceptableError({ reason: 'Accept names neither JSON nor an event stream' })
}

/** What the clients of both SDKs send. */
const bothTypes = 'application/json, text/event-stream'

/** The reply of a caller that takes an event stream and nothing else. A refusal with a status of its own stays JSON. */
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
