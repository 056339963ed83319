/** The stream of notifications of an HTTP upstream of 2025-11-25: it is reopened, and subscribers are notified. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { answer, type Rpc } from '../support/http-upstream.js'
import { adaKey, listening } from '../support/service.js'
import { until } from '../support/until.js'
import { client, serving } from '../support/upstreams.js'

const uri = 'state://now'

interface Far {
  readonly url: string
  /** The open streams of notifications. */
  readonly open: Set<ServerResponse>
  /** The sessions that the server knows. */
  readonly sessions: Set<string>
  /** The sessions that subscribed to the resource, in order. */
  readonly subscribed: string[]
}

async function far (t: Test): Promise<Far> {
  const [open, sessions, subscribed] = [new Set<ServerResponse>(), new Set<string>(), [] as string[]]
  let count = 0
  const server = createServer((request, response) => {
    const session = String(request.headers['mcp-session-id'])
    let body = ''
    request.on('data', chunk => { body += String(chunk) }).on('end', () => {
      const message = JSON.parse(body === '' ? '{}' : body) as Rpc
      if (message.method === 'initialize') {
        count += 1
        sessions.add(`s${count}`)
        response.setHeader('mcp-session-id', `s${count}`)
        return answer(response, message, {
          protocolVersion: '2025-11-25',
          serverInfo: { name: 'far', version: '1' },
          capabilities: { resources: { subscribe: true } }
        })
      }
      if (!sessions.has(session)) return response.writeHead(404).end()
      if (request.method === 'GET') {
        open.add(response)
        response.once('close', () => { open.delete(response) })
        return response.writeHead(200, { 'content-type': 'text/event-stream' }).write('retry: 20\n\n')
      }
      if (message.id === undefined) return response.writeHead(request.method === 'POST' ? 202 : 200).end()
      if (message.method === 'resources/subscribe') subscribed.push(session)
      answer(response, message, message.method === 'resources/list' ? { resources: [{ uri, name: 'now' }] } : {})
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, open, sessions, subscribed }
}

async function subscribed (t: Test): Promise<Far & { told: string[] }> {
  const behind = await far(t)
  const ada = await client(t, await listening(await serving(t, { far: { url: behind.url } })), adaKey)
  const told: string[] = []
  ada.setNotificationHandler('notifications/resources/updated', ({ params }) => { told.push(params.uri) })
  await ada.listen({ resourceSubscriptions: [uri] })
  await until(() => behind.subscribed.length === 1 && behind.open.size === 1)
  return { ...behind, told }
}

t.test('a stream of notifications that ends is reopened, and subscribers are notified', async t => {
  const { open, told, subscribed: sessions } = await subscribed(t)
  for (const response of open) response.destroy()
  await until(() => told.length > 0 && open.size === 1)
  t.same(new Set(told), new Set([uri]))
  t.same(sessions, ['s1'], 'the session is the same')
})

t.test('a session that the upstream forgot is reopened without a call, and subscribers are notified', async t => {
  const { open, told, sessions, subscribed: asked } = await subscribed(t)
  sessions.clear()
  for (const response of open) response.destroy()
  await until(() => told.length > 0 && asked.length === 2)
  t.same(new Set(told), new Set([uri]))
  t.same(new Set(asked), new Set(['s1', 's2']))
})
