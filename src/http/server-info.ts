/** The default name and version of an endpoint. */
import type { ServerInfo } from '../mcp/catalog/catalog.js'
import { version } from '../version.js'

export const defaultInfo: ServerInfo = { name: 'fastify-mcp-auth', version }
