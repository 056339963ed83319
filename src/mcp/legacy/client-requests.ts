/** What a handler says to, and asks, the client of its session before it answers. */
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import { ErrorCode, McpError, ResultSchema, type ServerNotification, type ServerRequest } from '@modelcontextprotocol/sdk/types.js'
import { PublicToolError } from '../../errors.js'
import { askLimitMs } from '../exchange/handler-context.js'
import type { Ask, Notify } from '../exchange/exchange.js'
import { capabilityOf, lackOf } from '../exchange/client-capabilities.js'
import type { Call } from './open-calls.js'

/** What the SDK hands over with a request. */
export type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>

/** `hears`: whether the client asked for log messages of a level. */
export function notifyOver (extra: Extra, { exchange, post }: Call, hears: (level: unknown) => boolean): Notify {
  return async (method, params) => {
    if (method === 'notifications/message' && !hears(params.level)) return
    await extra.sendNotification({ method, params } as ServerNotification)
    const room = post.stream?.room
    if (room !== undefined) await exchange.orAbort(room)
  }
}

/** A question is called off where its call ends before the answer. The answer's shape is not judged here. */
export function askOver (extra: Extra, { exchange }: Call, server: Server): Ask {
  return async (method, params) => {
    if (lackOf(server.getClientCapabilities()?.[capabilityOf[method]], method, params) !== undefined) throw new PublicToolError('This caller cannot be asked here')
    // Of its own: the SDK would call off a question that was answered long ago.
    const question = new AbortController()
    const { askingSignal } = exchange
    const callOff = (): void => { question.abort(askingSignal.reason) }
    askingSignal.addEventListener('abort', callOff)
    try {
      return await extra.sendRequest({ method, params } as ServerRequest, ResultSchema, { timeout: askLimitMs, signal: question.signal })
    } catch (error) {
      if (!(error instanceof McpError) || exchange.ended) throw error
      throw new PublicToolError(error.code === ErrorCode.RequestTimeout ? 'The caller did not answer in time' : 'The caller refused')
    } finally {
      askingSignal.removeEventListener('abort', callOff)
    }
  }
}
