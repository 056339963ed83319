/** Upstreams over HTTP: faults are bounded, credentials are not forwarded, and redirects are not followed. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { UpstreamOptions } from '../../src/upstreams/options.js'
import { answer, ask, far, type Reply, text } from '../support/http-upstream.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, bobKey, listening } from '../support/service.js'
import { until } from '../support/until.js'
import { secretOfTests } from '../support/witness.js'
import { client, serving, textOf } from '../support/upstreams.js'

const token = secretOfTests('token-of-http-upstream-000004')

const faults: Array<[string, Reply, RegExp]> = [
  ['401', ask(response => { response.writeHead(401).end('hunter2') }), /refused this server/],
  ['403', ask(response => { response.writeHead(403).end('hunter2') }), /refused this server/],
  ['500', ask(response => { response.writeHead(500).end('hunter2 at /etc/secret') }), /failed; try again/],
  ['503', ask(response => { response.writeHead(503).end('hunter2') }), /failed; try again/],
  ['no JSON', ask(response => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('hunter2')
  }), /cannot be read/],
  ['a page', ask(response => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<p>hunter2')
  }), /cannot be read/],
  ['a body that stops', ask(response => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.write('{"jsonrpc":"2.0",')
  }), /longer than the server allows/],
  ['a connection that ends', ask(response => { response.socket?.destroy() }), /The upstream server/],
  ['an event stream that ends', ask(response => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(': nothing\n\n')
  }), /The upstream server/],
  ['an event stream that ends after another message with its id', ask((response, { id }) => {
    const data = { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: { id } } }
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`data: ${JSON.stringify(data)}\n\n`)
  }), /stopped during this request/],
  ['an event stream that ends and cannot be resumed', ask(response => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end('id: 1\nretry: 10\ndata: \n\n')
  }), /stopped during this request/],
  ['an event that has no valid result', ask((response, { id }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(`data: {"jsonrpc":"2.0","id":${id},"result":"hunter2"}\n\n`)
  }), /stopped during this request/],
  ['202', ask(response => { response.writeHead(202).end() }), /stopped during this request/],
  ['a result that is no object', ask((response, message) => { answer(response, message, 'hunter2') }), /cannot be read/],
  ['null', ask(response => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('null')
  }), /cannot be read/],
  ['a large answer', ask((response, message) => {
    answer(response, message, text('x'.repeat(10_000_000)))
  }), /larger than 8388608 bytes/],
  ['a large event', ask(response => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(`data: ${'x'.repeat(10_000_000)}\n\n`)
  }), /larger than 8388608 bytes|The upstream server/]
]
for (const [what, reply, says] of faults) {
  t.test(`an HTTP upstream that answers with ${what} fails with a constant message`, async t => {
    const { url } = await far(t, reply)
    const log = logSink()
    const far_: UpstreamOptions = { url, headers: { Authorization: `Bearer ${token}` } }
    const app = await serving(t, { far: far_ }, {
      logStream: log,
      env: { REQUEST_TIMEOUT_MS: '120000' },
      ...(what.includes('stops') ? { toolPolicies: { tools: { call: { deadlineMs: 1000 } } } } : {})
    })
    const ada = await client(t, await listening(app), adaKey)
    const failed = await ada.callTool({ name: 'call' })
    t.match(failed, { isError: true })
    t.match(textOf(failed), says)
    t.notMatch(JSON.stringify(failed), /hunter2|token-of/)
    t.notMatch(log.text(), 'token-of')
  })
}

for (const status of [301, 302, 307, 308]) {
  t.test(`a redirect (${status}) of an upstream is refused without contacting its target`, async t => {
    const target = await far(t, ask((response, message) => { answer(response, message, text('stolen')) }))
    const redirect: Reply = (_, response) => { response.writeHead(status, { location: target.url }).end() }
    const inCall = await far(t, redirect)
    const log = logSink()
    const headers = { Authorization: `Bearer ${token}` }
    const app = await serving(t, { far: { url: inCall.url, headers } }, { logStream: log })
    const ada = await client(t, await listening(app), adaKey)
    t.match(await ada.callTool({ name: 'call' }), { isError: true })
    t.equal(target.seen.length, 0)
    t.match(log.text(), /redirect.*address that it redirects to/)
  })
}

for (const type of ['http', 'sse'] as const) {
  t.test(`a redirect at the start is refused over ${type}`, async t => {
    const target = await far(t, () => {})
    const server = createServer((_, response) => { response.writeHead(307, { location: target.url }).end() })
    await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
    t.teardown(() => { server.close() })
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
    const app = await serving(t, { far: { url, type, headers: { Authorization: `Bearer ${token}` } } })
    t.match((await app.inject('/ready')).json(), { status: 'degraded' })
    t.equal(target.seen.length, 0)
  })
}

t.test('an SSE upstream with an endpoint on another host is refused', async t => {
  const target = await far(t, () => {})
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`event: endpoint\ndata: ${target.url}\n\n`)
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sse`
  const headers = { Authorization: `Bearer ${token}` }
  const app = await serving(t, { far: { url, type: 'sse', headers, startTimeoutMs: 3000 } })
  t.match((await app.inject('/ready')).json(), { status: 'degraded' })
  t.equal(target.seen.length, 0)
})

t.test('an event with spaces in its JSON, or its id as text, is a valid answer', async t => {
  const behind = await far(t, ask((response, { id, params }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const written = params?.name === 'who' ? `"${id}"` : String(id)
    response.end(`data: {"jsonrpc": "2.0", "id": ${written}, "result": ${JSON.stringify(text('done'))}}\n\n`)
  }))
  const log = logSink()
  const app = await serving(t, { far: { url: behind.url } }, { logStream: log })
  const ada = await client(t, await listening(app), adaKey)
  for (const name of ['call', 'who', 'call']) t.equal(textOf(await ada.callTool({ name })), 'done')
  t.same(log.lines().filter(({ level }) => level === 40), [])
})

t.test('an expired upstream session is reopened once', async t => {
  let calls = 0
  const behind = await far(t, ask((response, message) => {
    calls += 1
    answer(response, message, text('done'))
  }))
  const ada = await client(t, await listening(await serving(t, { far: { url: behind.url } })), adaKey)
  t.equal(textOf(await ada.callTool({ name: 'call' })), 'done')
  behind.sessions.clear()
  t.equal(textOf(await ada.callTool({ name: 'call' })), 'done')
  t.equal(calls, 2)
})

t.test('only a 400 for an unknown session reopens the upstream session', async t => {
  let calls = 0
  const behind = await far(t, ask((response, message) => {
    calls += 1
    if (message.params?.name === 'who') response.writeHead(400).end('Bad Request: wrong arguments')
    else answer(response, message, text('done'))
  }), (request, response, message) => {
    if (message.method !== 'tools/call' || behind.sessions.has(String(request.headers['mcp-session-id']))) return
    response.writeHead(400).end('{"error":{"message":"Bad Request: No valid session ID provided"}}')
  })
  const ada = await client(t, await listening(await serving(t, { far: { url: behind.url } })), adaKey)
  behind.sessions.clear()
  t.equal(textOf(await ada.callTool({ name: 'call' })), 'done')
  t.match(await ada.callTool({ name: 'who' }), { isError: true })
  t.equal(calls, 2)
})

t.test('an idle upstream session of a caller is closed', async t => {
  const behind = await far(t, ask((response, message) => { answer(response, message, text('done')) }))
  const app = await serving(t, { far: { url: behind.url, share: 'caller', idleMs: 100 } })
  const ada = await client(t, await listening(app), adaKey)
  await ada.callTool({ name: 'call' })
  const ended = (): unknown[] =>
    behind.seen.filter(({ method }) => method === 'DELETE').map(({ headers }) => headers['mcp-session-id'])
  await until(() => ended().length === behind.sessions.size)
  t.same(new Set(ended()), behind.sessions)
})

t.test('an upstream that always loses its session gets two requests', async t => {
  let asked = 0
  const behind = await far(t, ask(response => {
    asked += 1
    response.writeHead(404).end('{}')
  }))
  const ada = await client(t, await listening(await serving(t, { far: { url: behind.url } })), adaKey)
  t.match(await ada.callTool({ name: 'call' }), { isError: true })
  t.equal(asked, 2)
})

t.test('identityHeader identifies the caller, and credentials are not forwarded', async t => {
  const behind = await far(t, (request, response, message) => {
    answer(response, message, text(String(request.headers['x-caller'])))
  })
  const headers = { Authorization: `Bearer ${token}` }
  const app = await serving(t, { far: { url: behind.url, headers, share: 'caller', identityHeader: 'X-Caller' } })
  const url = await listening(app)
  const [ada, bob] = [await client(t, url, adaKey), await client(t, url, bobKey)]
  const [first, second, third] = await Promise.all([
    ada.callTool({ name: 'who' }), bob.callTool({ name: 'who' }), ada.callTool({ name: 'again' })
  ])
  t.match(textOf(first), /^apikey:/)
  t.not(textOf(first), textOf(second))
  t.equal(textOf(first), textOf(third))
  for (const { headers: sent } of behind.seen) {
    t.notMatch(JSON.stringify(sent), new RegExp(`${adaKey}|${bobKey}`))
    if (sent.authorization !== `Bearer ${token}`) t.fail('a request without the header of the options')
  }
})
