/** An MCP server over HTTP whose answers the test sets. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export type Rpc = { id?: number, method: string, params?: { name?: string } }
export type Reply = (request: IncomingMessage, response: ServerResponse, message: Rpc) => void

const tools = ['call', 'who', 'again'].map(name => ({ name, inputSchema: { type: 'object' } }))

/** Starts a server of revision 2025-11-25 that answers each call with `reply`. */
export async function far (
  t: Test,
  reply: Reply,
  first: Reply = () => {}
): Promise<{ url: string, seen: IncomingMessage[], sessions: Set<string> }> {
  const seen: IncomingMessage[] = []
  const sessions = new Set<string>()
  const server = createServer((request, response) => {
    seen.push(request)
    let body = ''
    request.on('data', chunk => { body += String(chunk) }).on('end', () => {
      if (request.method !== 'POST') {
        response.writeHead(request.method === 'DELETE' ? 200 : 405).end()
        return
      }
      const message = JSON.parse(body) as Rpc
      first(request, response, message)
      if (response.writableEnded || response.headersSent) return
      const session = String(request.headers['mcp-session-id'])
      if (message.method !== 'initialize' && message.method !== 'server/discover' && !sessions.has(session)) {
        response.writeHead(404).end('{}')
        return
      }
      if (message.id === undefined) {
        response.writeHead(202).end()
        return
      }
      switch (message.method) {
        case 'initialize': {
          const id = `session-${sessions.size}-${seen.length}`
          sessions.add(id)
          response.setHeader('mcp-session-id', id)
          answer(response, message, {
            protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'far', version: '1' }
          })
          return
        }
        case 'tools/list':
          answer(response, message, { tools })
          return
        case 'tools/call':
          reply(request, response, message)
          return
        default:
          response.writeHead(400, { 'content-type': 'application/json' }).end(
            JSON.stringify({ jsonrpc: '2.0', id: message.id, error: { code: -32601, message: 'no' } })
          )
      }
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, seen, sessions }
}

export function answer (response: ServerResponse, { id }: Rpc, result: unknown): void {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
}

export const text = (value: string): unknown => ({ content: [{ type: 'text', text: value }] })
export const ask = (reply: (response: ServerResponse, message: Rpc) => void): Reply => (_, response, message) => {
  reply(response, message)
}
