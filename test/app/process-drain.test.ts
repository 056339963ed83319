/** A server that stops loses no request, neither during its answer nor on a kept-alive connection. */
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { key, root, sound, start, type Running } from '../support/process.js'
import { succeeds } from '../support/play.js'
import { until } from '../support/until.js'

/** The service with the tools of these tests. */
function startTools (t: Test, env: Record<string, string> = {}): Running {
  const source = `
    import { setTimeout as sleep } from 'node:timers/promises'
    import { startServer } from ${JSON.stringify(`${root}src/server/start.ts`)}
    import { defineTool } from ${JSON.stringify(`${root}src/tools/tool.ts`)}
    const tool = (name, handler) => defineTool({ name, handler, maxResultBytes: 20_000_000 })
    await startServer({ dotenv: false, tools: [
      tool('large', async () => 'x'.repeat(12_000_000)),
      tool('brief', async () => { await sleep(5); return 'brief' }),
      tool('hang', async () => await new Promise(() => {})),
      tool('wait', async () => {
        const signal = new Promise(resolve => process.once('SIGTERM', resolve))
        console.error('waiting')
        await signal
        return 'waited'
      }),
      tool('throw', async () => { setImmediate(() => { throw new Error('nobody catches this') }); return await new Promise(() => {}) })
    ] })
  `
  const cwd = t.testdir({ 'tools.mjs': source })
  return start(t, process.execPath, ['--import', import.meta.resolve('tsx'), join(cwd, 'tools.mjs')], {
    cwd,
    env: { ...sound, HOST: '127.0.0.1', DRAIN_GRACE_MS: '120000', ...env }
  })
}

const callOf = (name: string): string =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } })
const headers = { 'x-api-key': key, 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
const stopping = async (server: Running): Promise<void> => { await until(() => server.stdout().includes('"stopping"')) }

/** Opens a connection that sends a call, and is not read until the test resumes it. */
function open (t: Test, url: string, body: string, path = '/mcp'): Socket {
  const { hostname, port, host } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.pause()
  t.teardown(() => socket.destroy())
  send(socket, host, body, path)
  return socket
}

function send (socket: Socket, host: string, body: string, path = '/mcp'): void {
  const lines = [
    `${body === '' ? 'GET' : 'POST'} ${path} HTTP/1.1`,
    `Host: ${host}`,
    ...Object.entries(headers).map(pair => pair.join(': ')),
    `Content-Length: ${body.length}`,
    '',
    body
  ]
  socket.write(lines.join('\r\n'))
}

async function readAll (socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => { chunks.push(chunk) })
  socket.resume()
  await new Promise<void>((resolve, reject) => { socket.once('end', resolve).once('error', reject) })
  return Buffer.concat(chunks).toString()
}

t.test('an answer that is being sent at SIGTERM arrives completely', async t => {
  const server = startTools(t)
  const socket = open(t, await server.url, callOf('large'))
  await new Promise(resolve => socket.once('readable', resolve))
  server.child.kill('SIGTERM')
  await stopping(server)
  const text = await readAll(socket)
  const [head = '', body = ''] = text.split('\r\n\r\n')
  t.match(head, /^HTTP\/1\.1 200 OK/)
  t.equal(JSON.parse(body).result.content[0].text.length, 12_000_000)
  t.same(await server.ended, { code: 0, signal: null })
  t.notMatch(server.stdout(), /"cut"/)
})

t.test('an unread answer is cut at the end of the grace period and logged', async t => {
  const server = startTools(t, { DRAIN_GRACE_MS: '300' })
  const socket = open(t, await server.url, callOf('large'))
  await new Promise(resolve => socket.once('readable', resolve))
  server.child.kill('SIGTERM')
  t.same(await server.ended, { code: 0, signal: null })
  t.match(server.stdout(), /"tool":"large".*"cut":true/)
})

t.test('a request on an idle connection after SIGTERM is answered as its last', async t => {
  const isAnswered = async (): Promise<boolean> => {
    const server = startTools(t)
    const url = await server.url
    const { host } = new URL(url)
    const socket = open(t, url, callOf('brief'))
    let text = ''
    socket.setEncoding('utf8').on('data', chunk => { text += String(chunk) }).resume()
    const closed = new Promise<void>(resolve => { socket.once('end', resolve).once('error', () => { resolve() }) })
    await until(() => text.endsWith('}'))
    t.notMatch(text, /connection: close/i)
    server.child.kill('SIGTERM')
    await stopping(server)
    send(socket, host, callOf('brief'))
    await closed
    t.same(await server.ended, { code: 0, signal: null })
    const [, , second = ''] = text.split('HTTP/1.1')
    return /^ 200 OK[^]*connection: close[^]*"brief"/i.test(second)
  }
  // The server closes idle connections after a second, possibly before the request is sent.
  t.ok(await succeeds(isAnswered))
})

t.test('an idle connection does not delay the exit', async t => {
  const server = startTools(t)
  const { hostname, port } = new URL(await server.url)
  const idle = connect(Number(port), hostname)
  t.teardown(() => idle.destroy())
  await new Promise(resolve => idle.once('connect', resolve))
  server.child.kill('SIGTERM')
  t.same(await server.ended, { code: 0, signal: null })
})

/** The distinct outcomes of requests on twenty busy connections around a SIGTERM. */
async function outcomesAt (t: Test): Promise<string[]> {
  const server = startTools(t, { RATE_LIMIT_MAX: '1000000' })
  const { hostname, port } = new URL(await server.url)
  const agent = new Agent({ keepAlive: true, maxSockets: 20 })
  t.teardown(() => agent.destroy())
  const outcomes = new Map<string, number>()
  let answered = 0
  const once = (): Promise<string> => new Promise(resolve => {
    const call = request({ agent, hostname, port, path: '/mcp', method: 'POST', headers })
    call.on('response', response => {
      let text = ''
      response.setEncoding('utf8').on('data', chunk => { text += String(chunk) })
      response
        .on('end', () => {
          resolve(text.includes('brief') ? 'answered' : text)
        })
        .on('error', error => {
          resolve(String(error))
        })
    })
    call.on('error', error => { resolve((error as NodeJS.ErrnoException).code ?? String(error)) })
    call.end(callOf('brief'))
  })
  const client = async (): Promise<void> => {
    for (;;) {
      const outcome = await once()
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      if (outcome !== 'answered') return
      answered += 1
    }
  }
  const clients = Promise.all(Array.from({ length: 20 }, client))
  await until(() => answered > 200)
  server.child.kill('SIGTERM')
  await clients
  t.same(await server.ended, { code: 0, signal: null })
  return [...outcomes.keys()].sort()
}

t.test('no request on twenty busy connections is lost', async t => {
  let outcomes: string[] = []
  // The server closes the connection of a client that pauses for more than a second between requests.
  t.ok(await succeeds(async () => {
    outcomes = await outcomesAt(t)
    // New connections are refused, and every request on an open one is answered.
    return outcomes.join() === 'ECONNREFUSED,answered'
  }), outcomes.join())
})

t.test('during the delay /ready fails and everything is served', async t => {
  const server = startTools(t, { DRAIN_DELAY_MS: '600000' })
  const url = await server.url
  t.same(await (await fetch(`${url}/ready`)).json(), { status: 'ready', reasons: [] })
  server.child.kill('SIGTERM')
  await stopping(server)
  for (let i = 0; i < 2; i++) {
    const ready = await fetch(`${url}/ready`)
    t.equal(ready.status, 503)
    t.equal(ready.headers.get('connection'), 'close')
    t.same(await ready.json(), { status: 'not ready', reasons: ['stopping'] })
    const answer = await fetch(`${url}/mcp`, { method: 'POST', headers, body: callOf('brief') })
    t.equal(answer.status, 200)
    t.equal(answer.headers.get('connection'), 'close')
    await answer.text()
  }
  server.child.kill('SIGTERM')
  t.same(await server.ended, { code: 143, signal: null }, 'a second signal ends the process at once')
})

t.test('a standing stream ends with a retry time', async t => {
  const server = startTools(t, { MCP_SESSIONS: 'on' })
  const url = await server.url
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } }
  const begun = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })
  })
  await begun.text()
  const session = {
    ...headers,
    'mcp-session-id': begun.headers.get('mcp-session-id') ?? '',
    'mcp-protocol-version': '2025-11-25'
  }
  const stream = await fetch(`${url}/mcp`, { headers: session })
  t.equal(stream.status, 200)
  server.child.kill('SIGTERM')
  t.match(await stream.text(), /^retry: \d+$/m)
  t.same(await server.ended, { code: 0, signal: null })
})

t.test('an uncaught error logs the running request ids and drains', async t => {
  const server = startTools(t, { DRAIN_GRACE_MS: '200' })
  const url = await server.url
  const hanging = open(t, url, callOf('hang'))
  await sleep(0)
  const answer = fetch(`${url}/mcp`, { method: 'POST', headers, body: callOf('throw') }).then(
    async response => await response.text(),
    () => 'cut'
  )
  t.same(await server.ended, { code: 1, signal: null })
  t.equal(await answer, 'cut')
  const line = JSON.parse(server.stdout().split('\n').find(line => line.includes('"uncaughtException"')) ?? '{}')
  t.match(line, { level: 60, err: { message: 'nobody catches this' } })
  const logged = server
    .stdout()
    .split('\n')
    .filter(line => line.includes('"cut":true'))
    .map(line => JSON.parse(line).reqId)
  t.ok(line.requestIds.length >= 1)
  for (const id of line.requestIds) t.ok(logged.includes(id), 'the line of the request has the same id')
  hanging.destroy()
})

t.test('the first signal after an uncaught error does not cut off running calls', async t => {
  const server = startTools(t)
  const url = await server.url
  const waiting = open(t, url, callOf('wait'))
  await until(() => server.stderr().includes('waiting'))
  const throwing = open(t, url, callOf('throw'))
  await until(() => server.stdout().includes('"uncaughtException"'))
  server.child.kill('SIGTERM')
  t.match(await readAll(waiting), 'waited')
  throwing.destroy()
  t.same(await server.ended, { code: 1, signal: null })
})
