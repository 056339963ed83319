/** Oversized, slow and invalid HTTP requests get an answer, and their connection closes. */
import { once } from 'node:events'
import Fastify from 'fastify'
import t from 'tap'
import errors from '../../../plugins/errors.js'
import { RateLimitedError } from '../../../src/errors.js'
import { serverOptions, tuneServer } from '../../../src/http/server-options.js'
import { succeeds } from '../../support/play.js'
import { openSocket, readAnswer } from '../../support/raw-socket.js'
import { service } from '../../support/service.js'
import { key, build, post } from '../../support/raw-server.js'

const short = { receiveTimeoutMs: 1000, headersTimeoutMs: 500, checkIntervalMs: 50 }

t.test("a thousand headers do not hide the proxy's X-Forwarded-For", async t => {
  const { app, port } = await build(t, { trustProxy: ['loopback'] })
  tuneServer(app.server)
  const raw = await openSocket(t, port)
  raw.send(
    `GET /ip HTTP/1.1\r\nHost: localhost\r\n${'a:\r\n'.repeat(2500)}X-Forwarded-For: ` +
      '203.0.113.7\r\nConnection: close\r\n\r\n'
  )
  t.match(readAnswer(await raw.closed()), { status: 200, body: { ip: '203.0.113.7' } })
})

t.test('the number of headers is not limited', async t => {
  t.equal((await service(t)).server.maxHeadersCount, 0)
})

const unfinished: Array<[string, string]> = [
  ['nothing', ''],
  ['half a header', 'GET /fine HTTP/1.1\r\nHost: loc'],
  ['headers without an end', 'GET /fine HTTP/1.1\r\nHost: localhost\r\n'],
  ['half a body', `${post('x'.repeat(50))}{"half":`],
  ['a body that never starts', post('x'.repeat(50))],
  [
    'half a chunk',
    'POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: an-old-plain-key\r\nContent-Type: ' +
      'application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a'
  ]
]
for (const [what, text] of unfinished) {
  t.test(`${what} ends in a JSON 408 while others are served`, async t => {
    const { app, port } = await build(t, short)
    const stuck = await openSocket(t, port)
    stuck.send(text)
    // With `inject`, because the short limits also apply to this test's sockets.
    t.equal((await app.inject('/fine')).statusCode, 200)
    const { status, headers, body } = readAnswer(await stuck.closed())
    t.equal(status, 408)
    t.match(headers, {
      'content-type': 'application/json; charset=utf-8',
      connection: 'close',
      'cache-control': 'no-store'
    })
    t.match(body, { code: 'MCP_ERR_REQUEST_TIMEOUT', requestId: /^[0-9a-f-]{36}$/ })
    t.ok(app.server.listening)
  })
}

t.test('by default every incomplete request ends within 20 seconds', async t => {
  const { app } = await build(t)
  const { headersTimeout, requestTimeout } = app.server
  t.ok(headersTimeout > 0 && headersTimeout + 1000 < 20_000)
  t.ok(requestTimeout > 0 && requestTimeout + 1000 < 20_000)
  t.ok(app.server.keepAliveTimeout > 0)
  t.ok(app.server.timeout > 0)
})

const noHttp: Array<[string, string, number, string]> = [
  ['text', 'hello\r\n\r\n', 400, 'MCP_ERR_BAD_HTTP'],
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, 'MCP_ERR_BAD_HTTP'],
  [
    'a header without a colon',
    'GET /fine HTTP/1.1\r\nHost: localhost\r\nx-api-key an-old-plain-key\r\n\r\n',
    400,
    'MCP_ERR_BAD_HTTP'
  ],
  [
    'a bad length',
    'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n',
    400,
    'MCP_ERR_BAD_HTTP'
  ],
  [
    'two lengths',
    'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    400,
    'MCP_ERR_BAD_HTTP'
  ],
  [
    'a length and chunks',
    'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    400,
    'MCP_ERR_BAD_HTTP'
  ],
  [
    'a large header',
    `GET /fine HTTP/1.1\r\nHost: localhost\r\nx-api-key: ${key}\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`,
    431,
    'MCP_ERR_HEADERS_TOO_LARGE'
  ],
  [
    'many headers',
    `GET /fine HTTP/1.1\r\nHost: localhost\r\nx-api-key: ${key}\r\n${'x-a: b\r\n'.repeat(5000)}\r\n`,
    431,
    'MCP_ERR_HEADERS_TOO_LARGE'
  ],
  [
    'a long URL',
    `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    431,
    'MCP_ERR_HEADERS_TOO_LARGE'
  ],
  [
    'a token of 100 KB',
    `GET /fine HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer eyJ${'a'.repeat(100_000)}\r\n\r\n`,
    431,
    'MCP_ERR_HEADERS_TOO_LARGE'
  ]
]
for (const [what, text, status, code] of noHttp) {
  t.test(`${what} gets ${status} in JSON, and the connection closes`, async t => {
    const { port, log } = await build(t)
    const raw = await openSocket(t, port)
    raw.send(text)
    const answer = readAnswer(await raw.closed())
    t.equal(answer.status, status)
    t.match(answer.headers, { 'content-type': 'application/json; charset=utf-8', connection: 'close', vary: 'Origin' })
    t.match(log.lines().find(line => line.code === code), { reqId: answer.body.requestId, level: 30 })
    t.strictSame(Object.keys(answer.body).sort(), ['code', 'message', 'requestId'])
    t.notMatch(log.text() + JSON.stringify(answer.body), /old-plain|rawPacket|eyJ|HPE.*Parse/)
  })
}

t.test('a caller that keeps sending after a refusal gets one answer', async t => {
  const { port, log } = await build(t)
  const raw = await openSocket(t, port)
  raw.send('hello\r\n\r\n')
  await raw.until(/MCP_ERR_BAD_HTTP/)
  for (let i = 0; i < 3; i++) {
    raw.send('hello\r\n\r\n')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  readAnswer(await raw.closed())
  t.equal(log.lines().filter(line => line.code === 'MCP_ERR_BAD_HTTP').length, 1)
})

t.test('megabytes of headers get a 431 without a reset', async t => {
  const { port } = await build(t)
  const raw = await openSocket(t, port)
  let failure: unknown
  raw.socket.on('error', error => { failure = error })
  raw.send(`GET /fine HTTP/1.1\r\nHost: localhost\r\nx: ${'a'.repeat(5_000_000)}`)
  t.equal(readAnswer(await raw.closed()).status, 431)
  t.equal(failure, undefined)
})

t.test('an idle connection closes after its keep-alive time', async t => {
  const { port } = await build(t, { keepAliveTimeoutMs: 100 })
  const raw = await openSocket(t, port)
  raw.send('GET /fine HTTP/1.1\r\nHost: localhost\r\n\r\n')
  t.match(await raw.closed(), /^HTTP\/1\.1 200/)
})

t.test('a connection without traffic is closed, even during a call', async t => {
  const { app, port, log } = await build(t, { idleTimeoutMs: 200 })
  const isCutInsideCall = async (): Promise<boolean> => {
    const raw = await openSocket(t, port)
    raw.send('GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
    t.equal(await raw.closed(), '')
    await app.inject('/fine')
    return log.lines().some(({ path }) => path === '/slow')
  }
  // On a busy machine the request may be sent too late.
  t.ok(await succeeds(isCutInsideCall))
  t.match(log.lines().find(({ path }) => path === '/slow'), { cut: true })
})

const urls: Array<[string, string, number, string?]> = [
  ['half an escape', '/%', 400, 'MCP_ERR_BAD_URL'],
  ['an invalid escape', '/mcp%zz', 400, 'MCP_ERR_BAD_URL'],
  ['an escape that is no UTF-8', '/%ff', 400, 'MCP_ERR_BAD_URL'],
  ['an overlong escape', '/%c0%af', 400, 'MCP_ERR_BAD_URL'],
  ['a name that is too long', `/by-name/${'a'.repeat(200)}`, 400, 'MCP_ERR_BAD_URL'],
  ['an escape in a name', '/by-name/%zz', 400, 'MCP_ERR_BAD_URL'],
  ['a query that cannot be decoded', '/fine?%zz', 200],
  ['a NUL', '/%00', 404, 'MCP_ERR_NOT_FOUND'],
  ['capitals', '/FINE', 404, 'MCP_ERR_NOT_FOUND'],
  ['a slash behind', '/fine/', 404, 'MCP_ERR_NOT_FOUND'],
  ['two slashes', '//fine', 404, 'MCP_ERR_NOT_FOUND'],
  ['dots', '/x/../fine', 404, 'MCP_ERR_NOT_FOUND'],
  ['an escaped letter', '/f%69ne', 200]
]
for (const [what, path, status, code] of urls) {
  t.test(`a URL with ${what} gets ${status}`, async t => {
    const { port } = await build(t)
    const raw = await openSocket(t, port)
    raw.send(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    const answer = readAnswer(await raw.closed())
    t.equal(answer.status, status)
    t.equal(answer.body.code, code)
  })
}

t.test('a malformed URL runs the hooks and is counted', async t => {
  const app = Fastify(serverOptions({ logLevel: 'silent' }))
  t.teardown(() => app.close())
  await app.register(errors)
  app.addHook('onRequest', async () => { throw new RateLimitedError() })
  t.equal((await app.inject('/%zz')).statusCode, 429)
})

t.test('a secret in a malformed URL is not in the answer', async t => {
  const { app, log } = await build(t)
  const reply = await app.inject(`/%zz/hunter2?key=${key}`)
  t.notMatch(reply.body, /hunter2|plain/)
  t.match(log.lines().find(line => line.msg === 'request'), { path: '/%zz/…', code: 'MCP_ERR_BAD_URL' })
  t.notMatch(log.text(), key)
})

for (const entry of ['true', '1', '2', '', '*', 'everyone'] as const) {
  t.test(`trusting ${JSON.stringify(entry)} as a proxy stops the start`, async t => {
    t.throws(() => serverOptions({ trustProxy: [entry] }), { name: 'TypeError' })
  })
}

const forwarded: Array<[string, readonly string[], string]> = [
  ['nobody', [], '127.0.0.1'],
  ['another proxy', ['10.0.0.0/8'], '127.0.0.1'],
  ['this proxy by name', ['loopback'], '192.0.2.7'],
  ['this proxy by address', ['127.0.0.1'], '192.0.2.7']
]
for (const [what, trustProxy, ip] of forwarded) {
  t.test(`a server that trusts ${what} sees a forwarded address as ${ip}`, async t => {
    const { app } = await build(t, { trustProxy })
    const reply = await app.inject({ url: '/ip', headers: { 'x-forwarded-for': '192.0.2.7' } })
    t.equal(reply.json().ip, ip)
  })
}

t.test('requests during the shutdown get the common error shape', async t => {
  const { app, port } = await build(t)
  const raw = await openSocket(t, port)
  const arrived = once(app.server, 'request')
  raw.send(post('{}'))
  await arrived
  const closing = app.close()
  raw.send('{}GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await raw.until(/fine[^]*MCP_ERR_NOT_FOUND/)
  await closing
})
