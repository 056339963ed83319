/** A server of the v1 SDK, for slots and for sessions. */
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { Catalog } from '../catalog/catalog.js'

/**
 * For the SDK's `elicitInput`, which nothing here calls. Left out, each server would make a compiler of
 * schemas of its own.
 */
const jsonSchemaValidator = {
  getValidator: (): never => { throw new Error('what a caller answers is checked where it is asked') }
}

/** `live`: changes can be told as they happen. */
export function createServer (catalog: Catalog, live: boolean): Server {
  const { info, instructions } = catalog
  return new Server(info, {
    capabilities: catalog.capabilities(live),
    jsonSchemaValidator,
    ...(instructions === undefined ? {} : { instructions })
  })
}
