/** Routes as tools cannot reach other routes, reveal internal errors, or run without a limit. */
import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import { Readable } from 'node:stream'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import * as v from 'valibot'
import routes from '../../plugins/routes.js'
import { defineTool, type McpAuthOptions, mcpAuth } from '../../src/index.js'
import { createTestClient, type TestClient } from '../../src/testing/test-client.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, listening } from '../support/service.js'
import { stopClock } from '../support/stopped-clock.js'
import { until } from '../support/until.js'

async function host (
  t: Test,
  add: (app: FastifyInstance) => unknown,
  options: McpAuthOptions = {}
): Promise<TestClient> {
  const app = Fastify({ logger: { stream: logSink() } })
  t.teardown(() => app.close())
  await app.register(routes)
  await add(app)
  await app.register(mcpAuth, { apiKeys: [adaKey], rateLimit: { max: 10_000 }, ...options })
  return createTestClient(app, { key: adaKey })
}

const config = { mcp: { name: 'it' } }

t.test('parameter values cannot reach another route', async t => {
  const reached: string[] = []
  const client = await host(t, app => {
    app.addHook('onRequest', async ({ routeOptions: { url } }) => { if (url !== '/mcp') reached.push(String(url)) })
    app.get('/a/:id', { config }, async ({ params }) => params)
    app.get('/a/:from-:to/b', { config: { mcp: { name: 'two' } } }, async ({ params }) => params)
    app.get('/files/*', { config: { mcp: { name: 'file' } } }, async ({ params }) => params)
    const others = ['/', '/a', '/a/', '/secret', '/a/secret', '/files', '/a/-/b']
    for (const other of others) app.get(other, async () => 'reached')
  })
  const values = [
    '', '.', '..', '../secret', '..\\secret', '%2e%2e', '%2E.', './', '..%2fsecret', '//secret', '\\\\secret',
    'x/../../secret', '?', '#', ';', '\t..', '..\n', '\u0000', '\ud800', '．．', '-', '--', 'secret', 'a:b', '*',
    'x'.repeat(101), 'x'.repeat(50_000)
  ]
  for (const value of values) {
    for (const [name, args] of [
      ['it', { id: value }],
      ['two', { from: value, to: value }],
      ['two', { from: value, to: '' }],
      ['file', { path: value }]
    ] as const) {
      reached.length = 0
      const { text, isError } = await client.callTool(name, args)
      t.notMatch(text, /^reached$/, `${name} ${JSON.stringify(value.slice(0, 20))}`)
      const wrong = reached.filter(url => !['/a/:id', '/a/:from-:to/b', '/files/*', 'undefined'].includes(url))
      if (isError !== true) t.same(wrong, [])
    }
  }
  const { structuredContent } = await client.callTool('it', { id: '%2e%2e' })
  t.same(structuredContent, { id: '%2e%2e' }, 'other values are passed unchanged')
})

t.test('a value that changes the path is refused before another route runs', async t => {
  let ran = false
  const client = await host(t, app => {
    app.get('/a/:id', { config }, async () => 'mine')
    // A static path takes precedence over a parameter.
    app.get('/a/secret', async () => { ran = true; return 'theirs' })
  })
  t.match(await client.callTool('it', { id: 'secret' }), { isError: true, text: /\(404\)/ })
  t.notOk(ran)
})

t.test('a 4xx is readable, and a 5xx is masked', async t => {
  const secret = 'postgres://hunter2@db'
  const answers: Record<string, RouteOptions['handler']> = {
    teapot: async (_request, reply) => await reply.code(418).send({ error: 'Teapot', message: 'short and stout' }),
    text: async (_request, reply) => await reply.code(409).type('text/plain').send('taken already'),
    busy: async (_request, reply) => await reply.code(429).header('retry-after', '7').send({ message: 'slow down' }),
    long: async (_request, reply) => await reply.code(400).send({ message: 'x'.repeat(100_000) }),
    binary: async (_request, reply) => await reply.code(400).type('application/pdf').send(Buffer.from(secret)),
    thrown: async () => { throw new Error(secret) },
    sent: async (_request, reply) => await reply.code(500).send({ message: secret }),
    gateway: async (_request, reply) => await reply.code(502).header('x-internal', secret).send(secret),
    redirect: async (_request, reply) => await reply.redirect(`https://internal.example/${secret}`),
    cut: async (_request, reply) => {
      reply.raw.destroy(new Error(secret))
      return await reply.hijack()
    },
    broken: async (_request, reply) => await reply.send(new Readable({ read () { this.destroy(new Error(secret)) } }))
  }
  const client = await host(t, app => {
    for (const [name, handler] of Object.entries(answers)) app.get(`/${name}`, { config: { mcp: { name } } }, handler)
  })
  for (const [name, words] of [
    ['teapot', /^The request was refused \(418\): short and stout$/],
    ['text', /^The request was refused \(409\): taken already$/],
    ['busy', /^The request was refused \(429\): slow down Try again in 7 seconds\.$/],
    ['long', /^The request was refused \(400\): x{2000}…$/],
    ['binary', /^The request was refused \(400\)\.$/],
    ['redirect', /^The route answered with 302, a redirect/],
    ...['thrown', 'sent', 'gateway', 'cut', 'broken'].map(name => [name, /Internal error/i] as const)
  ] as const) {
    const { isError, text, ...rest } = await client.callTool(name)
    t.equal(isError, true, name)
    t.match(text, words, name)
    t.notMatch(JSON.stringify([text, rest]), /hunter2/)
  }
})

t.test('an answer is limited, and an endless one ends with the call', async t => {
  let left = 0
  let begun = ''
  const endless = (): Readable => new Readable({
    read () { this.push('x'.repeat(65_536)) },
    destroy (_error, done) { left += 1; done(null) }
  })
  const client = await host(t, app => {
    app.get('/large', { config: { mcp: { name: 'large', maxResultBytes: 1000 } } }, async () => 'x'.repeat(1001))
    app.get('/fits', { config: { mcp: { name: 'fits', maxResultBytes: 1000 } } }, async () => 'x'.repeat(800))
    app.get('/endless', { config: { mcp: { name: 'endless' } } }, async (_request, reply) =>
      await reply.send(endless())
    )
    app.get('/refusing', { config: { mcp: { name: 'refusing' } } }, async (_request, reply) =>
      await reply.code(400).send(endless())
    )
    const silent = { mcp: { name: 'silent', deadlineMs: 300 } }
    app.get('/silent', { config: silent }, async () => {
      begun = 'silent'
      await new Promise(() => {})
    })
    app.get('/dripping', { config: { mcp: { name: 'dripping', deadlineMs: 300 } } }, async (_request, reply) => {
      begun = 'dripping'
      return await reply.send(new Readable({ read () {}, destroy (_error, done) { left += 1; done(null) } }))
    })
  })
  t.match(await client.callTool('large'), { isError: true, text: /larger than the server allows/ })
  t.match(await client.callTool('fits'), { text: 'x'.repeat(800) })
  t.match(await client.callTool('endless'), { isError: true, text: /larger than the server allows/ })
  t.match(await client.callTool('refusing'), { isError: true, text: /\(400\)/ })
  const clock = stopClock(t)
  for (const name of ['silent', 'dripping']) {
    const call = client.callTool(name)
    await until(() => begun === name)
    clock.pass(300)
    t.match(await call, { isError: true })
  }
  t.equal(left, 3, 'the sources of the routes are destroyed')
})

t.test('the header of in-process calls is refused from outside', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(routes)
  app.get('/me', { config }, async request => request.mcp.principal?.id ?? 'nobody')
  await app.register(mcpAuth, { apiKeys: [adaKey] })
  t.equal((await app.inject({ url: '/me', headers: { 'x-mcp-in-process': 'x'.repeat(43) } })).payload, 'nobody')
  const url = new URL(await listening(app))
  const socket = connect(Number(url.port), url.hostname)
  socket.end('GET /me HTTP/1.1\r\nhost: localhost\r\nx-mcp-in-process: x\r\nconnection: close\r\n\r\n')
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  t.match(text, /\r\n\r\nnobody$/)
})

t.test('a route that cannot be a tool stops the start with its reason', async t => {
  const get = (url: string, config: unknown, more: object = {}) => (app: FastifyInstance): unknown =>
    app.get(url, { config: config as object, ...more }, async () => '')
  const body = { type: 'object', properties: { id: { type: 'string' } } }
  const faults: Array<readonly [string, (app: FastifyInstance) => unknown, RegExp]> = [
    ['true', get('/a', { mcp: true }), /^Route GET \/a: config\.mcp must be an object with a name/],
    ['no name', get('/a', { mcp: {} }), /config\.mcp.*name must be a non-empty string/],
    ['a bad name', get('/a', { mcp: { name: 'a b' } }), /config\.mcp.*name must be 1 to 128/],
    ['an unknown key', get('/a', { mcp: { name: 'a', acess: {} } }), /config\.mcp: acess is not an option/],
    ['a handler', get('/a', { mcp: { name: 'a', handler () {} } }), /config\.mcp: handler is not an option/],
    ['a bad limit', get('/a', { mcp: { name: 'a', cost: 0 } }), /cost must be a whole number from 1/],
    ['a repeated name', app => { get('/a', config)(app); get('/b', config)(app) }, /GET \/a already defines the tool it/],
    ['several methods', app => app.route({ method: ['GET', 'POST'], url: '/', config, handler: async () => '' }), /with one method/],
    ['OPTIONS', app => app.options('/', { config }, async () => ''), /with one method/],
    ['HEAD alone', app => app.head('/', { config }, async () => ''), /^Route HEAD \/: config\.mcp requires a route with one method/],
    ['consumes with only a form',
      app => app.post('/', { config, schema: { consumes: ['multipart/form-data'] } as object }, async () => ''),
      /schema\.consumes must have application\/json/],
    ['a constraint', get('/', config, { constraints: { host: /x/ } }), /constraints that are strings/],
    ['a built-in name', get('/', { mcp: { name: 'whoami' } }), /^Route GET \/: config\.mcp: .*whoami is defined twice/],
    ['one argument name in two places',
      app => app.put('/:id', { config, schema: { body } }, async () => ''), /id is in the path and in the body/],
    ['a required header',
      get('/', config, { schema: { headers: { type: 'object', required: ['x-tenant'] } } }), /requires x-tenant/],
    ['an unsafe pattern',
      get('/', config, {
        schema: { querystring: { type: 'object', properties: { q: { type: 'string', pattern: '^(a+)+$' } } } }
      }),
      /^Route GET \/: config\.mcp: /],
    ['a Valibot schema',
      app => app.setValidatorCompiler(() => () => true)
        .post('/', { config, schema: { body: v.object({}) } }, async () => ''),
      /schema\.body is a schema of valibot/],
    ['a form', app => app.post('/', {
      config, schema: { body: { content: { 'multipart/form-data': { schema: body } } } }
    }, async () => ''), /must have application\/json/]
  ]
  for (const [what, add, words] of faults) {
    await t.test(what, async t => {
      await t.rejects(async () => {
        const client = await host(t, add)
        await client.listTools()
      }, { name: 'TypeError', message: words })
    })
  }
  await t.rejects(async () => {
    const client = await host(t, () => {}, { toolPolicies: { tools: { absent: { cost: 2 } } } })
    await client.listTools()
  }, { name: 'ToolPolicyError', message: /tools\.absent: unknown tool/ })
  await t.rejects(async () => {
    const client = await host(t, get('/', config), { tools: [defineTool({ name: 'it', handler: () => '' })] })
    await client.listTools()
  }, /it is defined twice/)
})
