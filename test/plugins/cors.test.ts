/** Strangers' pages are refused before anything runs; listed ones get what browsers need, on every answer. */
import fastifyCors from '@fastify/cors'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import cors, { type CorsOptions } from '../../plugins/cors.js'
import errors from '../../plugins/errors.js'
import { RateLimitedError, UnauthenticatedError } from '../../src/errors.js'
import { logSink } from '../support/log-sink.js'
import { listen, openSocket, readAnswer } from '../support/raw-socket.js'

const app1 = 'https://app.example.com'
const evil = 'https://evil.example'

interface Built { app: FastifyInstance, ran: string[], log: ReturnType<typeof logSink> }

async function build (t: Test, options: CorsOptions): Promise<Built> {
  const log = logSink()
  const app = Fastify({ logger: { stream: log } })
  t.teardown(() => app.close())
  const ran: string[] = []
  await app.register(errors)
  await app.register(cors, options)
  app.addHook('onRequest', async request => { ran.push(`${request.method} ${request.url}`) })
  routes(app)
  return { app, ran, log }
}

function routes (app: FastifyInstance): void {
  app.get('/', async () => ({ fine: true }))
  app.get('/open', { config: { public: true } }, async () => ({ fine: true }))
  app.get('/401', async () => { throw new UnauthenticatedError() })
  app.get('/429', async () => { throw new RateLimitedError() })
  app.get('/500', async () => { throw new Error('x') })
  app.route({ method: ['POST', 'OPTIONS'], url: '/mcp', handler: async () => ({ fine: true }) })
}

const preflight = (origin: string): Record<string, string> => ({
  origin,
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'x-api-key'
})
const grants = (headers: Record<string, unknown>): string[] =>
  Object.keys(headers).filter(name => name.startsWith('access-control-'))

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

  t.test(`without an origin the answer of ${url} varies by it and grants nothing`, async t => {
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

t.test('with CORS off a foreign origin is refused too, and nothing varies', async t => {
  const { app, ran } = await build(t, {})
  const reply = await app.inject({ url: '/', headers: { origin: evil } })
  t.equal(reply.statusCode, 403)
  t.equal(reply.headers.vary, undefined)
  t.strictSame(ran, [])
})

t.test('our own page is served without CORS headers', async t => {
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

t.test('a page may send the headers of arguments, whatever they are called, and no others', async t => {
  const { app } = await build(t, { origins: [app1] })
  const asked = 'Mcp-Param-Region, x-other, mcp-param-, mcp-param-a b, Mcp-Param-team'
  const { headers } = await app.inject({
    method: 'OPTIONS',
    url: '/mcp',
    headers: { ...preflight(app1), 'access-control-request-headers': asked }
  })
  t.match(headers['access-control-allow-headers'], /, baggage, Mcp-Param-Region, Mcp-Param-team$/)
})

t.test('with CORS off our own preflight is answered without CORS headers', async t => {
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

t.test('OPTIONS that is no preflight goes the way of any request', async t => {
  const { app, ran } = await build(t, { origins: [app1] })
  for (const headers of [{}, { origin: app1 }, { 'access-control-request-method': 'POST' }]) {
    t.equal((await app.inject({ method: 'OPTIONS', url: '/mcp', headers })).statusCode, 200)
  }
  t.equal(ran.length, 3)
})

t.test('a public route answers any Host and any origin, and grants none', async t => {
  const { app } = await build(t, { origins: [app1] })
  const reply = await app.inject({ url: '/open', headers: { host: 'evil.example', origin: evil } })
  t.equal(reply.statusCode, 200)
  t.strictSame(grants(reply.headers), [])
})

t.test('a public route may open itself to every origin', async t => {
  const { app } = await build(t, {})
  app.get('/metadata', { config: { public: true, cors: { origin: '*', credentials: false } } }, async () => ({}))
  const { headers } = await app.inject({ url: '/metadata', headers: { origin: evil } })
  t.equal(headers['access-control-allow-origin'], '*')
  t.notOk('access-control-allow-credentials' in headers)
})

const hosts: Array<[string, CorsOptions, string, number]> = [
  ['a rebound name on loopback', {}, 'evil.example:3000', 403],
  ['localhost on loopback', {}, 'localhost:3000', 200],
  ['an allowed host', { loopback: false, allowedHosts: ['mcp.internal'] }, 'mcp.internal', 200],
  ['localhost where it is not allowed', { loopback: false, allowedHosts: ['mcp.internal'] }, 'localhost', 403],
  ['any host where none is known', { loopback: false }, 'evil.example', 200]
]
for (const [what, options, host, status] of hosts) {
  t.test(`${what} gets ${status}`, async t => {
    const { app, ran } = await build(t, options)
    const reply = await app.inject({ url: '/', headers: { host } })
    t.equal(reply.statusCode, status)
    t.equal(ran.length, status === 200 ? 1 : 0)
    if (status === 403) t.equal(reply.json().code, 'MCP_ERR_HOST_REFUSED')
  })
}

t.test('two Host headers are refused, whichever stands first', async t => {
  const { app } = await build(t, {})
  const port = await listen(app)
  for (const hosts of [
    'Host: localhost\r\nHost: evil.example',
    'Host: evil.example\r\nHost: localhost',
    'Host: localhost\r\nhost: localhost'
  ]) {
    const raw = await openSocket(t, port)
    raw.send(`GET / HTTP/1.1\r\n${hosts}\r\nConnection: close\r\n\r\n`)
    t.match(readAnswer(await raw.closed()), { status: 403, body: { code: 'MCP_ERR_HOST_REFUSED' } })
  }
})

t.test('two Origin headers are refused, even if both are listed', async t => {
  const { app } = await build(t, { origins: [app1, 'https://b.example'] })
  const raw = await openSocket(t, await listen(app))
  raw.send(
    `GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: ${app1}\r\nOrigin: https://b.example\r\nConnection: close\r\n\r\n`
  )
  t.match(readAnswer(await raw.closed()), { status: 403, body: { code: 'MCP_ERR_ORIGIN_REFUSED' } })
})

t.test('a foreign page that names its own host as ours is refused by the host (DNS rebinding)', async t => {
  const { app } = await build(t, {})
  const reply = await app.inject({ url: '/', headers: { host: 'evil.example', origin: 'http://evil.example' } })
  t.equal(reply.json().code, 'MCP_ERR_HOST_REFUSED')
})

t.test('the log names the setting that would allow it, the answer does not', async t => {
  const { app, log } = await build(t, { origins: [app1] })
  const origin = await app.inject({ url: '/', headers: { origin: evil } })
  const host = await app.inject({ url: '/', headers: { host: `${'x'.repeat(5000)}.example` } })
  const reasons = log.lines().filter(line => line.code !== undefined).map(line => String(line.reason))
  t.match(reasons, [/evil\.example.*CORS_ORIGINS/, /ALLOWED_HOSTS.*PUBLIC_URL/])
  t.ok(reasons.every(reason => reason.length < 300))
  t.notMatch(origin.body + host.body, /evil|CORS_ORIGINS|ALLOWED_HOSTS/)
})

for (const first of ['host', 'ours'] as const) {
  t.test(
    `a host with its own CORS, registered ${first === 'host' ? 'before' : 'after'} ours, keeps its routes ` +
      'and leaves ours alone',
    async t => {
      const app = Fastify()
      t.teardown(() => app.close())
      const addHost = async (): Promise<void> => {
        await app.register(fastifyCors, { origin: evil, exposedHeaders: 'X-Host' })
      }
      if (first === 'host') await addHost()
      await app.register(
        async scope => {
          await scope.register(errors)
          await scope.register(cors, { origins: [app1] })
          routes(scope)
        },
        { prefix: '/ours' }
      )
      if (first === 'ours') await addHost()
      app.get('/theirs', async () => ({}))

      t.equal(
        (await app.inject({ url: '/theirs', headers: { origin: evil } })).headers[
          'access-control-allow-origin'
        ],
        evil
      )
      t.equal(
        (await app.inject({ method: 'OPTIONS', url: '/theirs', headers: preflight(evil) })).headers[
          'access-control-allow-origin'
        ],
        evil
      )
      for (const url of ['/ours/', '/ours/401', '/ours/nowhere']) {
        const listed = await app.inject({ url, headers: { origin: app1 } })
        t.match(listed.headers, { 'access-control-allow-origin': app1, vary: 'Origin' }, url)
        t.notMatch(listed.headers['access-control-expose-headers'], /X-Host/)
        const foreign = await app.inject({ url, headers: { origin: evil } })
        t.equal(foreign.statusCode, 403)
        t.strictSame(grants(foreign.headers), [])
      }
      t.equal(
        (await app.inject({ method: 'OPTIONS', url: '/ours/mcp', headers: preflight(evil) })).statusCode,
        403
      )
      t.match((await app.inject({ method: 'OPTIONS', url: '/ours/mcp', headers: preflight(app1) })).headers, {
        'access-control-allow-origin': app1
      })
    }
  )
}

t.test('with our CORS off a host\'s own grants nothing on our routes', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyCors, { origin: '*' })
  await app.register(async scope => {
    await scope.register(errors)
    await scope.register(cors)
    routes(scope)
  })
  const reply = await app.inject({ url: '/', headers: { host: 'localhost:3000', origin: 'http://localhost:3000' } })
  t.equal(reply.statusCode, 200)
  t.strictSame(grants(reply.headers), [])
})

t.test('two scopes of one host keep their own lists', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  for (const [prefix, origin] of [['/a', app1], ['/b', evil]] as const) {
    await app.register(async scope => {
      await scope.register(errors)
      await scope.register(cors, { origins: [origin] })
      routes(scope)
    }, { prefix })
  }
  t.equal((await app.inject({ url: '/a/', headers: { origin: app1 } })).statusCode, 200)
  t.equal((await app.inject({ url: '/a/', headers: { origin: evil } })).statusCode, 403)
  t.equal((await app.inject({ url: '/b/', headers: { origin: evil } })).headers['access-control-allow-origin'], evil)
})

t.test('an origin that is none stops the boot', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => await app.register(cors, { origins: ['*'] }), { message: /^origins: / })
})

t.test(
  'a release of the CORS library that brings no hook for us stops the boot, and leaves no browser waiting',
  async t => {
    for (const release of [
      () => {},
      (fastify: FastifyInstance) => {
        fastify.addHook('preHandler', async () => {})
      }
    ]) {
      const { default: plugin } = await t.mockImport<typeof import('../../plugins/cors.js')>(
        '../../plugins/cors.js',
      { '@fastify/cors': release }
      )
      const app = Fastify()
      t.teardown(() => app.close())
      await t.rejects(
        async () => {
          await app.register(plugin, { origins: ['https://app.example.com'] })
        },
        { message: /@fastify\/cors/ }
      )
    }
  }
)
