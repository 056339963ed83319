/** Tools, resources and prompts that are added and removed while the server runs, and the notifications. */
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import mcp from '../../plugins/mcp.js'
import { defineTool } from '../../src/tools/tool.js'
import { principalOf } from '../support/exchange.js'
import { succeeds } from '../support/play.js'
import { callOf, eventsOf, initialize, listening, modern, post, rpc } from '../support/service.js'
import { build, namesIn } from '../support/mcp-plugin.js'

const tool = (name: string) => defineTool({ name, handler: () => `${name} was here` })

const ada = { who: 'ada' }

t.test('addTool and removeTool work while the endpoint runs', async t => {
  const app = await build(t, { tools: [tool('b')] })
  app.mcp.addTool(tool('a'))
  t.same(namesIn(await post(app, rpc('tools/list'), ada)), ['a', 'b'])
  t.equal(app.mcp.removeTool('b'), true)
  t.equal(app.mcp.removeTool('b'), false)
  t.same(namesIn(await post(app, rpc('tools/list'), ada)), ['a'])
  t.equal((await post(app, callOf('b'), ada)).body.error.data.code, 'MCP_ERR_UNKNOWN_TOOL')
})

t.test('addTool refuses an invalid tool and changes nothing', async t => {
  const app = await build(t, { tools: [tool('a')] })
  for (const bad of [
    tool('a'),
    tool(''),
    tool('with space'),
    tool('x'.repeat(129)),
    { ...tool('y'), input: { type: 'nonsense' } }
  ]) {
    t.throws(() => {
      app.mcp.addTool(bad)
    })
  }
  t.same(namesIn(await post(app, rpc('tools/list'), ada)), ['a'])
})

t.test('subscribers get only changes of their kinds and rights', async t => {
  const app = await build(t, {
    tools: [tool('a')],
    resources: [
      { name: 'open', uri: 'x://open', read: () => '' },
      { name: 'closed', uri: 'x://closed', access: { roles: ['admin'] }, read: () => '' }
    ]
  })
  const url = await listening(app)
  const { headers, payload } = modern(
    'subscriptions/listen',
    { notifications: { toolsListChanged: true, resourceSubscriptions: ['x://open', 'x://closed'] } },
    'sub'
  )
  const response = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: { ...ada, ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(payload)
  })
  const heard = response.text()
  app.mcp.addTool(tool('b'))
  app.mcp.resourceUpdated('x://closed')
  app.mcp.addPrompt({ name: 'p', handler: () => '' })
  app.mcp.resourceUpdated('x://open')
  const closed = app.close()
  app.server.closeIdleConnections()
  const events = eventsOf(await heard)
  await closed
  t.same(
    events.map(({ method, params }) => params?.uri ?? method),
    ['notifications/subscriptions/acknowledged', 'notifications/tools/list_changed', 'x://open', undefined]
  )
  t.match(events.at(-1), { id: 'sub', result: { resultType: 'complete' } })
})

/** The methods of the messages on a stream until its end; `undefined` for a result. */
async function heardBy (response: Response): Promise<unknown[]> {
  return eventsOf(await response.text()).map(({ method }) => method)
}

async function initialized (
  app: FastifyInstance,
  who: string
): Promise<{ headers: Record<string, string>; capabilities: object }> {
  const { headers, body } = await post(
    app,
    initialize(),
    { who }
  )
  return {
    headers: { who, 'mcp-session-id': String(headers['mcp-session-id']) },
    capabilities: body.result.capabilities
  }
}

t.test('changes of a hidden tool are not announced', async t => {
  const app = await build(t, { sessions: true, toolPolicies: { default: { access: { roles: ['admin'] } } } })
  const url = `${await listening(app)}/mcp`
  const { headers, payload } = modern('subscriptions/listen', { notifications: { toolsListChanged: true } })
  const streams: Response[] = []
  for (const who of ['ada', 'root']) {
    const session = await initialized(app, who)
    streams.push(
      await fetch(url, {
        method: 'POST',
        headers: { who, ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(payload)
      })
    )
    streams.push(await fetch(url, { headers: { ...session.headers, accept: 'text/event-stream' } }))
  }
  app.mcp.addTool(tool('b'))
  app.mcp.removeTool('b')
  const closed = app.close()
  app.server.closeIdleConnections()
  const news = 'notifications/tools/list_changed'
  const acknowledged = 'notifications/subscriptions/acknowledged'
  t.same(await Promise.all(streams.map(heardBy)), [
    [acknowledged, undefined],
    [],
    [acknowledged, news, news, undefined],
    [news, news]
  ])
  await closed
})

t.test('clients connected before the first prompt and resource get changes', async t => {
  const app = await build(t, { sessions: true })
  const everything = ['completions', 'logging', 'prompts', 'resources', 'tools']
  const session = await initialized(app, 'ada')
  t.same(Object.keys(session.capabilities).sort(), everything)
  const { headers, payload } = modern('server/discover')
  t.same(Object.keys((await post(app, payload, { ...ada, ...headers })).body.result.capabilities).sort(), everything)
  for (const method of ['prompts/list', 'resources/list', 'resources/templates/list']) {
    t.same(Object.values((await post(app, rpc(method), ada)).body.result), [[]])
  }
  const url = await listening(app)
  const heard = heardBy(await fetch(`${url}/mcp`, { headers: { ...session.headers, accept: 'text/event-stream' } }))
  app.mcp.addPrompt({ name: 'p', handler: () => '' })
  app.mcp.addResource({ name: 'r', uri: 'x://r', read: () => '' })
  const closed = app.close()
  app.server.closeIdleConnections()
  t.same(await heard, ['notifications/prompts/list_changed', 'notifications/resources/list_changed'])
  await closed
})

t.test(
  'a silent call outlives the idle timeout, up to its deadline',
  async t => {
    const app = Fastify({ connectionTimeout: 200 })
    t.teardown(() => app.close())
    const brood = async (): Promise<string> => {
      await new Promise(resolve => setTimeout(resolve, 700))
      return 'at last'
    }
    app.decorateRequest('principal', null)
    app.addHook('onRequest', async request => {
      request.principal = principalOf('ada')
    })
    app.get('/host', brood)
    await app.register(mcp, {
      requestTimeoutMs: 1,
      tools: [defineTool({ name: 'first', deadlineMs: 240_000, handler: brood })],
      toolPolicies: { tools: { first: { deadlineMs: 120_000 } } }
    })
    const url = await listening(app)
    app.mcp.addTool(defineTool({ name: 'later', deadlineMs: 120_000, handler: brood }))
    for (const name of ['first', 'later']) {
      const call = async (): Promise<boolean> => {
        const response = await fetch(`${url}/mcp`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(callOf(name))
        })
        return (await response.text()).includes('at last')
      }
      // The idle timeout may close a connection before its request arrives.
      t.ok(await succeeds(async () => await call().catch(() => false)), name)
    }
    await t.rejects(fetch(`${url}/host`))
  }
)

t.test('a caller can hold a limited number of streams', async t => {
  const app = await build(t, { tools: [tool('a')], maxStreamsPerPrincipal: 2 })
  const url = await listening(app)
  const { headers, payload } = modern('subscriptions/listen', { notifications: { toolsListChanged: true } })
  const leaving = new AbortController()
  const listen = async (who: string): Promise<number> =>
    (
      await fetch(`${url}/mcp`, {
        method: 'POST',
        signal: leaving.signal,
        headers: { who, ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(payload)
      })
    ).status
  t.same([await listen('ada'), await listen('ada'), await listen('ada'), await listen('bob')], [200, 200, 429, 200])
  leaving.abort()
})
