/** The endpoint in apps that use popular Fastify plugins, registered before and after it. */
import autoload from '@fastify/autoload'
import compress from '@fastify/compress'
import cookie from '@fastify/cookie'
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import jwt from '@fastify/jwt'
import multipart from '@fastify/multipart'
import { FastifyOtelInstrumentation } from '@fastify/otel'
import rateLimit from '@fastify/rate-limit'
import { fastifyRequestContext } from '@fastify/request-context'
import sensible from '@fastify/sensible'
import session from '@fastify/session'
import swagger from '@fastify/swagger'
import underPressure from '@fastify/under-pressure'
import Fastify, { type FastifyInstance } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { gunzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { mcpAuth } from '../../src/mcp-auth.js'
import { defineTool } from '../../src/tools/tool.js'
import { adaKey, callOf, eventsOf, modern, post, rpc, withKey } from '../support/service.js'

const secret = 'the-secret-of-the-host-with-32-bytes-or-more'
const greet = defineTool({
  name: 'greet',
  input: z.object({ name: z.string() }),
  handler: ({ name }) => `Hello ${name}`
})
const speak = defineTool({
  name: 'speak',
  handler: async (_args, { log }) => {
    await log('info', 'first')
    return 'then'
  }
})

type Host = (app: FastifyInstance, t: Test) => unknown
const hosts: Record<string, Host> = {
  cors: app => app.register(cors, { origin: 'https://host.example', credentials: true }),
  'rate-limit': app => app.register(rateLimit, { global: true, max: 1000, timeWindow: 60_000 }),
  jwt: app => app.register(jwt, { secret }),
  helmet: app => app.register(helmet),
  sensible: app => app.register(sensible),
  swagger: app => app.register(swagger, { openapi: { info: { title: 'host', version: '1' } } }),
  'under-pressure': app =>
    app.register(underPressure, { maxEventLoopDelay: 60_000, exposeStatusRoute: true }),
  cookie: app => app.register(cookie, { secret }),
  session: async app => {
    await app.register(cookie)
    await app.register(session, { secret, cookie: { secure: false } })
  },
  multipart: app => app.register(multipart, { attachFieldsToBody: true }),
  compress: app => app.register(compress, { threshold: 0 }),
  autoload: (app, t) =>
    app.register(autoload, {
      dir: t.testdir({
        'route.mjs': "export default async app => { app.get('/loaded', async () => 'loaded') }"
      })
    }),
  'type-provider-zod': app =>
    app.setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler),
  'request-context': app =>
    app.register(fastifyRequestContext, { defaultStoreValues: () => ({ tenant: 'acme' }) }),
  otel: app => app.register(new FastifyOtelInstrumentation().plugin())
}

async function build (t: Test, host: Host, order: 'before' | 'after', options = {}): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/theirs', async () => ({ host: true }))
  if (order === 'before') await host(app, t)
  await app.register(mcpAuth, { prefix: '/tools', apiKeys: [adaKey], tools: [greet, speak], ...options })
  if (order === 'after') await host(app, t)
  await app.ready()
  return app
}

for (const [name, host] of Object.entries(hosts)) {
  for (const order of ['before', 'after'] as const) {
    t.test(`with ${name} registered ${order} it, the endpoint works as usual`, async t => {
      const app = await build(t, host, order)
      const url = '/tools/mcp'
      t.same((await post(app, callOf('greet', { name: 'Ada' }), withKey, url)).body.result.content, [
        { type: 'text', text: 'Hello Ada' }
      ])
      const { headers, payload } = modern('tools/call', { name: 'greet', arguments: { name: 'Bob' } })
      t.same((await post(app, payload, { ...withKey, ...headers }, url)).body.result.content, [
        { type: 'text', text: 'Hello Bob' }
      ])
      const streamed = await post(
        app,
        callOf('speak'),
        { ...withKey, accept: 'application/json, text/event-stream' },
        url
      )
      t.match(streamed.headers['content-type'], /^text\/event-stream/)
      t.equal(eventsOf(streamed.text).length, 2)
      for (const [refused, status, code] of [
        [await post(app, rpc('ping'), {}, url), 401, 'MCP_ERR_UNAUTHENTICATED'],
        [await post(app, '{', withKey, url), 400, 'MCP_ERR_MALFORMED_BODY'],
        [
          await post(
            app,
            rpc('ping'),
            { ...withKey, 'content-type': 'multipart/form-data; boundary=x' },
            url
          ),
          415,
          'MCP_ERR_UNSUPPORTED_MEDIA_TYPE'
        ],
        [
          await post(app, rpc('ping'), { ...withKey, origin: 'https://host.example' }, url),
          403,
          'MCP_ERR_ORIGIN_REFUSED'
        ]
      ] as const) {
        t.equal(refused.status, status)
        t.match(refused.body, { jsonrpc: '2.0', error: { data: { code } } })
      }
      t.same((await app.inject('/theirs')).json(), { host: true })
      t.equal((await app.inject({ url: '/tools/nowhere' })).json().code, 'MCP_ERR_NOT_FOUND')
      t.equal((await app.inject('/nowhere')).json().error, 'Not Found')
    })
  }
}

t.test('compression changes neither answers nor streams', async t => {
  const app = await build(t, hosts.compress as Host, 'before')
  const call = {
    method: 'POST' as const,
    url: '/tools/mcp',
    headers: { ...withKey, 'content-type': 'application/json', 'accept-encoding': 'gzip' }
  }
  const reply = await app.inject({ ...call, payload: JSON.stringify(callOf('greet', { name: 'Ada' })) })
  t.equal(reply.headers['content-encoding'], 'gzip')
  t.same(JSON.parse(gunzipSync(reply.rawPayload).toString()).result.content, [{ type: 'text', text: 'Hello Ada' }])
  const headers = { ...call.headers, accept: 'application/json, text/event-stream' }
  const stream = await app.inject({ ...call, headers, payload: JSON.stringify(callOf('speak')) })
  t.notOk('content-encoding' in stream.headers)
  t.equal(eventsOf(stream.payload).length, 2)
})

t.test("the host's rate limit refuses in our shape, and can be disabled for the route", async t => {
  const host: Host = app => app.register(rateLimit, { global: true, max: 1, timeWindow: 60_000 })
  const limited = await build(t, host, 'before')
  t.equal((await post(limited, rpc('ping'), withKey, '/tools/mcp')).status, 200)
  const { status, headers, body } = await post(limited, rpc('ping'), withKey, '/tools/mcp')
  t.equal(status, 429)
  t.match(headers['retry-after'], /^\d+$/)
  t.match(body, { jsonrpc: '2.0', error: { code: 429, data: { code: 'MCP_ERR_RATE_LIMITED', retryAfterMs: Number } } })
  const free = await build(t, host, 'before', { routeOptions: { config: { rateLimit: false } } })
  for (let i = 0; i < 3; i++) t.equal((await post(free, rpc('ping'), withKey, '/tools/mcp')).status, 200)
  t.equal(
    (await post(free, rpc('ping'), withKey, '/tools/mcp')).headers['x-ratelimit-remaining'],
    '96',
    'our own limit counts'
  )
})

t.test("the host's overload protection refuses in our shape with Retry-After", async t => {
  const overloaded: Host = app =>
    app.register(underPressure, {
      healthCheck: async () => false,
      healthCheckInterval: 60_000,
      retryAfter: 33
    })
  const { status, headers, body } = await post(await build(t, overloaded, 'before'), rpc('ping'), withKey, '/tools/mcp')
  t.equal(status, 503)
  t.equal(headers['retry-after'], '33')
  t.match(body, { jsonrpc: '2.0', error: { code: 503, data: { code: 'MCP_ERR_UNAVAILABLE', retryAfterMs: 33_000 } } })
})

t.test("the endpoint is in the host's documentation unless hidden", async t => {
  const shown = await build(t, hosts.swagger as Host, 'before')
  t.ok('/tools/mcp' in (shown.swagger().paths ?? {}))
  const hidden = await build(t, hosts.swagger as Host, 'before', { routeOptions: { schema: { hide: true } } })
  t.notMatch(Object.keys(hidden.swagger().paths ?? {}).join(), /mcp/)
})

t.test('routeOptions.constraints limits the endpoint to a host name', async t => {
  const app = await build(t, () => {}, 'before', {
    allowedHosts: ['mcp.example', 'other.example'],
    routeOptions: { constraints: { host: 'mcp.example' } }
  })
  t.equal((await post(app, rpc('ping'), { ...withKey, host: 'mcp.example' }, '/tools/mcp')).status, 200)
  t.equal((await post(app, rpc('ping'), { ...withKey, host: 'other.example' }, '/tools/mcp')).status, 404)
})

t.test("the host's AsyncLocalStorage works in handlers, in both eras", async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyRequestContext, {
    defaultStoreValues: request => ({ tenant: String(request.headers['x-tenant']) })
  })
  const tenant = defineTool({
    name: 'tenant',
    handler: async () => {
      await new Promise(resolve => setImmediate(resolve))
      return String(app.requestContext.get('tenant' as never))
    }
  })
  await app.register(mcpAuth, { apiKeys: [adaKey], tools: [tenant] })
  const answers = await Promise.all(['acme', 'other'].flatMap(name => {
    const { headers, payload } = modern('tools/call', { name: 'tenant', arguments: {} })
    const of = { ...withKey, 'x-tenant': name }
    return [post(app, callOf('tenant'), of), post(app, payload, { ...of, ...headers })]
  }))
  t.same(answers.map(({ body }) => body.result.content[0].text), ['acme', 'acme', 'other', 'other'])
})

for (const [what, options, message] of [
  ['an unknown option', { routeOptions: { onRequest: () => {} } }, /routeOptions.*onRequest/],
  ['a public route', { routeOptions: { config: { public: true } } }, /routeOptions\.config: remove public/],
  ['an uncharged route', { routeOptions: { config: { uncharged: false } } }, /remove uncharged/],
  ['a body schema', { routeOptions: { schema: { body: {} } } }, /routeOptions\.schema: remove body/],
  ['a routeOptions that is not an object', { routeOptions: 'x' }, /routeOptions/],
  ['a path with a parameter', { path: '/:tenant/mcp' }, /"\/:tenant\/mcp" must not have a parameter/],
  ['a prefix with a parameter', { prefix: '/t/:tenant' }, /"\/t\/:tenant\/mcp" must not have a parameter/],
  ['a prefix with a wildcard', { prefix: '/*' }, /must not have a parameter or a wildcard/]
] as const) {
  t.test(`${what} stops the start`, async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    await t.rejects(async () => await app.register(mcpAuth, { apiKeys: [adaKey], ...(options as object) }), {
      name: 'TypeError',
      message
    })
  })
}
