/** Options of a registration in a host: credential watches, checks at the start, and the host's log. */
import t from 'tap'
import { type Endpoint, mcpAuth } from '../../src/index.js'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, callOf, listening, modern, post, rpc } from '../support/service.js'
import { begin } from '../support/session.js'
import { secretA, tool, a, ada, bare, twice } from '../support/embedded.js'

t.test('a credential watch of the host can end streams', async t => {
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
  const stream = await begin(`${await listening(app)}/a`, payload, { ...ada, ...headers, accept: 'text/event-stream' })
  isGood = false
  end()
  t.match(await stream.ended, /"resultType":"complete"/)
})

t.test('a credential watch that throws counts as false and does not end the process', async t => {
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
  const stream = await begin(`${await listening(app)}/a`, payload, { ...ada, ...headers, accept: 'text/event-stream' })
  fails = true
  onChange()
  t.match(await stream.ended, /"resultType":"complete"/)
  const { status, body } = await post(app, rpc('ping'), ada, '/a/mcp')
  t.equal(status, 401)
  t.equal(body.error.data.code, 'MCP_ERR_UNAUTHENTICATED')
})

t.test("an invalid option of mcpAuth stops the host's start and is named", async t => {
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

t.test('allowWeakSecrets accepts weak secrets', async t => {
  const app = bare(t)
  await app.register(mcpAuth, { prefix: '/a', apiKeys: ['short'], jwtSecret: 'x', allowWeakSecrets: true })
  t.equal((await post(app, rpc('ping'), { 'x-api-key': 'short' }, '/a/mcp')).status, 200)
})

t.test("refusals are in the host's log with its request ids", async t => {
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

t.test("a tool error is masked despite the host's error handler", async t => {
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

t.test('mcpAuth adds no decorators to the host or to other registrations', async t => {
  const app = await twice(t)
  for (const name of ['mcp', 'chargeAddress', 'chargePrincipal', 'budgetOf', 'jwt', 'createRateLimit']) {
    t.equal(app.hasDecorator(name), false)
  }
  for (const name of ['principal', 'refusal', 'mcpCall', 'jwtVerify', 'corsPreflightEnabled']) {
    t.equal(app.hasRequestDecorator(name), false)
  }
})

t.test('each registration exposes only its own endpoint to the host', async t => {
  const app = bare(t)
  let endpoint: Endpoint | undefined
  await app.register(mcpAuth, { prefix: '/late', apiKeys: [adaKey], onEndpoint: running => { endpoint = running } })
  endpoint?.addTool(defineTool({ name: 'late', handler: () => 'here' }))
  t.equal((await post(app, callOf('late'), ada, '/late/mcp')).body.result.content[0].text, 'here')
})
