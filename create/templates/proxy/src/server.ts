/** Starts the server in front of those in mcp.json. Settings come from the environment and from .env. */
import { startServer } from 'fastify-mcp-auth'
import { options } from './options.js'

await startServer(options)
