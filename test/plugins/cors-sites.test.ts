/** Requests caused by other sites, targets with another host, HTTP/2, and the headers that pages may send. */
import { once } from 'node:events'
import { connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import cors from '../../plugins/cors.js'
import errors from '../../plugins/errors.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import { logSink } from '../support/log-sink.js'
import { listen, openSocket, readAnswer } from '../support/raw-socket.js'
import { adaKey, post, rpc, service, withKey } from '../support/service.js'

const app1 = 'https://app.example.com'
const extension = 'chrome-extension://abcdefghijklmnopabcdefghijklmnop'

const caused: Array<[string, Record<string, string>, string, number]> = [
  ['GET', { 'sec-fetch-site': 'cross-site' }, '/mcp', 403],
  ['GET', { 'sec-fetch-site': 'same-site' }, '/mcp', 403],
  ['GET', { 'sec-fetch-site': 'cross-site' }, '/nowhere', 403],
  ['POST', { 'sec-fetch-site': 'cross-site' }, '/mcp', 403],
  ['POST', { 'sec-fetch-site': 'same-site', origin: 'http://localhost:3000', host: 'localhost:3000' }, '/mcp', 403],
  ['GET', { 'sec-fetch-site': 'same-origin' }, '/mcp', 401],
  ['GET', { 'sec-fetch-site': 'none' }, '/nowhere', 404],
  ['GET', { 'sec-fetch-site': 'cross-site', origin: app1 }, '/mcp', 401],
  ['GET', { 'sec-fetch-site': 'cross-site' }, '/health', 200],
  ['HEAD', { 'sec-fetch-site': 'cross-site' }, '/ready', 200],
  ['POST', { 'sec-fetch-site': 'cross-site' }, '/health', 403]
]
for (const [method, headers, url, status] of caused) {
  t.test(
    `${method} ${url} with ${Object.entries(headers)
      .map(pair => pair.join(': '))
      .join(', ')} gets ${status}`,
    async t => {
      const app = await service(t, { env: { CORS_ORIGINS: app1 } })
      const reply = await app.inject({
        method: method as 'GET',
        url,
        headers: { host: 'localhost:3000', ...headers }
      })
      t.equal(reply.statusCode, status)
      if (status !== 403) return
      t.equal(JSON.stringify(reply.json()).includes('MCP_ERR_ORIGIN_REFUSED'), true)
      t.notOk('x-ratelimit-limit' in reply.headers, 'nobody is charged')
    }
  )
}

t.test('images of other sites do not count against the address', async t => {
  const app = await service(t, { env: { PREAUTH_RATE_LIMIT_MAX: '3' } })
  for (let i = 0; i < 10; i++) {
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }
    t.equal((await app.inject({ url: `/mcp?${i}`, headers })).statusCode, 403)
  }
  t.equal((await app.inject({ method: 'POST', url: '/mcp' })).headers['x-ratelimit-remaining'], '2')
})

t.test('listed pages of extensions and desktop apps may call', async t => {
  const app = await service(t, { env: { CORS_ORIGINS: `${extension},tauri://localhost` } })
  for (const origin of [extension, 'tauri://localhost']) {
    const reply = await post(app, rpc('ping'), { ...withKey, origin, 'sec-fetch-site': 'cross-site' })
    t.equal(reply.status, 200)
    t.equal(reply.headers['access-control-allow-origin'], origin)
  }
  t.equal(
    (
      await post(app, rpc('ping'), {
        ...withKey,
        origin: 'chrome-extension://ponmlkjihgfedcbaponmlkjihgfedcba'
      })
    ).status,
    403
  )
})

t.test('a listed page may send trace headers and those of CORS_HEADERS', async t => {
  const app = await service(t, { env: { CORS_ORIGINS: app1, CORS_HEADERS: 'Sentry-Trace, X-Team' } })
  const headers = {
    origin: app1,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'traceparent'
  }
  const allowed = String(
    (await app.inject({ method: 'OPTIONS', url: '/mcp', headers })).headers['access-control-allow-headers']
  ).split(', ')
  for (const name of ['traceparent', 'tracestate', 'baggage', 'Sentry-Trace', 'X-Team', 'X-API-Key']) {
    t.ok(allowed.includes(name), name)
  }
})

for (const name of ['*', 'a b', '', 'a:b', 'ä', 'x'.repeat(129)]) {
  t.test(`a header named ${JSON.stringify(name.slice(0, 10))} stops the start`, async t => {
    await t.rejects(async () => await Fastify().register(cors, { allowedHeaders: [name] }), {
      name: 'TypeError',
      message: /^allowedHeaders: /
    })
  })
}

t.test('the log escapes control characters in Host and Origin', async t => {
  const log = logSink()
  const app = Fastify({ logger: { stream: log } })
  t.teardown(() => app.close())
  await app.register(errors)
  await app.register(cors)
  app.get('/', async () => ({}))
  await app.inject({ url: '/', headers: { host: 'localhost', origin: 'https://\u0085\u202e\u2028.example' } })
  await app.inject({ url: '/', headers: { host: 'a\u009b31m.example' } })
  const reasons = log.lines().filter(({ code }) => code !== undefined).map(({ reason }) => String(reason))
  t.match(reasons, [/\\u0085\\u202e\\u2028\.example/, /a\\u009b31m\.example/])
  t.notMatch(reasons.join(''), /[^\x20-\x7e]/)
})

const targets: Array<[string, string, number]> = [
  ['http://evil.example/health', 'localhost', 403],
  ['http://evil.example/mcp', 'localhost', 403],
  ['http://user@localhost/health', 'localhost', 403],
  ['https://localhost:444/health', 'localhost', 403],
  ['http://localhost/health', 'localhost', 200],
  ['HTTP://LOCALHOST:80/health', 'localhost', 200],
  ['http://localhost/mcp', 'localhost', 401]
]
for (const [target, host, status] of targets) {
  t.test(`the target ${target} with Host ${host} gets ${status}`, async t => {
    const app = await service(t)
    const raw = await openSocket(t, await listen(app))
    raw.send(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    t.equal(readAnswer(await raw.closed()).status, status)
  })
}

/** Sends a request over HTTP/2 without TLS. */
async function ask (
  t: Test,
  port: number,
  headers: OutgoingHttpHeaders,
  body?: string
): Promise<{ headers: IncomingHttpHeaders & { ':status'?: number }; text: string }> {
  const client = connect(`http://127.0.0.1:${port}`)
  t.teardown(() => client.close())
  const stream = client.request(headers)
  stream.setEncoding('utf8')
  let text = ''
  stream.on('data', chunk => {
    text += String(chunk)
  })
  stream.end(body)
  const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  await once(stream, 'end')
  client.close()
  return { headers: answer, text }
}

async function overHttp2 (t: Test): Promise<number> {
  const app = Fastify({ http2: true }) as unknown as FastifyInstance
  t.teardown(() => app.close())
  await app.register(mcpAuth, { apiKeys: [adaKey], origins: [app1] })
  return await listen(app)
}

const call = {
  ':method': 'POST',
  ':path': '/mcp',
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  ...withKey
}

t.test('over HTTP/2 :authority is the host', async t => {
  const port = await overHttp2(t)
  const { headers, text } = await ask(
    t,
    port,
    { ...call, ':authority': `localhost:${port}` },
    JSON.stringify(rpc('ping'))
  )
  t.equal(headers[':status'], 200)
  t.match(JSON.parse(text), { id: 1, result: {} })
  t.equal((await ask(t, port, { ...call, ':authority': 'evil.example' }, '{}')).headers[':status'], 403)
})

t.test('over HTTP/2 a Host that differs from :authority is refused', async t => {
  const port = await overHttp2(t)
  t.equal(
    (
      await ask(
        t,
        port,
        { ...call, ':authority': 'localhost', host: 'localhost' },
        JSON.stringify(rpc('ping'))
      )
    ).headers[':status'],
    200
  )
  t.equal((await ask(t, port, { ...call, ':authority': 'localhost', host: '127.0.0.1' }, '{}')).headers[':status'], 403)
  t.equal(
    (await ask(t, port, { ...call, ':authority': 'evil.example', host: 'localhost' }, '{}')).headers[
      ':status'
    ],
    403
  )
})

t.test('over HTTP/2 own, listed and foreign pages are distinguished', async t => {
  const port = await overHttp2(t)
  const by = async (origin: string): Promise<number | undefined> => {
    const { headers } = await ask(
      t,
      port,
      { ...call, ':authority': `localhost:${port}`, origin },
      JSON.stringify(rpc('ping'))
    )
    return headers[':status']
  }
  t.equal(await by(`http://localhost:${port}`), 200)
  t.equal(await by(app1), 200)
  t.equal(await by(`https://localhost:${port}`), 403)
  t.equal(await by('https://evil.example'), 403)
})

t.test('over HTTP/2 the log has the address of each request', async t => {
  const log = logSink()
  const app = Fastify({ http2: true, logger: { stream: log } }) as unknown as FastifyInstance
  t.teardown(() => app.close())
  await app.register(mcpAuth, { apiKeys: [adaKey] })
  const port = await listen(app)
  for (const authority of ['evil.example', 'localhost']) {
    await ask(t, port, { ':method': 'POST', ':path': '/mcp', ':authority': authority }, '{}')
  }
  const refusals = (): unknown[] => log.lines().filter(({ code }) => code !== undefined)
  while (refusals().length < 2) await new Promise(resolve => setTimeout(resolve, 5))
  t.match(refusals(), [
    { ip: '127.0.0.1', code: 'MCP_ERR_HOST_REFUSED' },
    { ip: '127.0.0.1', code: 'MCP_ERR_UNAUTHENTICATED' }
  ])
})

t.test('over HTTP/2 a refusal has its status and body', async t => {
  const port = await overHttp2(t)
  const authority = { ':authority': `localhost:${port}` }
  const { 'x-api-key': _, ...anonymous } = call
  const refused = await ask(t, port, { ...anonymous, ...authority }, JSON.stringify(rpc('ping')))
  t.equal(refused.headers[':status'], 401)
  t.match(JSON.parse(refused.text).error.data, { code: 'MCP_ERR_UNAUTHENTICATED' })
})

for (const url of ['/mcp', '/mcp/']) {
  t.test(`the endpoint answers at ${url} after the same checks`, async t => {
    const app = await service(t, { env: { RATE_LIMIT_MAX: '5' } })
    const { status, headers, body } = await post(app, rpc('ping'), withKey, url)
    t.equal(status, 200)
    t.same(body.result, {})
    t.equal(headers['x-ratelimit-remaining'], '4')
    const refused = await post(app, rpc('ping'), {}, url)
    t.equal(refused.status, 401)
    t.match(refused.body.error.data, { code: 'MCP_ERR_UNAUTHENTICATED' })
    t.equal((await post(app, '{', withKey, url)).status, 400)
  })
}

t.test('a router that ignores trailing slashes gets the endpoint once', async t => {
  const app = Fastify({ routerOptions: { ignoreTrailingSlash: true } })
  t.teardown(() => app.close())
  const oauth = { issuer: 'https://id.example.com' }
  await app.register(mcpAuth, {
    apiKeys: [adaKey],
    prefix: '/tools',
    oauth,
    publicUrl: 'https://mcp.example.com/tools'
  })
  for (const url of ['/tools/mcp', '/tools/mcp/']) {
    t.equal((await post(app, rpc('ping'), { ...withKey, host: 'mcp.example.com' }, url)).status, 200)
  }
})
