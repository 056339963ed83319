/** Creates a server of the v1 SDK, for slots and for sessions. */
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { Catalog } from '../catalog/catalog.js'

/**
 * For the SDK's `elicitInput`, which is never called. Without it, each server would create its own
 * schema compiler.
 */
const jsonSchemaValidator = {
  getValidator: (): never => { throw new Error('answers of callers are validated elsewhere') }
}

/** `live`: changes can be announced as they happen. */
export function createServer (catalog: Catalog, live: boolean): Server {
  const { info, instructions } = catalog
  return new Server(info, {
    capabilities: catalog.capabilities(live),
    jsonSchemaValidator,
    ...(instructions === undefined ? {} : { instructions })
  })
}
