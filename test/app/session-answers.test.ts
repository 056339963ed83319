/** Every request of a session is answered, what the SDK would hold back included, and its id is free again. */
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { z } from 'zod'
import { defineTool } from '../../src/tools/tool.js'
import { callOf, eventsOf, post, rpc, service, withKey } from '../support/service.js'

/** The headers of a session that is open. */
async function opened (app: FastifyInstance, protocolVersion: string): Promise<Record<string, string>> {
  const { headers } = await post(app, rpc('initialize', { protocolVersion, capabilities: {}, clientInfo: { name: 'test', version: '1' } }))
  return { ...withKey, 'mcp-session-id': String(headers['mcp-session-id']) }
}

for (const method of ['ping', 'tools/list', 'tools/call']) {
  t.test(`a ${method} and its own cancellation in one batch are answered, and its id is free again`, async t => {
    const app = await service(t, { sessions: {} })
    const session = await opened(app, '2025-03-26')
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } }
    const { text } = await post(app, [rpc(method, method === 'tools/call' ? { name: 'whoami' } : undefined, 7), cancel], session)
    t.match(eventsOf(text), [{ id: 7, result: Object }])
    t.equal((await post(app, rpc('ping', undefined, 7), session)).status, 200)
  })
}

t.test('a call whose input is judged without an end is answered at the deadline', async t => {
  const input = z.object({ a: z.string().refine(async () => await new Promise(() => {})) })
  const app = await service(t, { sessions: {}, requestTimeoutMs: 50, tools: [defineTool({ name: 'dither', input, handler: () => 'in' })] })
  const session = await opened(app, '2025-11-25')
  const { text } = await post(app, callOf('dither', { a: 'x' }, 7), session)
  t.match(eventsOf(text).at(-1), { id: 7, error: { data: { code: 'MCP_ERR_DEADLINE' } } })
  t.equal((await post(app, rpc('ping', undefined, 7), session)).status, 200)
})

for (const method of ['PUT', 'PATCH', 'OPTIONS'] as const) {
  t.test(`${method} is not allowed, in a session or without, and says what is`, async t => {
    const app = await service(t, { sessions: {} })
    for (const headers of [withKey, await opened(app, '2025-11-25')]) {
      const response = await app.inject({ method, url: '/mcp', headers })
      t.equal(response.statusCode, 405)
      t.equal(response.headers.allow, 'GET, POST, DELETE')
    }
  })
}
