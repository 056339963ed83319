/** Upstreams of SDK v1 over HTTP and the old SSE transport: questions during calls, and streams that end. */
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { randomUUID } from 'node:crypto'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { CallToolRequestSchema, ElicitResultSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import t, { type Test } from 'tap'
import { adaKey, bobKey, listening } from '../support/service.js'
import { until } from '../support/until.js'
import { client, serving, textOf } from '../support/upstreams.js'

/** `ask` asks on the stream of its call, `pid` returns the server's name, `never` does not answer. */
function upstream (begun: string[]): Server {
  const name = randomUUID()
  const server = new Server({ name: 'far', version: '1' }, { capabilities: { tools: {} } })
  const object = { type: 'object' as const }
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: ['ask', 'pid', 'never'].map(tool => ({ name: tool, inputSchema: object }))
  }))
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { sendRequest, signal }) => {
    begun.push(params.name)
    if (params.name === 'never') await new Promise(resolve => { signal.addEventListener('abort', resolve) })
    if (params.name === 'pid') return { content: [{ type: 'text', text: name }] }
    // Waits until both calls are running.
    await until(() => begun.length >= 2)
    const requestedSchema = { type: 'object' as const, properties: { colour: { type: 'string' as const } } }
    const said = await sendRequest(
      { method: 'elicitation/create', params: { message: 'Which?', requestedSchema } }, ElicitResultSchema
    )
    return { content: [{ type: 'text', text: JSON.stringify(said.content) }] }
  })
  return server
}

async function listen (t: Test, server: HttpServer): Promise<string> {
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function overHttp (t: Test, begun: string[]): Promise<string> {
  const transports = new Map<string, StreamableHTTPServerTransport>()
  return `${await listen(t, createServer((request, response) => {
    void (async () => {
      const known = transports.get(String(request.headers['mcp-session-id']))
      const transport = known ?? new StreamableHTTPServerTransport({
        sessionIdGenerator: () => randomUUID(),
        onsessioninitialized: id => { transports.set(id, transport) }
      })
      if (known === undefined) await upstream(begun).connect(transport as Parameters<Server['connect']>[0])
      await transport.handleRequest(request, response)
    })()
  }))}/mcp`
}

async function overSse (t: Test, begun: string[]): Promise<{ url: string, server: HttpServer }> {
  const transports = new Map<string, SSEServerTransport>()
  const server = createServer((request, response) => {
    void (async () => {
      if (request.method === 'GET') {
        const transport = new SSEServerTransport('/messages', response)
        transports.set(transport.sessionId, transport)
        response.once('close', () => { transports.delete(transport.sessionId) })
        await upstream(begun).connect(transport)
        return
      }
      const id = new URL(request.url ?? '', 'http://localhost').searchParams.get('sessionId')
      const known = transports.get(id ?? '')
      if (known === undefined) response.writeHead(404).end()
      else await known.handlePostMessage(request, response)
    })()
  })
  return { url: `${await listen(t, server)}/sse`, server }
}

for (const era of ['modern', 'legacy'] as const) {
  t.test(`two callers of one HTTP session are asked on the streams of their own calls (${era})`, async t => {
    const url = await listening(await serving(t, { far: { url: await overHttp(t, []), share: 'all' } }))
    const [ada, bob] = [
      await client(t, url, adaKey, { era, colour: 'red' }), await client(t, url, bobKey, { era, colour: 'blue' })
    ]
    const [first, second] = await Promise.all([ada.callTool({ name: 'ask' }), bob.callTool({ name: 'ask' })])
    t.equal(textOf(first), '{"colour":"red"}')
    t.equal(textOf(second), '{"colour":"blue"}')
  })
}

t.test('a server with only the old transport is served with type sse', async t => {
  const { url } = await overSse(t, [])
  const ada = await client(t, await listening(await serving(t, { far: { url, type: 'sse' } })), adaKey)
  t.match(textOf(await ada.callTool({ name: 'pid' })), /^[0-9a-f-]{36}$/)
})

t.test('calls fail when an SSE stream ends, and the next call reconnects', async t => {
  const begun: string[] = []
  const { url, server } = await overSse(t, begun)
  const ada = await client(t, await listening(await serving(t, { far: { url, type: 'sse' } })), adaKey)
  const before = textOf(await ada.callTool({ name: 'pid' }))
  const waiting = ada.callTool({ name: 'never' })
  await until(() => begun.includes('never'))
  server.closeAllConnections()
  t.match(textOf(await waiting), /stopped during this request; try again \(request/)
  let after = before
  await until(async () => {
    after = textOf(await ada.callTool({ name: 'pid' }))
    return /^[0-9a-f-]{36}$/.test(after)
  })
  t.not(after, before)
})
