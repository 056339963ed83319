/** What a failed tool may say to its caller. */
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

/** Said of the tool, where the call itself went well. */
const ofTool: ReadonlySet<string> = new Set([FrozenError.code, NotAllowedError.code, ResultTooLargeError.code])

/**
 * The result of `exchange` that says no in words that are safe to show. `refusal`: for the log and the
 * audit, where it is one of ours.
 */
export function failed (text: string, exchange: Exchange, refusal?: Refusal): ToolResult {
  exchange.failTool(refusal === undefined ? undefined : { cause: refusal })
  return { content: [{ type: 'text', text }], isError: true }
}

/**
 * The result of a tool that threw: its own words where it threw a `PublicToolError`, those of a refusal that a
 * model can do something about, a constant with the request id otherwise. The SDKs would send any error's message
 * (see docs/errors.md). Throws what is of the protocol, and what nobody is there to hear.
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
