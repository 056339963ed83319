/** From what was answered, or said before the answer, to its text. */
import { orAborted } from '../exchange/or-aborted.js'
import type { Refusal } from '../../errors.js'
import { rpcRefusal } from '../../to-refusal.js'
import type { Exchange } from '../exchange/exchange.js'
import type { Notify } from '../exchange/caller.js'
import type { RequestId, RpcMessage } from '../wire/messages.js'
import { failedResult, isOutcome } from '../wire/outcomes.js'
import type { ReplyWriter } from '../wire/reply.js'
import { serialize } from '../wire/serialize.js'

/** Adds to a result what a revision wants of each. */
export type Dress = (result: Record<string, unknown>) => Record<string, unknown>

const asItIs: Dress = result => result

/**
 * A refusal as the text of an answer: of a tool a result, where a model can do something about it, else a
 * JSON-RPC error.
 */
export function refusalText (refusal: Refusal, exchange: Exchange, id: RequestId, dress: Dress = asItIs): string {
  if (exchange.method === 'tools/call' && isOutcome(refusal)) {
    return JSON.stringify({ jsonrpc: '2.0', id, result: dress(failedResult(refusal, exchange.caller.requestId)) })
  }
  return JSON.stringify(rpcRefusal(refusal, exchange.caller.requestId, id))
}

/** The text of an answer. One that cannot be written, such as a circular result, is a fault of the tool. */
export function answerText (message: RpcMessage, exchange: Exchange, id: RequestId, dress: Dress = asItIs): string {
  try {
    return serialize(message)
  } catch (error) {
    return refusalText(exchange.refuse(error), exchange, id, dress)
  }
}

/**
 * What an exchange says before its answer goes to `writer`; it waits for a caller that reads slowly.
 * Made here, not assigned as a literal: V8 puts a closure that is written straight into a property
 * into the old heap, and with it the whole request, which then waits for a full collection.
 */
export function sayTo (writer: ReplyWriter, exchange: Exchange): Notify {
  return async (method, params) => {
    // First of all, so that what cannot be written is the handler's to know, and changes nothing.
    const text = JSON.stringify({ jsonrpc: '2.0', method, params })
    exchange.speak()
    if (exchange.ended) return
    const room = writer.say(text)
    if (room !== undefined) await orAborted(room, exchange.signal)
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
