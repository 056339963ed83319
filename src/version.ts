/** The version of this package, from its own package.json. */
import { createRequire } from 'node:module'

const { version: ownVersion } = createRequire(import.meta.url)('fastify-mcp-auth/package.json') as { version: string }

export const version = ownVersion
