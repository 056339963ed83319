/** Hosts that use the names of our decorators for their own things, before and after the endpoint. */
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import auth from '../../plugins/auth.js'
import mcp from '../../plugins/mcp.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import { defineTool } from '../../src/tools/tool.js'
import { adaKey, callOf, post, withKey } from '../support/service.js'

const tools = [defineTool({ name: 'who', handler: (_args, { principal }) => principal.id })]

/** Decorators of the host with our names, and with values that would break the endpoint. */
const hostNames = fp(async app => {
  app.decorateRequest('principal', { getter: () => 'a principal of the host' })
  app.decorateRequest('rateLimitMax', { getter: () => 'unlimited' })
  app.decorate('config', { of: 'the host' } as never)
})

function hostApp (t: Test): FastifyInstance {
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/host', async request => [request.principal, request.rateLimitMax, app.config])
  return app
}

async function works (t: Test, app: FastifyInstance, url = '/mcp'): Promise<void> {
  const { status, body, headers } = await post(app, callOf('who'), withKey, url)
  t.equal(status, 200)
  t.match(body.result.content[0].text, /^apikey:/)
  t.equal(headers['x-ratelimit-limit'], '100')
}

const ofHost = ['a principal of the host', 'unlimited', { of: 'the host' }]

for (const order of ['before', 'after'] as const) {
  t.test(`mcpAuth works if the host decorates principal, rateLimitMax and config ${order} it`, async t => {
    const app = hostApp(t)
    if (order === 'before') await app.register(hostNames)
    await app.register(mcpAuth, { prefix: '/t', apiKeys: [adaKey], tools })
    if (order === 'after') await app.register(hostNames)
    await works(t, app, '/t/mcp')
    t.same((await app.inject('/host')).json(), ofHost)
  })
}

t.test("plugins at the root do not change the host's decorators", async t => {
  const app = hostApp(t)
  await app.register(hostNames)
  await app.register(auth, { apiKeys: [adaKey] })
  await app.register(mcp, { tools })
  app.get('/me', async request => ({
    ours: request.mcp.principal?.id,
    limit: request.mcp.rateLimitMax,
    theirs: request.principal
  }))
  t.match((await app.inject({ url: '/me', headers: withKey })).json(), {
    ours: /^apikey:/,
    limit: null,
    theirs: 'a principal of the host'
  })
  t.equal((await post(app, callOf('who'))).status, 200)
})

t.test('request.principal is set if the host does not use the name', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(auth, { apiKeys: [adaKey] })
  const seen = (request: FastifyRequest): unknown[] => [
    request.principal?.id,
    request.mcp.principal?.id,
    request.rateLimitMax
  ]
  app.get('/me', async request => seen(request))
  app.get(
    '/changed',
    {
      preHandler: async request => {
        request.principal = { ...request.principal, id: 'changed' }
      }
    },
    async request => seen(request)
  )
  app.get('/open', { config: { public: true } }, async request => [request.principal, request.mcp.principal])
  t.match((await app.inject({ url: '/me', headers: withKey })).json(), [/^apikey:/, /^apikey:/, null])
  t.match((await app.inject({ url: '/changed', headers: withKey })).json(), ['changed', 'changed', null])
  t.same((await app.inject('/open')).json(), [null, null])
})

t.test('a host that decorates requests with mcp cannot start', async t => {
  for (const value of [null, undefined, { getter: () => 'of the host' }]) {
    const app = Fastify()
    t.teardown(() => app.close())
    app.decorateRequest('mcp', value as never)
    await t.rejects(Promise.resolve(app.register(mcpAuth, { apiKeys: [adaKey], tools })), {
      name: 'TypeError',
      message: 'The app decorates requests with `mcp`, which is where fastify-mcp-auth puts the caller: rename that decorator'
    })
  }
})
