/** Writes the JSON text of answers, and of messages before the answer. */
import { orAborted } from '../exchange/or-aborted.js'
import type { Refusal } from '../../errors.js'
import { rpcRefusal } from '../../to-refusal.js'
import type { Exchange } from '../exchange/exchange.js'
import type { NotifyClient } from '../exchange/caller.js'
import type { RequestId, RpcMessage } from '../wire/messages.js'
import { failedResult, isOutcome } from '../wire/outcomes.js'
import type { ReplyWriter } from '../wire/reply.js'
import { serialize } from '../wire/serialize.js'

/** Adds the members that a revision requires in each result. */
export type Dress = (result: Record<string, unknown>) => Record<string, unknown>

const asItIs: Dress = result => result

/**
 * The answer for a refusal: for a tool, a result that the model can read, if it can act on it; else a
 * JSON-RPC error.
 */
export function refusalText (refusal: Refusal, exchange: Exchange, id: RequestId, dress: Dress = asItIs): string {
  if (exchange.method === 'tools/call' && isOutcome(refusal)) {
    return JSON.stringify({ jsonrpc: '2.0', id, result: dress(failedResult(refusal, exchange.caller.requestId)) })
  }
  return JSON.stringify(rpcRefusal(refusal, exchange.caller.requestId, id))
}

/** The text of an answer. If it cannot be serialized, such as a circular result, the tool has failed. */
export function answerText (message: RpcMessage, exchange: Exchange, id: RequestId, dress: Dress = asItIs): string {
  try {
    return serialize(message)
  } catch (error) {
    return refusalText(exchange.refuse(error), exchange, id, dress)
  }
}

/**
 * Sends messages of an exchange to `writer`, and waits for a caller that reads slowly.
 * Created here, not assigned as a literal: V8 allocates a closure that is assigned to a property
 * in the old generation, and with it the whole request, until a full collection.
 */
export function sayTo (writer: ReplyWriter, exchange: Exchange): NotifyClient {
  return async (method, params) => {
    // First, so that an invalid value rejects in the handler and changes nothing.
    const text = JSON.stringify({ jsonrpc: '2.0', method, params })
    exchange.speak()
    if (exchange.ended) return
    const room = writer.say(text)
    if (room !== undefined) await orAborted(room, exchange.signal)
  }
}

/** Carries a refusal through an SDK, which copies `code`, `message` and `data` of a caught error. */
export class WireError extends Error {
  readonly code: number
  readonly data: unknown

  /** `code`: if it differs from the refusal's own in this revision. */
  constructor (refusal: Refusal, requestId: string, code?: number) {
    const { error } = rpcRefusal(refusal, requestId)
    super(error.message)
    this.code = code ?? error.code
    this.data = error.data
  }
}
