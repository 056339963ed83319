/** Your app, with the MCP endpoint at /mcp. */
import Fastify, { type FastifyInstance } from 'fastify'
import { type Config, mcpAuth, mcpAuthOptions, type McpAuthOptions } from 'fastify-mcp-auth'
import { options } from './options.js'

/** Builds the app. `more` overrides the settings and the options of src/options.ts. */
export async function makeApp (config: Config, more: McpAuthOptions = {}): Promise<FastifyInstance> {
  const app = Fastify({
    logger: { level: config.LOG_LEVEL },
    trustProxy: config.TRUST_PROXY.length > 0 && [...config.TRUST_PROXY]
  })
  // Your own routes. The endpoint does not affect them.
  app.get('/', async () => ({ hello: 'world' }))
  await app.register(mcpAuth, { ...mcpAuthOptions(config, { env: process.env }), ...options, ...more })
  return app
}
