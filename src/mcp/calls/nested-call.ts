/** A handler's call to another tool, with the rights, budget and deadline of its own call. */
import { isRefusal, PublicToolError, UnknownToolError } from '../../errors.js'
import type { ToolResult } from '../../tools/tool.js'
import type { Caller } from '../exchange/caller.js'
import { Exchange } from '../exchange/exchange.js'
import { askLimitMs } from '../exchange/handler-context.js'
import { Suspended } from '../exchange/suspended.js'
import { printable } from '../wire/log-fields.js'
import { failedBy } from './tool-errors.js'

/** Without a bound, tools that call each other would run until the caller's budget is used up. */
const maxDepth = 8

/**
 * Runs `call` in a nested exchange, which ends with `parent`. Rejects with a `PublicToolError` if
 * the caller does not have the tool.
 */
export async function callWithin (
  parent: Exchange,
  name: string,
  depth: number,
  call: (exchange: Exchange) => Promise<ToolResult>
): Promise<ToolResult> {
  if (depth > maxDepth) { throw new Error(`Tool calls are nested ${maxDepth} deep; ${name} cannot be called`) }
  const { caller } = parent
  const leftMs = Math.max(1, Math.round(parent.dueAt - performance.now()))
  const child = new Exchange(caller, leftMs, parent.shared)
  const { ask, params: { _meta: meta } = {} } = parent
  child.begin('tools/call', { name, ...(meta === undefined ? {} : { _meta: meta }) })
  child.connect({
    notify: (method, params) => parent.notify(method, params),
    // While a person answers, the deadline of the outer call is suspended too.
    ask: ask && ((method, params, key) => parent.whileAsking(askLimitMs, ask(method, params, key)))
  })
  const end = (): void => {
    child.abort(parent.refusal ?? gone(parent))
  }
  parent.signal.addEventListener('abort', end)
  if (parent.signal.aborted) end()
  try {
    const result = (await paid(child)) ?? (await child.within(() => call(child)))
    logged(caller, name, child)
    return plain(result)
  } catch (error) {
    if (child.refusal === undefined && !Suspended.is(error)) child.refuse(error)
    logged(caller, name, child)
    throw isUnknown(error)
      ? new PublicToolError(`This requires the tool ${name}, which is not available to you`)
      : error
  } finally {
    parent.signal.removeEventListener('abort', end)
    child.end()
    endSpan(child, name)
  }
}

/** No decision is noted about a nested call, so its span ends here. */
function endSpan ({ span, outcome: result, fault, caller: { requestId } }: Exchange, name: string): void {
  span?.end({ method: 'tools/call', itemKind: 'tool', item: printable(name), result, requestId, fault })
}

/** The request paid only for the first call. If the budget is too small, the error is the same as for any call. */
async function paid (child: Exchange): Promise<ToolResult | undefined> {
  try {
    await child.caller.charge(1)
    return undefined
  } catch (error) {
    return failedBy(error, child)
  }
}

function gone (parent: Exchange): NonNullable<Exchange['refusal']> {
  const reason: unknown = parent.signal.reason
  return isRefusal(reason) ? reason : new UnknownToolError({ reason: 'the outer call ended' })
}

function isUnknown (error: unknown): boolean {
  return isRefusal(error) && error.code === UnknownToolError.code
}

function logged ({ logger }: Caller, tool: string, { outcome = 'ok' }: Exchange): void {
  logger?.info({ tool, outcome }, 'call within a call')
}

/** The format in which a handler writes results. */
function plain ({ content, structuredContent, isError, _meta }: ToolResult): ToolResult {
  return {
    ...(content === undefined ? {} : { content: [...content] }),
    ...(structuredContent === undefined ? {} : { structuredContent }),
    ...(isError === undefined ? {} : { isError }),
    ...(_meta === undefined ? {} : { _meta })
  }
}
