/** The chain in somebody else's app, twice: nothing of one reaches the other, and nothing the host. */
import cors from '@fastify/cors'
import jwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { type Endpoint, type McpAuthOptions, generateToken, mcpAuth } from '../../src/index.js'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, bobKey, callOf, modern, post, rpc } from '../support/service.js'

const secretA = 'the-secret-of-scope-a-with-32-bytes-or-more'
const secretB = 'the-secret-of-scope-b-with-32-bytes-or-more'
const hostSecret = 'the-secret-of-the-host-with-32-bytes-or-more'
const tool = (name: string) => defineTool({ name, handler: () => `${name} was here` })
const a: McpAuthOptions & { prefix: string } = {
  prefix: '/a',
  apiKeys: [adaKey],
  jwtSecret: secretA,
  tools: [tool('tool-a')],
  preauthLimit: { max: 3 },
  rateLimit: { max: 5 }
}
const b: McpAuthOptions & { prefix: string } = {
  prefix: '/b',
  apiKeys: [bobKey],
  jwtSecret: secretB,
  tools: [tool('tool-b')],
  preauthLimit: { max: 50 },
  rateLimit: { max: 50 }
}
const ada = { 'x-api-key': adaKey }
const bob = { 'x-api-key': bobKey }

function bare (t: Test, options = {}): FastifyInstance {
  const app = Fastify(options)
  t.teardown(() => app.close())
  return app
}

async function twice (t: Test): Promise<FastifyInstance> {
  const app = bare(t)
  app.get('/', async () => ({ host: true }))
  await app.register(mcpAuth, a)
  await app.register(mcpAuth, b)
  return app
}

function bearer (secret: string, role: 'admin' | 'user' = 'user'): { authorization: string } {
  return { authorization: `Bearer ${generateToken('carol', role, '1h', { secret })}` }
}

t.test('each registration takes its own credentials, and no other\'s', async t => {
  const app = await twice(t)
  for (const [headers, url, status] of [
    [ada, '/a/mcp', 200],
    [bob, '/b/mcp', 200],
    [ada, '/b/mcp', 401],
    [bob, '/a/mcp', 401],
    [bearer(secretA), '/a/mcp', 200],
    [bearer(secretB), '/b/mcp', 200],
    [bearer(secretA), '/b/mcp', 401],
    [bearer(secretB), '/a/mcp', 401]
  ] as const) { t.equal((await post(app, rpc('ping'), headers, url)).status, status) }
})

t.test('each registration serves its own tools', async t => {
  const app = await twice(t)
  t.equal((await post(app, callOf('tool-a'), ada, '/a/mcp')).body.result.content[0].text, 'tool-a was here')
  t.equal((await post(app, callOf('tool-a'), bob, '/b/mcp')).body.error.data.code, 'MCP_ERR_UNKNOWN_TOOL')
  const { headers, payload } = modern('tools/list')
  t.match((await post(app, payload, { ...bob, ...headers }, '/b/mcp')).text, /"tool-b"/)
})

t.test('a caller has a budget of its own in each', async t => {
  const app = bare(t)
  await app.register(mcpAuth, { ...a, rateLimit: { max: 1 } })
  await app.register(mcpAuth, { ...b, apiKeys: [adaKey] })
  t.equal((await post(app, rpc('ping'), ada, '/a/mcp')).status, 200)
  t.equal((await post(app, rpc('ping'), ada, '/a/mcp')).status, 429)
  t.equal((await post(app, rpc('ping'), ada, '/b/mcp')).headers['x-ratelimit-remaining'], '49')
})

t.test('an address that is locked out of one is welcome at the other, and at the host\'s', async t => {
  const app = await twice(t)
  for (let i = 0; i < 3; i++) await post(app, rpc('ping'), {}, '/a/mcp')
  t.equal((await post(app, rpc('ping'), ada, '/a/mcp')).status, 429)
  t.equal((await post(app, rpc('ping'), bob, '/b/mcp')).status, 200)
  t.equal((await app.inject('/')).statusCode, 200)
  t.equal((await app.inject('/unknown')).statusCode, 404)
})

t.test('a credential that one has just verified is none to the other', async t => {
  const app = await twice(t)
  const carol = bearer(secretA)
  for (let i = 0; i < 3; i++) t.equal((await post(app, rpc('ping'), carol, '/a/mcp')).status, 200)
  t.equal((await post(app, rpc('ping'), carol, '/b/mcp')).status, 401)
})

t.test('a token that one mints is good there alone', async t => {
  const app = await twice(t)
  const { token } = (
    await post(app, callOf('generate-token', { userId: 'dan' }), bearer(secretA, 'admin'), '/a/mcp')
  ).body.result.structuredContent
  const dan = { authorization: `Bearer ${String(token)}` }
  t.equal((await post(app, callOf('whoami'), dan, '/a/mcp')).body.result.structuredContent.id, 'jwt:dan')
  t.equal((await post(app, callOf('whoami'), dan, '/b/mcp')).status, 401)
})

t.test('calls at once reach the tools of their own registration', async t => {
  const app = await twice(t)
  const calls = Array.from({ length: 40 }, (_, n) => n % 2 === 0 ? bob : bearer(secretB))
  const answers = await Promise.all([
    ...calls.map(async headers => await post(app, callOf('tool-b'), headers, '/b/mcp')),
    ...[1, 2, 3, 4].map(async () => await post(app, callOf('tool-a'), ada, '/a/mcp'))
  ])
  t.same(
    answers.map(({ body }) => body.result.content[0].text),
    [...calls.map(() => 'tool-b was here'), ...Array(4).fill('tool-a was here')]
  )
})

t.test('the host\'s routes get no header, no limit, no check and no shape of ours', async t => {
  const app = await twice(t)
  app.get('/fails', async () => { throw Object.assign(new Error('of the host'), { statusCode: 418 }) })
  for (let i = 0; i < 60; i++) await app.inject({ url: '/', headers: { 'x-api-key': 'nobody-s-key-at-all' } })
  const { statusCode, headers } = await app.inject({
    url: '/',
    headers: { host: 'shop.example', origin: 'https://evil.example' }
  })
  t.equal(statusCode, 200)
  t.same(Object.keys(headers).filter(name => /ratelimit|retry|vary|access-control|www-auth/.test(name)), [])
  t.match((await app.inject('/fails')).json(), { statusCode: 418, message: 'of the host' })
  t.match((await app.inject('/unknown')).json(), { error: 'Not Found', statusCode: 404 })
  t.equal(
    (await app.inject({ method: 'POST', url: '/', headers: { 'content-type': 'text/plain' }, payload: 'x' }))
      .statusCode,
    404
  )
})

t.test('the host\'s parsers stay its own, and ours read JSON alone', async t => {
  const app = bare(t)
  app.addContentTypeParser('text/csv', { parseAs: 'string' }, async (_request: unknown, body: string) =>
    body.split(',')
  )
  app.post('/csv', async ({ body }) => body)
  await app.register(mcpAuth, a)
  t.same(
    (
      await app.inject({
        method: 'POST',
        url: '/csv',
        headers: { 'content-type': 'text/csv' },
        payload: 'x,y'
      })
    ).json(),
    ['x', 'y']
  )
  t.equal((await post(app, 'x,y', { ...ada, 'content-type': 'text/csv' }, '/a/mcp')).status, 415)
})

for (const order of ['before', 'after'] as const) {
  t.test(`the host's own JWT, limits, CORS and error handler, registered ${order} ours, stay its own`, async t => {
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

    // Theirs.
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

    // Ours.
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
  "without a prefix the endpoint stands beside the host's routes, and unknown paths stay the host's",
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

t.test('two endpoints below one prefix both serve, and unknown paths there are answered once', async t => {
  const app = bare(t)
  await app.register(mcpAuth, { ...a, prefix: '/t', path: '/one' })
  await app.register(mcpAuth, { ...b, prefix: '/t', path: '/two' })
  t.equal((await post(app, rpc('ping'), ada, '/t/one')).status, 200)
  t.equal((await post(app, rpc('ping'), bob, '/t/two')).status, 200)
  t.match((await app.inject('/t/unknown')).json(), { code: 'MCP_ERR_NOT_FOUND' })
})

t.test('below a prefix of the host\'s own, unknown paths are the host\'s', async t => {
  const app = bare(t)
  await app.register(async api => {
    api.setNotFoundHandler(async (_request, reply) => await reply.code(404).send({ nowhere: 'in the host' }))
    await api.register(mcpAuth, { apiKeys: [adaKey] })
  }, { prefix: '/api' })
  t.equal((await post(app, rpc('ping'), ada, '/api/mcp')).status, 200)
  t.equal((await app.inject('/api/unknown')).json().nowhere, 'in the host')
})

t.test('two endpoints of one scope tell clients of an identity provider each about itself', async t => {
  const app = bare(t)
  const common = { oauth: { issuer: 'https://id.example.com' }, publicUrl: 'https://mcp.example.com' }
  await app.register(mcpAuth, { ...common, path: '/one' })
  await app.register(mcpAuth, { ...common, path: '/two' })
  for (const [path, endpoint] of [['/one', '/one'], ['/two', '/two'], ['', '/one']]) {
    t.equal(
      (await app.inject(`/.well-known/oauth-protected-resource${path}`)).json().resource,
      `https://mcp.example.com${endpoint}`
    )
  }
})

t.test('what the host watches over ends streams, too', async t => {
  let end = (): void => {}
  let isGood = true
  const app = bare(t)
  const watch = {
    stillGood: () => isGood,
    onChange: (listener: () => void) => {
      end = listener
      return () => {
        end = () => {}
      }
    }
  }
  await app.register(mcpAuth, { ...a, watches: [watch] })
  const { headers, payload } = modern('subscriptions/listen', { notifications: { toolsListChanged: true } })
  const answer = post(app, payload, { ...ada, ...headers, accept: 'text/event-stream' }, '/a/mcp')
  setTimeout(() => {
    isGood = false
    end()
  }, 50)
  t.match((await answer).text, /"resultType":"complete"/)
})

t.test('a watch of the host\'s that fails is one that says no, and ends no process', async t => {
  let onChange = (): void => {}
  let fails = false
  const app = bare(t)
  const stillGood = (): boolean => {
    if (fails) throw new Error('the directory is away')
    return true
  }
  await app.register(mcpAuth, {
    ...a,
    watches: [
      {
        stillGood,
        onChange: (listener: () => void) => {
          onChange = listener
          return () => {}
        }
      }
    ]
  })
  const { headers, payload } = modern('subscriptions/listen', { notifications: { toolsListChanged: true } })
  const answer = post(app, payload, { ...ada, ...headers, accept: 'text/event-stream' }, '/a/mcp')
  setTimeout(() => {
    fails = true
    onChange()
  }, 50)
  t.match((await answer).text, /"resultType":"complete"/)
  const { status, body } = await post(app, rpc('ping'), ada, '/a/mcp')
  t.equal(status, 401)
  t.equal(body.error.data.code, 'MCP_ERR_UNAUTHENTICATED')
})

t.test('a registration that cannot work stops the host\'s boot, and says which option', async t => {
  for (const [options, said] of [
    [{}, /apiKeys/],
    [{ apiKeys: [] }, /apiKeys/],
    [{ apiKeys: [adaKey], origins: ['*'] }, /origins/],
    [{ apiKeys: [adaKey], rateLimit: { max: 0 } }, /max/],
    [{ apiKeys: [adaKey, adaKey] }, /twice/],
    [{ apiKeys: [adaKey], tools: [tool('x'), tool('x')] }, /x/],
    [{ apiKeys: [adaKey], eras: [] }, /eras/],
    [{ apiKeys: ['short'] }, /^Entry 1 of `apiKeys` is under 16 characters; .*`allowWeakSecrets`/],
    [
      { apiKeys: [adaKey, 'change-me-api-key'], allowWeakSecrets: true },
      /^Entry 2 of `apiKeys` is a well-known placeholder/
    ],
    [{ jwtSecret: 'x' }, /^A JWT secret is under 32 bytes/],
    [{ jwtSecret: 'change-me', allowWeakSecrets: true }, /placeholder/],
    [{ jwtSecret: secretA, jwtPreviousSecrets: ['x'] }, /under 32 bytes/],
    [{ jwtSecret: secretA, apiKeys: [secretA] }, /could sign tokens/]
  ] as const) {
    const app = bare(t)
    await t.rejects(
      async () => {
        await app.register(mcpAuth, options)
      },
      { message: said }
    )
  }
})

t.test('weak secrets are good where the host says so', async t => {
  const app = bare(t)
  await app.register(mcpAuth, { prefix: '/a', apiKeys: ['short'], jwtSecret: 'x', allowWeakSecrets: true })
  t.equal((await post(app, rpc('ping'), { 'x-api-key': 'short' }, '/a/mcp')).status, 200)
})

t.test('refusals are in the host\'s log, under its request ids', async t => {
  const sink = logSink()
  const app = bare(t, { logger: { level: 'info', stream: sink } })
  await app.register(mcpAuth, a)
  const { body } = await post(app, rpc('ping'), { 'x-api-key': 'nobody-s-key-at-all' }, '/a/mcp')
  t.match(
    sink.lines().find(({ code }) => code === 'MCP_ERR_UNAUTHENTICATED'),
    { reqId: body.error.data.requestId, reason: String }
  )
  t.notMatch(sink.text(), /nobody-s-key/)
})

t.test('a tool that throws inside a host is masked, whatever the host\'s error handler tells', async t => {
  const app = bare(t)
  app.setErrorHandler(async (error: Error, _request, reply) => await reply.code(500).send({ told: error.message }))
  const leak = defineTool({ name: 'leak', handler: () => { throw new Error('hunter2') } })
  await app.register(mcpAuth, {
    ...a,
    tools: [leak],
    resources: [
      {
        name: 'r',
        uri: 'x://r',
        read: () => {
          throw new Error('hunter2')
        }
      }
    ]
  })
  t.notMatch((await post(app, callOf('leak'), ada, '/a/mcp')).text, /hunter2|told/)
  t.notMatch((await post(app, rpc('resources/read', { uri: 'x://r' }), ada, '/a/mcp')).text, /hunter2|told/)
})

t.test('the host gets none of our decorators, nor the other registration\'s', async t => {
  const app = await twice(t)
  for (const name of ['mcp', 'chargeAddress', 'chargePrincipal', 'budgetOf', 'jwt', 'createRateLimit']) {
    t.equal(app.hasDecorator(name), false)
  }
  for (const name of ['principal', 'refusal', 'mcpCall', 'jwtVerify', 'corsPreflightEnabled']) {
    t.equal(app.hasRequestDecorator(name), false)
  }
})

t.test('the host reaches the endpoint of a registration, and of no other', async t => {
  const app = bare(t)
  let endpoint: Endpoint | undefined
  await app.register(mcpAuth, { prefix: '/late', apiKeys: [adaKey], onEndpoint: running => { endpoint = running } })
  endpoint?.addTool(defineTool({ name: 'late', handler: () => 'here' }))
  t.equal((await post(app, callOf('late'), ada, '/late/mcp')).body.result.content[0].text, 'here')
})
