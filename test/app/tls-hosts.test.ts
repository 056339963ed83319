/** Host apps that serve HTTPS over HTTP/1.1 and HTTP/2: only their own and listed pages are accepted. */
import { connect as connectHttp2 } from 'node:http2'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:tls'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { mcpAuth } from '../../src/mcp-auth.js'
import { adaKey, rpc } from '../support/service.js'
import { certificate, testKey } from '../support/rehosted.js'

type Send = (headers: Record<string, string>, target?: string) => Promise<number>

const body = JSON.stringify(rpc('ping'))

async function host (t: Test, http2: boolean): Promise<number> {
  const https = { key: testKey, cert: certificate, allowHTTP1: true }
  const app = (http2 ? Fastify({ http2: true, https }) : Fastify({ https })) as unknown as FastifyInstance
  t.teardown(() => app.close())
  await app.register(mcpAuth, { apiKeys: [adaKey], origins: ['https://listed.example'] })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}

/** Uses a raw socket, so that the request target is sent unchanged. */
function overHttp1 (t: Test, port: number): Send {
  return async (headers, target = '/mcp') => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
    t.teardown(() => socket.destroy())
    const sent = Object.entries({ Host: `localhost:${port}`, ...common, ...headers })
    const lines = sent.map(([name, value]) => `${name}: ${value}`)
    socket.write([`POST ${target} HTTP/1.1`, ...lines, 'Connection: close', '', body].join('\r\n'))
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    return Number(text.split(' ')[1])
  }
}

function overHttp2 (t: Test, port: number): Send {
  const client = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  t.teardown(() => { client.destroy() })
  return async ({ Host = `localhost:${port}`, ...headers }, target = '/mcp') => {
    const request = client.request({ ':method': 'POST', ':path': target, ':authority': Host, ...common, ...headers })
    request.end(body)
    const [answer] = await once(request, 'response')
    request.close()
    return Number(answer[':status'])
  }
}

const common = {
  'x-api-key': adaKey,
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'content-length': String(body.length)
}

for (const [name, http2, client] of [
  ['HTTPS with HTTP/1.1', false, overHttp1],
  ['HTTPS with HTTP/2', true, overHttp2],
  ['HTTPS with HTTP/2 and a client of HTTP/1.1', true, overHttp1]
] as const) {
  t.test(`${name}: own and listed pages are accepted, others refused`, async t => {
    const port = await host(t, http2)
    const send = client(t, port)
    for (const [headers, status] of [
      [{}, 200],
      [{ origin: `https://localhost:${port}` }, 200],
      [{ Host: `127.0.0.1:${port}`, origin: `https://127.0.0.1:${port}` }, 200],
      [{ origin: 'https://listed.example' }, 200],
      [{ origin: `http://localhost:${port}` }, 403],
      [{ origin: `https://localhost:${port + 1}` }, 403],
      [{ origin: 'https://localhost' }, 403],
      [{ origin: 'https://evil.example' }, 403],
      [{ origin: 'null' }, 403],
      [{ Host: 'evil.example' }, 403],
      [{ Host: 'evil.example', origin: 'https://evil.example' }, 403],
      [{ 'sec-fetch-site': 'cross-site' }, 403],
      [{ 'sec-fetch-site': 'same-origin', origin: `https://localhost:${port}` }, 200]
    ] as const) t.equal(await send(headers), status, JSON.stringify(headers))
  })
}

t.test('over HTTPS, an absolute-form target must name the host', async t => {
  const port = await host(t, false)
  const send = overHttp1(t, port)
  t.equal(await send({}, `https://localhost:${port}/mcp`), 200)
  t.equal(await send({}, 'https://evil.example/mcp'), 403)
  t.equal(await send({ Host: 'localhost' }, 'https://localhost:443/mcp'), 200)
  t.equal(await send({ Host: 'localhost' }, 'https://localhost:80/mcp'), 403)
})
