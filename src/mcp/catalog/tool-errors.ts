/** What a failed tool may say to its caller. */
import { isRefusal, PublicToolError, type Refusal } from '../../errors.js'
import type { ToolResult } from '../../tools/tool.js'
import type { Exchange } from '../exchange/exchange.js'

/** The result of `exchange` that says no in words that are safe to show. `refusal`: for the log and the audit, where it is one of ours. */
export function failed (text: string, exchange: Exchange, refusal?: Refusal): ToolResult {
  exchange.failTool(refusal === undefined ? undefined : { cause: refusal })
  return { content: [{ type: 'text', text }], isError: true }
}

/**
 * The result of a tool that threw: its own words where it threw a `PublicToolError`, a constant
 * with the request id otherwise. The SDKs would send any error's message (see docs/errors.md).
 */
export function failedBy (error: unknown, exchange: Exchange): ToolResult {
  const words = publicWords(error)
  if (words !== undefined) return failed(words, exchange)
  if (isRefusal(error)) return refusedBy(error, exchange)
  exchange.failTool({ cause: error })
  return { content: [{ type: 'text', text: `Internal error. requestId: ${exchange.caller.requestId}` }], isError: true }
}

/** The result of a tool that was not run, in the constant words of the refusal. */
function refusedBy (refusal: Refusal, exchange: Exchange): ToolResult {
  exchange.failTool({ cause: refusal })
  const text = `${refusal.message}. code: ${refusal.code}, requestId: ${exchange.caller.requestId}`
  return { content: [{ type: 'text', text }], isError: true }
}

/** `instanceof` runs a hostile proxy's trap, which may throw: then the error is not ours. */
function publicWords (error: unknown): string | undefined {
  try {
    return error instanceof PublicToolError ? String(error.message) : undefined
  } catch {
    return undefined
  }
}
