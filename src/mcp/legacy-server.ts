/** A server of the v1 SDK over the catalog, for slots and for sessions. */
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import type { ServerNotification, ServerRequest } from '@modelcontextprotocol/sdk/types.js'
import type { Catalog } from './catalog.js'
import { WireError } from './era.js'
import type { Exchange } from './exchange.js'

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>
type Dispatch = (request: { method: string, params?: Record<string, unknown> | undefined }, extra: Extra) => Promise<Record<string, unknown>>

/**
 * One handler serves all methods: the catalog checks the parameters, the SDK's own handlers would
 * do it twice more. `live`: changes can be told as they happen. `exchangeOf`: whose refusal a throw is.
 */
export function createServer (catalog: Catalog, live: boolean, dispatch: Dispatch, exchangeOf: (extra: Extra) => Exchange | undefined): Server {
  const { info, instructions } = catalog
  const server = new Server(info, { capabilities: catalog.capabilities(live), ...(instructions === undefined ? {} : { instructions }) })
  server.fallbackRequestHandler = async (request, extra) => {
    const exchange = exchangeOf(extra)
    if (exchange === undefined) throw new Error('a request outside an exchange')
    try {
      return await dispatch(request, extra)
    } catch (error) {
      throw new WireError(exchange.refuse(error), exchange.caller.requestId)
    }
  }
  return server
}
