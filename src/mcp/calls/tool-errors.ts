/** Turns errors of tools into results that are safe to show. */
import {
  FrozenError,
  InternalError,
  isRefusal,
  NotAllowedError,
  type Refusal,
  ResultTooLargeError
} from '../../errors.js'
import type { ToolResult } from '../../tools/tool.js'
import type { Exchange } from '../exchange/exchange.js'
import { failedResult, isOutcome } from '../wire/outcomes.js'
import { publicWords } from './public-words.js'

/** An error of the tool itself, without a refusal. */
const ofTool: ReadonlySet<string> = new Set([FrozenError.code, NotAllowedError.code, ResultTooLargeError.code])

/**
 * Ends `exchange` with an error result whose text is safe to show. `refusal`: for the log and the
 * audit, if the error is a refusal.
 */
export function failed (text: string, exchange: Exchange, refusal?: Refusal): ToolResult {
  exchange.failTool(refusal === undefined ? undefined : { cause: refusal })
  return { content: [{ type: 'text', text }], isError: true }
}

/**
 * The result for an error thrown by a tool: the message of a `PublicToolError`, the message of a refusal that a
 * model can act on, or else a constant with the request id. The SDKs would send any error's message
 * (see docs/errors.md). Throws protocol errors, and errors of a caller that has left.
 */
export function failedBy (error: unknown, exchange: Exchange): ToolResult {
  if (isRefusal(error)) {
    if (!isOutcome(error)) throw error
    if (ofTool.has(error.code)) exchange.failTool({ cause: error })
    else exchange.refuse(error)
    return failedResult(error, exchange.caller.requestId)
  }
  if (exchange.ended) throw error
  const words = publicWords(error)
  if (words !== undefined) return failed(words, exchange)
  exchange.failTool({ cause: error })
  return failedResult(exchange.why ?? new InternalError(), exchange.caller.requestId)
}
