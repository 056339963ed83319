/** The seam between the bridge and a protocol era: each era is one directory behind this interface. */
import { Readable } from 'node:stream'
import { NotAcceptableError, type Refusal, rpcRefusal } from '../errors.js'
import type { Principal } from '../principal/principal.js'
import type { Exchange, Notify } from './exchange/exchange.js'
import { type RequestId, type RpcMessage, serialize } from './wire/messages.js'
import { type Outlet, type Reply, eventOf, streamHeaders } from './wire/reply.js'

/** A request to the endpoint, authenticated and parsed. Header names are in lower case. */
export interface Incoming {
  readonly method: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: unknown
  readonly principal: Principal
  /** Where the request came from, as the host knows it. */
  readonly address?: string | undefined
  /** Makes the exchange of one message; the caller's limit was charged for the first already. */
  readonly open: () => Exchange
  /** Takes `cost` more from the caller's limit, or throws a refusal. */
  readonly charge: (cost: number) => Promise<void>
  /** Called with what must happen when the caller goes away before the reply is complete. */
  readonly onGone: (listener: () => void) => void
}

export interface Era {
  /** Serves a request of this era. Throws a refusal, or rejects with one, where it cannot be served at all. */
  serve: (incoming: Incoming) => Reply | Promise<Reply>
  /** No request comes any more: ends the calls that wait for one. */
  quiesce: () => void
  close: () => Promise<void>
}

/**
 * True where the caller takes an event stream. Only `application/json` is fine, too: then a reply
 * is never a stream. Throws where it takes neither; no header, or a wildcard, takes both.
 */
export function takesStream ({ headers }: Incoming): boolean {
  const { accept } = headers
  if (typeof accept !== 'string' || /\*\/\*|text\/(\*|event-stream)/i.test(accept)) return true
  if (/application\/(\*|json)/i.test(accept)) return false
  throw new NotAcceptableError({ reason: 'Accept names neither JSON nor an event stream' })
}

/** What the clients of both SDKs send. */
const bothTypes = 'application/json, text/event-stream'

/** The reply of a caller that takes an event stream and nothing else. A refusal with a status of its own stays JSON. */
export function asAccepted (reply: Reply, { headers: { accept } }: Incoming): Reply {
  if (accept === bothTypes || typeof accept !== 'string' || reply.json === undefined || reply.status !== 200) return reply
  if (/\*\/\*|application\/(\*|json)/i.test(accept)) return reply
  return { status: 200, headers: { ...reply.headers, ...streamHeaders }, stream: Readable.from([eventOf(reply.json)]) }
}

/** A refusal as the text of a JSON-RPC error. */
export function refusalText (refusal: Refusal, exchange: Exchange, id: RequestId | undefined): string {
  return JSON.stringify(rpcRefusal(refusal, exchange.caller.requestId, id))
}

/** The text of an SDK's answer. One that cannot be written, such as a circular result, is a fault of the tool. */
export function answerText (message: RpcMessage, exchange: Exchange, id: RequestId): string {
  try {
    return serialize(message)
  } catch (error) {
    return refusalText(exchange.refuse(error), exchange, id)
  }
}

/**
 * What an exchange says before its answer goes to `outlet`; it waits for a caller that reads slowly.
 * Made here, not assigned as a literal: V8 puts a closure that is written straight into a property
 * into the old heap, and with it the whole request, which then waits for a full collection.
 */
export function sayTo (outlet: Outlet, exchange: Exchange): Notify {
  return async (method, params) => {
    // First of all, so that what cannot be written is the handler's to know, and changes nothing.
    const text = JSON.stringify({ jsonrpc: '2.0', method, params })
    exchange.speak()
    if (exchange.ended) return
    const room = outlet.say(text)
    if (room !== undefined) await exchange.orAbort(room)
  }
}

/** A refusal on its way through an SDK, which copies `code`, `message` and `data` of what it catches. */
export class WireError extends Error {
  readonly code: number
  readonly data: unknown

  /** `code`: where the revision has another than the refusal's own. */
  constructor (refusal: Refusal, requestId: string, code?: number) {
    const { error } = rpcRefusal(refusal, requestId)
    super(error.message)
    this.code = code ?? error.code
    this.data = error.data
  }
}
