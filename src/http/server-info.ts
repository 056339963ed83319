/** What an endpoint is called that was given no name of its own. */
import type { ServerInfo } from '../mcp/catalog/catalog.js'
import { version } from '../version.js'

export const defaultInfo: ServerInfo = { name: 'fastify-mcp-auth', version }
