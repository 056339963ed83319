/** The chain next to a host's own routes: unknown paths, prefixes and not-found handlers. */
import cors from '@fastify/cors'
import jwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import t from 'tap'
import { mcpAuth } from '../../src/index.js'
import { adaKey, post, rpc } from '../support/service.js'
import { secretA, a, b, ada, bob, bare, bearer } from '../support/embedded.js'

const hostSecret = 'the-secret-of-the-host-with-32-bytes-or-more'

for (const order of ['before', 'after'] as const) {
  t.test(`the host's JWT, limits, CORS and errors, registered ${order} ours, are unaffected`, async t => {
    const app = bare(t)
    const ours = async (): Promise<void> => {
      await app.register(mcpAuth, { ...a, origins: ['https://ours.example'] })
      await app.register(mcpAuth, b)
    }
    const theirs = async (): Promise<void> => {
      await app.register(jwt, { secret: hostSecret })
      await app.register(rateLimit, {
        global: false,
        max: 1000,
        keyGenerator: () => 'one bucket for all',
        allowList: ['127.0.0.1']
      })
      await app.register(cors, { origin: ['https://theirs.example'] })
      app.setErrorHandler(async (_error, _request, reply) => await reply.code(555).send({ by: 'the host' }))
      app.setNotFoundHandler(async (_request, reply) => await reply.code(404).send({ nowhere: 'in the host' }))
    }
    if (order === 'after') await ours()
    await theirs()
    if (order === 'before') await ours()
    app.get('/own', async request => await request.jwtVerify())
    app.get('/limited', { config: { rateLimit: { max: 2, allowList: [] } } }, async () => 'ok')
    app.get('/fails', async () => { throw new Error('x') })

    // Routes of the host.
    t.equal(
      (
        await app.inject({
          url: '/own',
          headers: { authorization: `Bearer ${app.jwt.sign({ sub: 'host' })}` }
        })
      ).json().sub,
      'host'
    )
    t.equal((await app.inject({ url: '/own', headers: bearer(secretA) })).statusCode, 555)
    const limited = [await app.inject('/limited'), await app.inject('/limited'), await app.inject('/limited')]
    t.same(
      limited.map(({ statusCode, headers }) => [statusCode, headers['x-ratelimit-limit']]),
      [
        [200, '2'],
        [200, '2'],
        [555, '2']
      ]
    )
    t.equal((await app.inject('/fails')).json().by, 'the host')
    t.equal((await app.inject('/unknown')).json().nowhere, 'in the host')
    t.equal(
      (await app.inject({ url: '/fails', headers: { origin: 'https://theirs.example' } })).headers[
        'access-control-allow-origin'
      ],
      'https://theirs.example'
    )

    // Routes of the endpoint.
    t.equal(
      (
        await post(
          app,
          rpc('ping'),
          { authorization: `Bearer ${app.jwt.sign({ sub: 'host' }, { expiresIn: '1h' })}` },
          '/a/mcp'
        )
      ).status,
      401
    )
    t.equal((await post(app, rpc('ping'), ada, '/a/mcp')).headers['x-ratelimit-limit'], '5')
    t.equal((await post(app, rpc('ping'), { ...ada, origin: 'https://theirs.example' }, '/a/mcp')).status, 403)
    t.equal(
      (await post(app, rpc('ping'), { ...ada, origin: 'https://ours.example' }, '/a/mcp')).headers[
        'access-control-allow-origin'
      ],
      'https://ours.example'
    )
    t.match((await app.inject({ url: '/a/unknown', headers: ada })).json(), { code: 'MCP_ERR_NOT_FOUND' })
    t.match((await post(app, '{', bob, '/b/mcp')).body.error.data, { code: 'MCP_ERR_MALFORMED_BODY' })
    for (let i = 0; i < 2; i++) await post(app, rpc('ping'), {}, '/a/mcp')
    t.equal((await post(app, rpc('ping'), {}, '/a/mcp')).status, 429)
  })
}

t.test(
  'mcpAuth without a prefix leaves unknown paths to the host',
  async t => {
    const app = bare(t)
    app.get('/', async () => 'host')
    await app.register(mcpAuth, { apiKeys: [adaKey] })
    t.equal((await app.inject('/')).payload, 'host')
    t.equal((await post(app, rpc('ping'), ada)).status, 200)
    t.equal((await post(app, rpc('ping'), {})).status, 401)
    t.match((await app.inject('/unknown')).json(), { error: 'Not Found' })
    t.equal((await app.inject('/unknown')).headers['x-ratelimit-limit'], undefined)
  }
)

t.test('two endpoints below one prefix both serve, with one not-found handler', async t => {
  const app = bare(t)
  await app.register(mcpAuth, { ...a, prefix: '/t', path: '/one' })
  await app.register(mcpAuth, { ...b, prefix: '/t', path: '/two' })
  t.equal((await post(app, rpc('ping'), ada, '/t/one')).status, 200)
  t.equal((await post(app, rpc('ping'), bob, '/t/two')).status, 200)
  t.match((await app.inject('/t/unknown')).json(), { code: 'MCP_ERR_NOT_FOUND' })
})

t.test("unknown paths below the host's own prefix belong to the host", async t => {
  const app = bare(t)
  await app.register(async api => {
    api.setNotFoundHandler(async (_request, reply) => await reply.code(404).send({ nowhere: 'in the host' }))
    await api.register(mcpAuth, { apiKeys: [adaKey] })
  }, { prefix: '/api' })
  t.equal((await post(app, rpc('ping'), ada, '/api/mcp')).status, 200)
  t.equal((await app.inject('/api/unknown')).json().nowhere, 'in the host')
})
