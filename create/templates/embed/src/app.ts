/** Your app, with the MCP endpoint at /mcp. */
import Fastify, { type FastifyInstance } from 'fastify'
import { mcpAuth } from 'fastify-mcp-auth'
import { options } from './options.js'

export interface Settings {
  /** What clients send as `x-api-key`. */
  readonly apiKeys: readonly string[]
  /** Signs tokens; at least 32 bytes. */
  readonly jwtSecret?: string | undefined
  readonly logger?: boolean
}

export async function makeApp ({ apiKeys, jwtSecret, logger = false }: Settings): Promise<FastifyInstance> {
  const app = Fastify({ logger })
  // Your own routes: nothing of the endpoint reaches them.
  app.get('/', async () => ({ hello: 'world' }))
  await app.register(mcpAuth, { apiKeys, jwtSecret, ...options })
  return app
}
