/** What a handler knows of the call it serves: a view of its exchange. */
import { PublicToolError } from '../errors.js'
import type { CallContext, ElicitAnswer, SampleAnswer } from '../tools/tool.js'
import { type Question, checkedAnswer } from './answers.js'
import type { Exchange } from './exchange.js'

/** How long a handler waits for its caller, in milliseconds. */
export const askLimitMs = 10 * 60_000

/** `tools`: the names that the caller may call. Every method stands alone, so that a handler may destructure it. */
export function createContext (exchange: Exchange, tools: () => readonly string[]): CallContext {
  const { caller } = exchange

  const notify = async (method: string, params: Record<string, unknown>): Promise<void> => {
    if (!exchange.ended) await exchange.notify(method, params)
  }

  const ask = async (method: Question, params: Record<string, unknown>, key: string | undefined): Promise<Record<string, unknown>> => {
    if (exchange.ask === undefined || exchange.ended) throw new PublicToolError('This caller can not be asked here')
    const answer = await exchange.whileAsking(askLimitMs, exchange.ask(method, params, key))
    return await checkedAnswer(method, params, answer)
  }

  return {
    principal: caller.principal,
    requestId: caller.requestId,
    get signal () { return exchange.signal },
    tools,
    closeStream: () => { if (!exchange.ended) exchange.closeStream?.() },
    budget: caller.budget,
    log: async (level, data, logger) => {
      await notify('notifications/message', { level, data, ...(logger === undefined ? {} : { logger }) })
    },
    progress: async (progress, total, message) => {
      const { progressToken } = exchange
      if (progressToken === undefined) return
      await notify('notifications/progress', {
        progressToken,
        progress,
        ...(total === undefined ? {} : { total }),
        ...(message === undefined ? {} : { message })
      })
    },
    elicit: async ({ message, schema }, key) =>
      await ask('elicitation/create', { message, requestedSchema: schema }, key) as unknown as ElicitAnswer,
    sample: async (request, key) =>
      await ask('sampling/createMessage', { ...request }, key) as unknown as SampleAnswer,
    roots: async key => (await ask('roots/list', {}, key)).roots as Array<{ uri: string, name?: string }>
  }
}
