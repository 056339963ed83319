/** fastmcp, stateless, with JSON replies. */
import { FastMCP } from 'fastmcp'
import { createServer } from 'node:net'
import { ready } from './host.js'
import { both, once } from './tools.js'

const { whoami, echo } = once
const server = new FastMCP({ name: 'bench', version: '1.0.0' })
const { name, description, annotations, input, output } = whoami
server.addTool({
  name,
  description,
  annotations,
  parameters: input,
  outputSchema: output,
  execute: async () => both(whoami.answer())
})
server.addTool({
  name: echo.name,
  description: echo.description,
  parameters: echo.input,
  execute: async ({ text }) => text
})

// fastmcp does not report the port that it got.
const port = await new Promise(resolve => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address()
    probe.close(() => resolve(port))
  })
})
await server.start({
  transportType: 'httpStream',
  httpStream: { host: '127.0.0.1', port, stateless: true, enableJsonResponse: true }
})
ready(port, () => server.stop())
