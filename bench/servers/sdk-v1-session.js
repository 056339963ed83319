/** SDK v1 with sessions, as in its own example: a server and a transport per session, on Express. */
import { randomUUID } from 'node:crypto'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import { ready, settings } from './host.js'
import { register } from './tools.js'

const app = express()
app.use(express.json())
const transports = new Map()

app.post('/mcp', async (req, res) => {
  const known = transports.get(req.headers['mcp-session-id'])
  if (known !== undefined) return await known.handleRequest(req, res, req.body)
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: id => { transports.set(id, transport) }
  })
  await register(new McpServer({ name: 'bench', version: '1.0.0' }), settings).connect(transport)
  await transport.handleRequest(req, res, req.body)
})

const listener = app.listen(0, '127.0.0.1', () => ready(listener.address().port, () => listener.close()))
