/** The doctor on other servers: other APIs, an MCP server of the SDK, and a server that does not speak HTTP. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createSocketServer, type Server } from 'node:net'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import t, { type Test } from 'tap'
import { examine } from '../../../src/doctor/doctor.js'
import type { Finding } from '../../../src/doctor/finding.js'
import { patient } from '../../support/patient-doctor.js'
import { withKey } from '../../support/service.js'

async function listen (t: Test, server: Server, close: () => void): Promise<URL> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(close)
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`)
}

async function serve (t: Test, listener: RequestListener): Promise<URL> {
  const server = createServer(listener)
  return await listen(t, server, () => { server.closeAllConnections(); server.close() })
}

const faults = (findings: readonly Finding[]): readonly Finding[] =>
  findings.filter(({ severity }) => severity !== 'info')

for (const [what, status, body] of [
  ['another API', 200, '{"hello":"world"}'],
  ['an API that refuses POST', 405, '{"error":"method not allowed"}'],
  ['an API without a body', 403, ''],
  ['a list', 200, '[]'],
  ['plain text', 200, 'It works!']
] as const) {
  t.test(`doctor finds not-mcp before ${what}`, async t => {
    const url = await serve(t, (request, response) => {
      request.resume()
      response.writeHead(status, { 'content-type': 'application/json' }).end(body)
    })
    t.match(faults(await examine({ url, credential: withKey, patience: patient })), [
      { id: 'not-mcp', severity: 'error', what: `The endpoint answers ${status} with something that is not MCP` }
    ])
  })
}

t.test('doctor finds unfinished before a server that hangs after the headers', async t => {
  const url = await serve(t, (request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'application/json' }).write('{')
  })
  // On a busy machine, the headers may take longer than the first tries allow.
  for (let answerMs = 500; ; answerMs *= 2) {
    const found = faults(await examine({ url, patience: { ...patient, answerMs } }))
    if (found.some(({ what }) => what.includes('(timeout)')) && answerMs < 60_000) continue
    t.match(found, [{ id: 'unfinished', severity: 'error', what: /headers of a response, but not its end/ }])
    break
  }
})

t.test('doctor reads a response from a stream that stays open', async t => {
  const url = await serve(t, (request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('event: message\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\n')
  })
  const ids = faults(await examine({ url, patience: patient })).map(({ id }) => id)
  t.ok(ids.includes('open'))
  t.notOk(ids.some(id => ['unreachable', 'unfinished', 'no-answer', 'not-mcp'].includes(id)), String(ids))
})

t.test('doctor finds unreachable before what is not HTTP', async t => {
  const server = createSocketServer(socket => {
    socket.on('error', () => {})
    socket.end('SSH-2.0-OpenSSH_9.9\r\n')
  })
  const url = await listen(t, server, () => { server.close() })
  t.match(faults(await examine({ url, patience: patient })), [{ id: 'unreachable', what: /is not HTTP\/1\.1 \(HPE_/ }])
})

t.test('doctor calls a server of the SDK in the session that it opens', async t => {
  const transports = new Map<string, StreamableHTTPServerTransport>()
  const url = await serve(t, (request, response) => {
    const handle = async (): Promise<void> => {
      if (request.headers['x-api-key'] !== withKey['x-api-key']) {
        response.writeHead(401, { 'www-authenticate': 'Bearer' }).end()
        return
      }
      const known = transports.get(String(request.headers['mcp-session-id']))
      const transport = known ?? new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: id => { transports.set(id, transport) },
        onsessionclosed: id => { transports.delete(id) }
      })
      if (known === undefined) {
        const server = new McpServer({ name: 'stranger', version: '1' })
        server.registerTool('ping', {}, () => ({ content: [] }))
        await server.connect(transport)
      }
      await transport.handleRequest(request, response)
    }
    handle().catch(() => { response.destroy() })
  })
  const findings = await examine({ url, credential: withKey, patience: patient })
  t.match(findings.find(({ id }) => id === 'era-modern'), { severity: 'info' })
  for (const id of ['session', 'no-era', 'era-legacy', 'slash', 'content-type', 'no-answer', 'not-mcp', 'body-limit']) {
    t.notOk(findings.some(finding => finding.id === id), id)
  }
  t.equal(transports.size, 0, 'the session has ended')
})
