/** Sessions across several instances with one Redis: opened on A, used on B, answered on C. */
import t from 'tap'
import { defineTool } from '../../src/tools/tool.js'
import { redisServer, withoutRedis } from '../support/redis.js'
import { begin, listen, openSession, settles } from '../support/session.js'
import { count, note, sessionFleet, waiting } from '../support/session-fleet.js'
import { callOf, initialize, post, rpc, withKey, withToken } from '../support/service.js'
import { until } from '../support/until.js'

/** The headers of another caller who knows the session id. */
function asEve ({ 'x-api-key': _, ...session }: Record<string, string>): Record<string, string> {
  return { ...session, ...withToken('eve') }
}

t.test('sessions of a fleet', { skip: withoutRedis }, async t => {
  const redis = await redisServer(t)
  /** Three instances with their own key prefix. */
  const three = async (
    t: Parameters<typeof sessionFleet>[0],
    prefix: string,
    options: Parameters<typeof sessionFleet>[4] = {}
  ) => {
    const [a, b, c] = await sessionFleet(t, redis, 3, prefix, options)
    if (a === undefined || b === undefined || c === undefined) throw new Error('not three')
    return { a, b, c }
  }

  t.test('a session of A works on B, and is a 404 for others everywhere', async t => {
    const { a, b, c } = await three(t, 'used:')
    const session = await openSession(a.app)
    t.match((await post(b.app, callOf('whoami'), session)).body, { result: { structuredContent: { role: 'user' } } })
    t.match((await post(c.app, callOf('count', { to: 2 }), session)).body, {
      result: { content: [{ text: 'counted to 2' }] }
    })
    for (const { app } of [a, b, c]) t.equal((await post(app, rpc('ping'), asEve(session))).status, 404)
    t.equal((await post(c.app, rpc('ping'), session)).status, 200)
  })

  t.test('the log level and subscriptions set on B apply on A at once', async t => {
    const talk = { goOn: (): void => {} }
    const tool = defineTool({
      name: 'talk',
      handler: async (_args, { log }) => {
        await log('info', 'before')
        await new Promise<void>(resolve => { talk.goOn = resolve })
        await log('info', 'after')
        await log('error', 'worse')
        return 'done'
      }
    })
    const { a, b, c } = await three(t, 'level:', { tools: [tool, count] })
    const session = await openSession(a.app)
    const standing = await listen(a.url, session)
    const call = await begin(a.url, callOf('talk', {}, 7), session)
    await until(() => call.messages().length === 1)
    await post(b.app, rpc('logging/setLevel', { level: 'error' }), session)
    await post(b.app, rpc('resources/subscribe', { uri: 'test://note' }), session)
    // A receives messages in order: once this notification arrives, the log level has arrived as well.
    await until(() => {
      c.app.mcp.resourceUpdated('test://note')
      return standing.messages().some(({ method }) => method === 'notifications/resources/updated')
    })
    talk.goOn()
    t.ok(await settles(call.ended))
    t.same(call.messages().map(({ params }) => params?.data), ['before', 'worse', undefined])
    t.same((await post(c.app, callOf('count', { to: 1 }), session)).body.result.content[0].text, 'counted to 1')
  })

  t.test('a GET stream on A gets changes from B during calls on B', async t => {
    const { a, b } = await three(t, 'changes:')
    const session = await openSession(a.app)
    const standing = await listen(a.url, session)
    const call = await begin(b.url, callOf('count', { to: 20 }, 7), session)
    b.app.mcp.addTool(defineTool({ name: 'new', handler: () => '' }))
    await until(() => standing.messages().length > 0)
    t.match(standing.messages(), [{ method: 'notifications/tools/list_changed' }])
    t.ok(await settles(call.ended))
    t.match(call.messages().at(-1), { id: 7, result: { content: [{ text: 'counted to 20' }] } })
  })

  t.test("changes of an admin tool are not sent to other callers' streams", async t => {
    const { a, b } = await three(t, 'rights:')
    const session = await openSession(a.app)
    const standing = await listen(a.url, session)
    b.app.mcp.addTool(defineTool({ name: 'secret', access: { roles: ['admin'] }, handler: () => '' }))
    b.app.mcp.addTool(defineTool({ name: 'ruled', access: { allow: () => true }, handler: () => '' }))
    b.app.mcp.addTool(defineTool({ name: 'open', handler: () => '' }))
    await until(() => standing.messages().length > 0)
    await post(b.app, rpc('resources/subscribe', { uri: 'test://note' }), session)
    b.app.mcp.resourceUpdated('test://note')
    await until(() => standing.messages().some(({ method }) => method === 'notifications/resources/updated'))
    t.equal(standing.messages().filter(({ method }) => method === 'notifications/tools/list_changed').length, 1)
  })

  t.test('a tool added on all instances at once is announced once', async t => {
    const { a, b, c } = await three(t, 'merged:')
    const session = await openSession(a.app)
    const standing = await listen(a.url, session)
    for (const { app } of [a, b, c]) app.mcp.addTool(defineTool({ name: 'new', handler: () => '' }))
    await until(() => standing.messages().length > 0)
    await post(b.app, rpc('resources/subscribe', { uri: 'test://note' }), session)
    b.app.mcp.resourceUpdated('test://note')
    await until(() => standing.messages().some(({ method }) => method === 'notifications/resources/updated'))
    t.same(standing.messages().map(({ method }) => method), [
      'notifications/tools/list_changed', 'notifications/resources/updated'
    ])
  })

  t.test('a second GET on B ends the GET on A', async t => {
    const { a, b } = await three(t, 'second:')
    const session = await openSession(a.app)
    const first = await listen(a.url, session)
    const second = await listen(b.url, session)
    t.ok(await settles(first.ended))
    b.app.mcp.addTool(defineTool({ name: 'new', handler: () => '' }))
    await until(() => second.messages().length > 0)
    t.same(first.messages(), [])
  })

  t.test('one of several concurrent GETs on A, B and C remains', async t => {
    const { a, b, c } = await three(t, 'at-once:')
    for (let round = 0; round < 5; round++) {
      const session = await openSession(a.app)
      const streams = await Promise.all([a, b, c].map(async ({ url }) => await listen(url, session)))
      const ended = streams.map(() => false)
      for (const [n, stream] of streams.entries()) stream.ended.then(() => { ended[n] = true }, () => {})
      await until(() => ended.filter(Boolean).length === 2)
      const heard = (): number => streams.filter(stream => stream.messages().length > 0).length
      c.app.mcp.addTool(defineTool({ name: `new-${round}`, handler: () => '' }))
      await until(() => heard() === 1)
      t.equal(ended.filter(Boolean).length, 2)
    }
  })

  t.test('a GET on C resumes the stream of A without gaps or repeats', async t => {
    const { a, b, c } = await three(t, 'standing:')
    const session = await openSession(a.app)
    await post(b.app, rpc('resources/subscribe', { uri: 'test://note' }), session)
    const gone = new AbortController()
    const first = await listen(a.url, session, undefined, gone.signal)
    a.app.mcp.resourceUpdated('test://note')
    await until(() => first.lastId() !== '')
    gone.abort()
    for (const { app } of [a, b]) app.mcp.resourceUpdated('test://note')
    const second = await listen(c.url, session, first.lastId())
    await until(() => second.messages().length === 2)
    c.app.mcp.resourceUpdated('test://note')
    await until(() => second.messages().length > 2)
    t.equal(second.messages().length, 3)
  })

  t.test('a question of B is answered at C, only by its own caller', async t => {
    const { a, b, c } = await three(t, 'asked:')
    const session = await openSession(a.app, { capabilities: { elicitation: {} } })
    const call = await begin(b.url, callOf('ask', {}, 7), session)
    await until(() => call.messages().length > 0)
    const answer = {
      jsonrpc: '2.0',
      id: call.messages()[0]?.id,
      result: { action: 'accept', content: { name: 'Ada' } }
    }
    const other = await openSession(c.app, { credential: withToken('eve'), capabilities: { elicitation: {} } })
    t.equal((await post(c.app, answer, asEve(session))).status, 404)
    t.equal(
      (await post(c.app, { ...answer, result: { action: 'decline' } }, other)).status,
      202,
      'in another session it answers no question'
    )
    t.equal((await post(c.app, answer, session)).status, 202)
    t.ok(await settles(call.ended))
    t.match(call.messages().at(-1), { id: 7, result: { content: [{ text: / accept Ada$/ }] } })
  })

  t.test('an answer with fewer rights than the call is refused on every instance', async t => {
    const { a, b, c } = await three(t, 'fewer:')
    const [admin, user] = [withToken('ada', 'admin'), withToken('ada')]
    const session = await openSession(a.app, { credential: admin, capabilities: { elicitation: {} } })
    const call = await begin(b.url, callOf('ask', {}, 7), session)
    await until(() => call.messages().length > 0)
    const answer = (name: string) => ({
      jsonrpc: '2.0',
      id: call.messages()[0]?.id,
      result: { action: 'accept', content: { name } }
    })
    t.equal((await post(c.app, answer('Eve'), { ...session, ...user })).status, 404)
    await post(
      c.app,
      { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } },
      { ...session, ...user }
    )
    t.equal((await c.app.inject({ method: 'DELETE', url: '/mcp', headers: { ...session, ...user } })).statusCode, 404)
    await post(c.app, answer('Ada'), session)
    t.ok(await settles(call.ended))
    t.match(call.messages().at(-1), { id: 7, result: { content: [{ text: / accept Ada$/ }] } })
  })

  t.test('a call on B is cancelled at A', async t => {
    const { tool, aborted } = waiting()
    const { a, b } = await three(t, 'cancel:', { tools: [tool] })
    const session = await openSession(a.app)
    const call = await begin(b.url, callOf('wait', {}, 7), session)
    await until(() => call.messages().length > 0)
    t.equal(
      (
        await post(
          a.app,
          { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } },
          session
        )
      ).status,
      202
    )
    t.ok(await settles(call.ended))
    t.equal(aborted.length, 1)
    t.equal(call.messages().length, 1, 'a cancelled call gets no answer')
  })

  t.test('DELETE on C ends the GET on A and the call on B', async t => {
    const { tool } = waiting()
    const { a, b, c } = await three(t, 'delete:', { tools: [tool] })
    const session = await openSession(a.app)
    const standing = await listen(a.url, session)
    const call = await begin(b.url, callOf('wait', {}, 7), session)
    await until(() => call.messages().length > 0)
    t.equal((await c.app.inject({ method: 'DELETE', url: '/mcp', headers: session })).statusCode, 200)
    t.ok(await settles(standing.ended))
    t.ok(await settles(call.ended))
    t.match(call.messages().at(-1), { id: 7, result: { isError: true, content: [{ text: /MCP_ERR_UNAVAILABLE/ }] } })
    for (const { app } of [a, b, c]) t.equal((await post(app, rpc('ping'), session)).status, 404)
  })

  t.test('a stream of B is resumed on C, during and after writing', async t => {
    const { a, b, c } = await three(t, 'resume:')
    const session = await openSession(a.app)
    const call = await begin(b.url, callOf('count', { to: 40, everyMs: 10, leave: 10 }, 7), session)
    await call.ended
    const rest = await listen(c.url, session, call.lastId())
    t.ok(await settles(rest.ended))
    const said = [...call.messages(), ...rest.messages()].map(({ params }) => params?.data)
    t.same(said, [...Array.from({ length: 40 }, (_, n) => n + 1), undefined], 'all events in order, each once')
    t.match(rest.messages().at(-1), { id: 7, result: { content: [{ text: 'counted to 40' }] } })
    const again = await listen(a.url, session, call.lastId())
    t.ok(await settles(again.ended))
    t.same(again.messages(), rest.messages())
    const foreign = await listen(c.url, asEve(session), call.lastId())
    t.equal(foreign.response.status, 404)
  })

  t.test('session limits apply across all instances', async t => {
    const { a, b, c } = await three(t, 'bounds:', { sessions: { maxPerPrincipal: 3, max: 4 } })
    const own = []
    for (const { app } of [a, b, c, a, b]) own.push(await openSession(app))
    const statusOf = async (session: Record<string, string>) => (await post(c.app, rpc('ping'), session)).status
    const statuses = []
    for (const session of own) statuses.push(await statusOf(session))
    t.same(statuses, [404, 404, 200, 200, 200])
    const [eve, bob] = [
      await openSession(a.app, { credential: withToken('eve') }),
      await openSession(c.app, { credential: withToken('bob') })
    ]
    t.same([await statusOf(eve), await statusOf(bob)], [200, 200])
    const left = []
    for (const session of own) left.push(await statusOf(session))
    t.equal(left.filter(status => status === 200).length, 2)
  })

  t.test('two endpoints with one Redis share no sessions', async t => {
    const [a] = await sessionFleet(t, redis, 1, 'paths:', { path: '/one' })
    const [b] = await sessionFleet(t, redis, 1, 'paths:', { path: '/two' })
    if (a === undefined || b === undefined) throw new Error('not two')
    const { headers } = await post(
      a.app,
      initialize(),
      withKey,
      '/one'
    )
    const session = { ...withKey, 'mcp-session-id': String(headers['mcp-session-id']) }
    t.equal((await post(a.app, rpc('ping'), session, '/one')).status, 200)
    t.equal((await post(b.app, rpc('ping'), session, '/two')).status, 404)
  })

  t.test('Redis key names contain no principal and no credential', async t => {
    const { a } = await three(t, 'names:', { resources: [note] })
    const session = await openSession(a.app, { credential: withToken('ada-the-principal') })
    await post(a.app, callOf('count', { to: 1 }), session)
    const { ask } = await import('../support/redis.js')
    const names = await ask(redis.port, 'KEYS names:*')
    t.match(names, session['mcp-session-id'])
    t.notMatch(names, /ada-the-principal|eyJ/)
  })
})
