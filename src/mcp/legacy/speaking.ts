/** What a handler says to, and asks, the client of its session before it answers. */
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import { CreateMessageResultWithToolsSchema, ElicitResultSchema, ListRootsResultSchema, type ServerNotification, type ServerRequest } from '@modelcontextprotocol/sdk/types.js'
import { PublicToolError } from '../../errors.js'
import { type Question, lackOf } from '../answers.js'
import { askLimitMs } from '../context.js'
import type { Ask, Notify } from '../exchange.js'
import type { Call } from './calls.js'

/** What the SDK hands over with a request. */
export type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>

/** What may be asked, by method: the client's capability, and the shape of its answer. */
const questions = {
  'elicitation/create': { capability: 'elicitation', answer: ElicitResultSchema },
  'sampling/createMessage': { capability: 'sampling', answer: CreateMessageResultWithToolsSchema },
  'roots/list': { capability: 'roots', answer: ListRootsResultSchema }
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
    const { capability, answer } = questions[method as keyof typeof questions]
    if (lackOf(server.getClientCapabilities()?.[capability], method as Question, params) !== undefined) throw new PublicToolError('This caller can not be asked here')
    return await extra.sendRequest({ method, params } as ServerRequest, answer, { timeout: askLimitMs })
  }
}
