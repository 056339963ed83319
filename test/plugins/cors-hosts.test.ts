/** The Host header, and hosts with their own CORS plugin. */
import fastifyCors from '@fastify/cors'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import cors, { type CorsOptions } from '../../plugins/cors.js'
import errors from '../../plugins/errors.js'
import { listen, openSocket, readAnswer } from '../support/raw-socket.js'
import { app1, evil, build, routes, preflight, grants } from '../support/cors.js'

const hosts: Array<[string, CorsOptions, string, number]> = [
  ['a rebound name on loopback', {}, 'evil.example:3000', 403],
  ['localhost on loopback', {}, 'localhost:3000', 200],
  ['an allowed host', { loopback: false, allowedHosts: ['mcp.internal'] }, 'mcp.internal', 200],
  ['localhost if it is not allowed', { loopback: false, allowedHosts: ['mcp.internal'] }, 'localhost', 403],
  ['any host if none is configured', { loopback: false }, 'evil.example', 200]
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

t.test('two Host headers are refused in either order', async t => {
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

t.test('a foreign page with its own host is refused (DNS rebinding)', async t => {
  const { app } = await build(t, {})
  const reply = await app.inject({ url: '/', headers: { host: 'evil.example', origin: 'http://evil.example' } })
  t.equal(reply.json().code, 'MCP_ERR_HOST_REFUSED')
})

t.test('only the log names the setting that would allow the host', async t => {
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
    `a host with its own CORS, registered ${first === 'host' ? 'before' : 'after'} ours, keeps its routes`,
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

t.test("the host's CORS grants nothing on our routes while ours is off", async t => {
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

t.test('two scopes of one host keep their own allowlists', async t => {
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

t.test('an invalid origin stops the start', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => await app.register(cors, { origins: ['*'] }), { message: /^origins: / })
})

t.test(
  'a CORS library without a hook stops the start',
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
