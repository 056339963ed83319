/** Foreign pages are refused before anything runs, and every answer to a listed page has its CORS headers. */
import t from 'tap'
import { listen, openSocket, readAnswer } from '../support/raw-socket.js'
import { app1, evil, build, preflight, grants } from '../support/cors.js'

for (const url of ['/', '/401', '/429', '/500', '/nowhere', '/open']) {
  t.test(`a listed origin may read the answer of ${url}`, async t => {
    const { app } = await build(t, { origins: [app1] })
    const { headers } = await app.inject({ url, headers: { origin: app1 } })
    t.equal(headers['access-control-allow-origin'], app1)
    t.equal(headers['access-control-allow-credentials'], 'true')
    t.match(
      headers['access-control-expose-headers'],
      /WWW-Authenticate.*Mcp-Session-Id.*Retry-After.*X-RateLimit-Remaining.*RateLimit-Policy/
    )
    t.equal(headers.vary, 'Origin')
  })

  t.test(`without an Origin, ${url} sends Vary and grants nothing`, async t => {
    const { app } = await build(t, { origins: [app1] })
    const { headers } = await app.inject({ url })
    t.equal(headers.vary, 'Origin')
    t.strictSame(grants(headers), [])
  })
}

for (const url of ['/', '/401', '/nowhere', '/mcp']) {
  t.test(`a foreign origin at ${url} is refused before anything runs`, async t => {
    const { app, ran } = await build(t, { origins: [app1] })
    const reply = await app.inject({ url, headers: { origin: evil } })
    t.equal(reply.statusCode, 403)
    t.equal(reply.json().code, 'MCP_ERR_ORIGIN_REFUSED')
    t.strictSame(grants(reply.headers), [])
    t.equal(reply.headers.vary, 'Origin')
    t.strictSame(ran, [])
  })
}

t.test('without CORS a foreign origin is refused, and Vary is not sent', async t => {
  const { app, ran } = await build(t, {})
  const reply = await app.inject({ url: '/', headers: { origin: evil } })
  t.equal(reply.statusCode, 403)
  t.equal(reply.headers.vary, undefined)
  t.strictSame(ran, [])
})

t.test('our own pages need no CORS headers', async t => {
  const { app } = await build(t, { origins: [app1], publicUrl: 'https://mcp.example.com' })
  for (const headers of [
    { host: 'localhost:3000', origin: 'http://localhost:3000' },
    { host: 'mcp.example.com', origin: 'https://mcp.example.com' }
  ]) {
    const reply = await app.inject({ url: '/', headers })
    t.equal(reply.statusCode, 200)
    t.strictSame(grants(reply.headers), [])
  }
})

for (const url of ['/', '/mcp', '/nowhere', '/open']) {
  t.test(`a preflight for ${url} from a listed origin is answered before anything runs`, async t => {
    const { app, ran } = await build(t, { origins: [app1] })
    const { statusCode, headers, body } = await app.inject({ method: 'OPTIONS', url, headers: preflight(app1) })
    t.equal(statusCode, 204)
    t.equal(body, '')
    t.match(headers, {
      'access-control-allow-origin': app1,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET, POST, DELETE, OPTIONS',
      'access-control-allow-headers':
        'Authorization, Content-Type, Accept, X-API-Key, MCP-Protocol-Version, Mcp-Method, Mcp-Name, ' +
          'Mcp-Session-Id, Last-Event-ID',
      'access-control-max-age': '600',
      vary: 'Origin'
    })
    t.strictSame(ran, [])
  })

  t.test(`a preflight for ${url} from a foreign origin is refused`, async t => {
    const { app, ran } = await build(t, { origins: [app1] })
    const { statusCode, headers } = await app.inject({ method: 'OPTIONS', url, headers: preflight(evil) })
    t.equal(statusCode, 403)
    t.strictSame(grants(headers), [])
    t.strictSame(ran, [])
  })
}

t.test('a page may send Mcp-Param headers, and no other unknown ones', async t => {
  const { app } = await build(t, { origins: [app1] })
  const asked = 'Mcp-Param-Region, x-other, mcp-param-, mcp-param-a b, Mcp-Param-team'
  const { headers } = await app.inject({
    method: 'OPTIONS',
    url: '/mcp',
    headers: { ...preflight(app1), 'access-control-request-headers': asked }
  })
  t.match(headers['access-control-allow-headers'], /, baggage, Mcp-Param-Region, Mcp-Param-team$/)
})

t.test('without CORS our own preflight gets no CORS headers', async t => {
  const { app, ran } = await build(t, {})
  const { statusCode, headers } = await app.inject({
    method: 'OPTIONS',
    url: '/mcp',
    headers: { host: 'localhost:3000', ...preflight('http://localhost:3000') }
  })
  t.equal(statusCode, 204)
  t.strictSame(grants(headers), [])
  t.strictSame(ran, [])
})

t.test('OPTIONS that is not a preflight is handled like other requests', async t => {
  const { app, ran } = await build(t, { origins: [app1] })
  for (const headers of [{}, { origin: app1 }, { 'access-control-request-method': 'POST' }]) {
    t.equal((await app.inject({ method: 'OPTIONS', url: '/mcp', headers })).statusCode, 200)
  }
  t.equal(ran.length, 3)
})

t.test('a public route answers any Host and Origin, without CORS headers', async t => {
  const { app } = await build(t, { origins: [app1] })
  const reply = await app.inject({ url: '/open', headers: { host: 'evil.example', origin: evil } })
  t.equal(reply.statusCode, 200)
  t.strictSame(grants(reply.headers), [])
})

t.test('a public route may allow every origin', async t => {
  const { app } = await build(t, {})
  app.get('/metadata', { config: { public: true, cors: { origin: '*', credentials: false } } }, async () => ({}))
  const { headers } = await app.inject({ url: '/metadata', headers: { origin: evil } })
  t.equal(headers['access-control-allow-origin'], '*')
  t.notOk('access-control-allow-credentials' in headers)
})

t.test('two Origin headers are refused, even if both are listed', async t => {
  const { app } = await build(t, { origins: [app1, 'https://b.example'] })
  const raw = await openSocket(t, await listen(app))
  raw.send(
    `GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: ${app1}\r\nOrigin: https://b.example\r\nConnection: close\r\n\r\n`
  )
  t.match(readAnswer(await raw.closed()), { status: 403, body: { code: 'MCP_ERR_ORIGIN_REFUSED' } })
})
