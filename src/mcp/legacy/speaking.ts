/** What a handler says to, and asks, the client of its session before it answers. */
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import { CreateMessageResultWithToolsSchema, ElicitResultSchema, ListRootsResultSchema, type ServerNotification, type ServerRequest } from '@modelcontextprotocol/sdk/types.js'
import { PublicToolError } from '../../errors.js'
import { askLimitMs } from '../context.js'
import type { Ask, Notify } from '../exchange.js'
import { capabilityOf, lackOf } from '../questions.js'
import type { Call } from './calls.js'

/** What the SDK hands over with a request. */
export type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>

/** The shapes of answers. */
const answers = {
  'elicitation/create': ElicitResultSchema,
  'sampling/createMessage': CreateMessageResultWithToolsSchema,
  'roots/list': ListRootsResultSchema
} as const

/** `hears`: whether the client asked for log messages of a level. */
export function notifyOver (extra: Extra, { exchange, post }: Call, hears: (level: unknown) => boolean): Notify {
  return async (method, params) => {
    if (method === 'notifications/message' && !hears(params.level)) return
    await extra.sendNotification({ method, params } as ServerNotification)
    const room = post.stream?.room
    if (room !== undefined) await exchange.orAbort(room)
  }
}

export function askOver (extra: Extra, server: Server): Ask {
  return async (method, params) => {
    if (lackOf(server.getClientCapabilities()?.[capabilityOf[method]], method, params) !== undefined) throw new PublicToolError('This caller can not be asked here')
    return await extra.sendRequest({ method, params } as ServerRequest, answers[method], { timeout: askLimitMs })
  }
}
