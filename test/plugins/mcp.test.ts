/** The mcp plugin alone on a bare Fastify: closed without authentication, and usable with that of a host. */
import Fastify from 'fastify'
import t from 'tap'
import mcp, { type McpOptions } from '../../plugins/mcp.js'
import type { Principal } from '../../src/principal/principal.js'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { callOf, initialize, post, rpc } from '../support/service.js'
import { build, namesIn } from '../support/mcp-plugin.js'

const tool = (name: string) => defineTool({ name, handler: () => `${name} was here` })

const ada = { who: 'ada' }

t.test('without an authentication plugin every request is refused', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(mcp, { tools: [tool('x')] })
  t.equal((await post(app, callOf('x'), {})).status, 401)
})

t.test('a principal set by the host is served, others are refused', async t => {
  const app = await build(t, { tools: [tool('x')] })
  t.equal((await post(app, callOf('x'), ada)).body.result.content[0].text, 'x was here')
  t.equal((await post(app, callOf('x'), {})).status, 401)
})

t.test('a tool gets a frozen principal', async t => {
  let seen: Principal | undefined
  const look = defineTool({ name: 'look', handler: (_args, { principal }) => { seen = principal; return '' } })
  const app = await build(t, { tools: [look] })
  await post(app, callOf('look'), ada)
  t.equal(seen?.id, 'jwt:ada')
  t.throws(() => Object.assign(seen ?? {}, { role: 'admin' }), TypeError)
})

for (const limit of [
  { cost: 0 },
  { cost: -1 },
  { cost: 1.5 },
  { deadlineMs: 0 },
  { deadlineMs: Infinity },
  { concurrency: 0 },
  { concurrency: Number.NaN },
  { rate: { max: 0, windowMs: 1000 } },
  { rate: { max: 1, windowMs: -1 } }
]) {
  t.test(`a tool with ${JSON.stringify(limit)} stops the start and is named`, async t => {
    await t.rejects(build(t, { tools: [{ ...tool('x'), ...limit }] }), {
      message: /^Tool "x":.* \S+ must be a whole number from 1$/
    })
  })
}

t.test('a resource and a prompt with an invalid limit stop the start', async t => {
  await t.rejects(build(t, { resources: [{ name: 'r', uri: 'x://r', cost: 0, read: () => '' }] }), { message: /cost/ })
  await t.rejects(build(t, { prompts: [{ name: 'p', deadlineMs: -1, handler: () => '' }] }), { message: /deadlineMs/ })
})

t.test('an async access rule stops the start and is refused later', async t => {
  const allow = (async () => true) as unknown as () => boolean
  const access = { allow }
  await t.rejects(build(t, { tools: [{ ...tool('x'), access }] }), { message: /^Tool "x": access: allow must return/ })
  await t.rejects(build(t, { resources: [{ name: 'r', uri: 'x://r', access, read: () => '' }] }), {
    message: /^Resource "r": access: allow must return/
  })
  await t.rejects(build(t, { prompts: [{ name: 'p', access, handler: () => '' }] }), {
    message: /^Prompt "p": access: allow/
  })
  const app = await build(t)
  t.throws(() => { app.mcp.addTool({ ...tool('x'), access }) }, { message: /must return a boolean/ })
  t.same(namesIn(await post(app, rpc('tools/list'), ada)), [])
})

t.test('a failing access rule hides its tool and is logged once', async t => {
  const logStream = logSink()
  const allow = (): boolean => { throw new Error('the database is away') }
  const later = (() => Promise.reject(new Error('far away'))) as unknown as () => boolean
  const app = await build(
    t,
    {
      tools: [tool('a'), { ...tool('b'), access: { allow } }],
      toolPolicies: { tools: { b: { access: { scopes: [] } } } }
    },
    logStream
  )
  app.mcp.addTool({ ...tool('c'), access: { allow: later } })
  for (let i = 0; i < 2; i++) t.same(namesIn(await post(app, rpc('tools/list'), ada)), ['a'])
  t.match(
    logStream.lines().filter(({ level }) => level === 50),
    [
      { item: 'b', err: { message: 'the database is away' } },
      { item: 'c', err: { message: 'The rule did not return a boolean' } }
    ]
  )
})

t.test('rate limits the calls of each caller', async t => {
  const app = await build(t, { tools: [{ ...tool('x'), rate: { max: 2, windowMs: 60_000 } }] })
  const results = []
  for (const who of ['ada', 'ada', 'ada', 'bob']) results.push((await post(app, callOf('x'), { who })).body.result)
  t.match(results[2], {
    isError: true,
    content: [{ text: /code: MCP_ERR_RATE_LIMITED, retryAfterMs: \d+, requestId: / }]
  })
  t.same(results.map(({ isError }) => isError), [undefined, undefined, true, undefined])
  const { headers } = await post(app, callOf('x'), { who: 'ada' })
  t.match(
    headers,
    {
      'x-ratelimit-limit': '2',
      'x-ratelimit-remaining': '0',
      'ratelimit-policy': '"tool";q=2;w=60',
      'retry-after': /^\d+$/
    },
    'the headers describe the limit that refused the call'
  )
})

t.test('a call counts as running until its handler ends', async t => {
  let end = (_text: string): void => {}
  const slow = defineTool({
    name: 'slow',
    concurrency: 1,
    deadlineMs: 50,
    handler: async () =>
      await new Promise<string>(resolve => {
        end = resolve
      })
  })
  const app = await build(t, { tools: [slow] })
  const answer = async (headers: Record<string, string>): Promise<string> =>
    (await post(app, callOf('slow'), headers)).body.result.content[0].text
  t.match(await answer(ada), /MCP_ERR_DEADLINE/)
  t.match(await answer(ada), /code: MCP_ERR_TOO_MANY_CALLS, retryAfterMs: 1000, /)
  const another = answer({ who: 'bob' })
  end('late')
  t.match(await another, /MCP_ERR_DEADLINE/)
  t.match(await answer(ada), /MCP_ERR_DEADLINE/)
})

t.test("a policy narrows a tool's access and never widens it", async t => {
  const tools = [tool('open'), defineTool({ name: 'closed', access: { roles: ['admin'] }, handler: () => 'in' })]
  const app = await build(t, {
    tools,
    toolPolicies: {
      default: { rate: { max: 1, windowMs: 60_000 } },
      tools: { open: { access: { scopes: ['x'], denied: 'error' } }, closed: { access: { roles: ['user'] } } }
    }
  })
  t.match((await post(app, callOf('open'), ada)).body.result, { isError: true })
  for (const who of ['ada', 'root']) {
    t.equal((await post(app, callOf('closed'), { who })).body.error.data.code, 'MCP_ERR_UNKNOWN_TOOL')
  }
  await t.rejects(build(t, { tools, toolPolicies: { tools: { nowhere: {} } } }), { message: /nowhere/ })
})

t.test('without the limit plugins there is no budget', async t => {
  const budget = defineTool({
    name: 'budget',
    cost: 1000,
    handler: async (_args, context) => JSON.stringify(await context.budget())
  })
  const app = await build(t, { tools: [budget] })
  t.equal((await post(app, callOf('budget'), ada)).body.result.content[0].text, 'null')
})

t.test('path and info of the endpoint are configurable', async t => {
  const app = await build(t, { path: '/rpc', info: { name: 'shop', version: '7' }, instructions: 'Be kind' })
  const { body } = await post(
    app,
    initialize(),
    ada,
    '/rpc'
  )
  t.match(body.result, { serverInfo: { name: 'shop', version: '7' }, instructions: 'Be kind' })
  t.equal((await post(app, rpc('ping'), ada, '/mcp')).status, 404)
})

t.test('bodyLimit sets the body limit', async t => {
  const app = await build(t, { bodyLimit: 200 })
  t.equal((await post(app, rpc('ping'), ada)).status, 200)
  t.equal((await post(app, rpc('ping', { a: 'x'.repeat(200) }), ada)).status, 413)
})

for (const [io, schema] of [
  ['input', {}],
  ['input', { type: 'string' }],
  ['output', { type: 'array' }],
  ['input', { type: 'object', properties: { a: { type: 'nonsense' } } }]
] as const) {
  t.test(`a tool with the ${io} schema ${JSON.stringify(schema)} stops the start and is named`, async t => {
    await t.rejects(build(t, { tools: [{ ...tool('shaky'), [io]: schema }] }), {
      message: new RegExp(`^Tool shaky, ${io} schema: `)
    })
  })
}

t.test('an invalid item stops the start', async t => {
  for (const options of [
    { tools: [tool('a'), tool('a')] },
    { tools: [tool('not a name')] },
    { resources: [{ name: 'r', uri: 'no uri', read: () => '' }] },
    { resources: [{ name: 'r', uriTemplate: 'x://{+path}', read: () => '' }] },
    { resources: [{ name: 'r', uriTemplate: 'x://{a}{b}', read: () => '' }] },
    { eras: [] }
  ] as McpOptions[]) { await t.rejects(build(t, options)) }
})
