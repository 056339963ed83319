/** SDK v2 as in its documentation: `createMcpHandler` on Fastify. */
import { toNodeHandler } from '@modelcontextprotocol/node'
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server'
import Fastify from 'fastify'
import { ready, settings } from './host.js'
import { register } from './tools.js'

const handler = toNodeHandler(createMcpHandler(() => register(
  new McpServer({ name: 'bench', version: '1.0.0' }),
  settings
)))
const app = Fastify()

app.all('/mcp', async (request, reply) => {
  reply.hijack()
  await handler(request.raw, reply.raw, request.body)
})

await app.listen({ host: '127.0.0.1', port: 0 })
ready(app.server.address().port, () => app.close())
