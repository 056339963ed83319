/** A server of the v1 SDK, for slots and for sessions. */
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { Catalog } from '../catalog.js'

/** `live`: changes can be told as they happen. */
export function createServer (catalog: Catalog, live: boolean): Server {
  const { info, instructions } = catalog
  return new Server(info, { capabilities: catalog.capabilities(live), ...(instructions === undefined ? {} : { instructions }) })
}
