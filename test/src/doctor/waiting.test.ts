/** The doctor on deployments whose fault shows only after a while. */
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { examine } from '../../../src/doctor/doctor.js'
import type { Finding } from '../../../src/doctor/finding.js'
import { nginx, withoutNginx } from '../../support/nginx.js'
import { patient } from '../../support/patient-doctor.js'
import { freePort } from '../../support/ports.js'
import { listening, service, withKey } from '../../support/service.js'

// These tests mostly wait.
t.jobs = 4
async function behind (t: Test, lines: string): Promise<Finding[]> {
  const port = await freePort()
  const app = await service(t, { env: { PUBLIC_URL: `http://127.0.0.1:${port}`, TRUST_PROXY: '127.0.0.1' } })
  const headers = 'proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;'
  await nginx(t, {
    port,
    server: `location / { proxy_pass ${await listening(app)}; proxy_http_version 1.1; ${headers} ${lines} }`
  })
  return await examine({
    url: new URL(`http://127.0.0.1:${port}/mcp`),
    credential: withKey,
    patience: { ...patient, keepAliveMs: 120_000 }
  })
}

const ids = (findings: readonly Finding[]): string[] =>
  findings.filter(({ severity }) => severity !== 'info').map(({ id }) => id)

t.test('doctor accepts a keep-alive that arrives', { skip: withoutNginx }, async t => {
  t.same(ids(await behind(t, 'client_max_body_size 2m;')), [])
})

/** A proxy that forwards only the first chunk of each stream. `delayMs` delays the first request. */
async function relay (t: Test, upstream: string, { delayMs = 0 }: { delayMs?: number } = {}): Promise<URL> {
  let isFirst = true
  const server = createServer((incoming, response) => {
    const { method, url, headers } = incoming
    const pass = (): void => {
      const sent = request(upstream + url, { method: String(method), headers }, answer => {
        response.writeHead(Number(answer.statusCode), answer.headers)
        const isStream = answer.headers['content-type']?.startsWith('text/event-stream') === true
        if (isStream) answer.once('data', chunk => response.write(chunk))
        else answer.pipe(response)
        response.once('close', () => { sent.destroy() })
      })
      sent.on('error', () => { response.destroy() })
      incoming.pipe(sent)
    }
    setTimeout(pass, isFirst ? delayMs : 0)
    isFirst = false
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`)
}

t.test('doctor finds stream-buffered behind a buffering proxy', async t => {
  const url = await relay(t, await listening(await service(t, {})))
  const patience = { ...patient, keepAliveMs: 1000 }
  t.match(ids(await examine({ url, credential: withKey, patience })), ['stream-buffered'])
})

t.test('doctor finds a missing keep-alive', async t => {
  const server = createServer((request, response) => {
    request.resume()
    if (request.headers['x-api-key'] !== withKey['x-api-key']) return response.writeHead(401).end()
    if (request.headers['mcp-method'] !== 'subscriptions/listen') {
      return response.writeHead(200, { 'content-type': 'application/json' }).end('{"jsonrpc":"2.0","id":1,"result":{}}')
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {}\n\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`)
  const patience = { ...patient, keepAliveMs: 1000 }
  t.ok(ids(await examine({ url, credential: withKey, patience })).includes('keep-alive'))
})

t.test('doctor finds a slow endpoint', async t => {
  const app = await service(t, {})
  const url = await relay(t, await listening(app), { delayMs: 300 })
  const findings = await examine({ url, patience: { ...patient, slowMs: 200 } })
  t.match(findings.find(({ id }) => id === 'slow'), { severity: 'warning', what: /took \d+\.\d seconds/ })
})
