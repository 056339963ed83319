/** The upper bound: Fastify reads the body and sends a fixed JSON-RPC reply. */
import Fastify from 'fastify'
import { ready } from './host.js'
import { both, once } from './tools.js'

const app = Fastify()
const results = { whoami: both(once.whoami.answer()) }

app.post('/mcp', async ({ body }) => ({
  jsonrpc: '2.0',
  id: body.id,
  result: results[body.params.name] ?? { content: [{ type: 'text', text: body.params.arguments.text }] }
}))

await app.listen({ host: '127.0.0.1', port: 0 })
ready(app.server.address().port, () => app.close())
