/** SDK v1 without sessions, as in its own example: a server and a transport per request, on Express. */
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import { ready, settings } from './host.js'
import { register } from './tools.js'

const app = express()
app.use(express.json())

app.post('/mcp', async (req, res) => {
  const server = register(new McpServer({ name: 'bench', version: '1.0.0' }), settings)
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true })
  res.on('close', () => {
    transport.close()
    server.close()
  })
  await server.connect(transport)
  await transport.handleRequest(req, res, req.body)
})

const listener = app.listen(0, '127.0.0.1', () => ready(listener.address().port, () => listener.close()))
