/** Ownership and limits of sessions, and their streams in each negotiated revision. */
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { defineResource } from '../../src/tools/resource.js'
import { defineTool } from '../../src/tools/tool.js'
import { callOf, listening, post, rpc, service, withKey, withToken } from '../support/service.js'
import { begin, listen, openSession as open, settles } from '../support/session.js'
import { until } from '../support/until.js'

/** Answers with a stream, because it sends a message first. */
const speaking = defineTool({
  name: 'speaking',
  handler: async (_args, { log, principal }) => {
    await log('info', 'at work')
    return `a secret of ${principal.id}`
  }
})

/** Resolves to only the session id, because the tests send it with other credentials. */
async function openSession (
  app: FastifyInstance,
  credential: Record<string, string> = withKey
): Promise<Record<string, string>> {
  const { 'mcp-session-id': id = '' } = await open(app, { credential })
  return { 'mcp-session-id': id }
}

t.test('a foreign session gets the same 404 as an unknown one', async t => {
  const app = await service(t, { sessions: {} })
  const session = await openSession(app)
  const refusals = []
  for (const headers of [session, { 'mcp-session-id': 'e3f1c1d2-0000-4000-8000-000000000000' }]) {
    for (const method of ['POST', 'GET', 'DELETE'] as const) {
      const response = await app.inject({
        method,
        url: '/mcp',
        headers: { ...withToken('eve'), ...headers },
        ...(method === 'POST' ? { payload: rpc('ping') } : {})
      })
      const { requestId, ...data } = response.json().error.data
      refusals.push({ status: response.statusCode, data })
    }
  }
  for (const refusal of refusals) t.same(refusal, { status: 404, data: { code: 'MCP_ERR_SESSION_NOT_FOUND' } })
  t.equal((await post(app, rpc('ping'), { ...withKey, ...session })).status, 200)
})

t.test("a session beyond the caller's limit ends the least recently used one", async t => {
  const app = await service(t, { sessions: { maxPerPrincipal: 2 } })
  const other = await openSession(app, withToken('eve'))
  const own = []
  for (let i = 0; i < 3; i++) own.push(await openSession(app))
  const statuses = []
  for (const session of own) statuses.push((await post(app, rpc('ping'), { ...withKey, ...session })).status)
  t.same(statuses, [404, 200, 200])
  t.equal((await post(app, rpc('ping'), { ...withToken('eve'), ...other })).status, 200)
})

t.test('a session beyond SESSION_MAX ends one of the caller with the most', async t => {
  const app = await service(t, { sessions: { max: 4 } })
  const first = await openSession(app, withToken('eve'))
  const ada = []
  for (let i = 0; i < 3; i++) ada.push(await openSession(app))
  const bob = await openSession(app, withToken('bob'))
  const statuses = []
  for (const session of ada) statuses.push((await post(app, rpc('ping'), { ...withKey, ...session })).status)
  t.same(statuses, [404, 200, 200])
  t.equal((await post(app, rpc('ping'), { ...withToken('eve'), ...first })).status, 200)
  t.equal((await post(app, rpc('ping'), { ...withToken('bob'), ...bob })).status, 200)
})

t.test('concurrent new sessions do not exceed SESSION_MAX', async t => {
  const app = await service(t, { sessions: { max: 3 } })
  const users = Array.from({ length: 12 }, (_, i) => withToken(`user-${i}`))
  const opened = await Promise.all(users.map(async user => ({ ...user, ...await openSession(app, user) })))
  const statuses = await Promise.all(opened.map(async headers => (await post(app, rpc('ping'), headers)).status))
  t.equal(statuses.filter(status => status === 200).length, 3)
})

t.test('a session ends after SESSION_IDLE_MS and SESSION_LIFETIME_MS', async t => {
  for (const sessions of [{ idleMs: 50 }, { lifetimeMs: 50 }]) {
    const app = await service(t, { sessions })
    const session = await openSession(app)
    await new Promise(resolve => setTimeout(resolve, 80))
    t.equal((await post(app, rpc('ping'), { ...withKey, ...session })).status, 404)
  }
})

t.test('a DELETE with a JSON content type, as the Python SDK sends, ends its session', async t => {
  const app = await service(t, { sessions: {} })
  const session = { ...withKey, ...await openSession(app) }
  const ended = await app.inject({
    method: 'DELETE',
    url: '/mcp',
    headers: { ...session, 'content-type': 'application/json' }
  })
  t.equal(ended.statusCode, 200)
  t.equal((await post(app, rpc('ping'), session)).status, 404)
})

for (const [agreed, header, resumable] of [
  ['2025-11-25', '2025-11-25', true],
  ['2025-11-25', undefined, true],
  ['2025-11-25', '2025-03-26', true],
  ['2025-06-18', '2025-06-18', false],
  ['2025-06-18', '2025-11-25', false]
] as const) {
  t.test(
    `a session of ${agreed} with ${header ?? 'no revision'} in the header has ${resumable ? '' : 'no '}resumable streams`,
    async t => {
      const app = await service(t, { sessions: {}, tools: [speaking] })
      const clientInfo = { name: 'test', version: '1' }
      const { headers } = await post(
        app,
        rpc('initialize', { protocolVersion: agreed, capabilities: {}, clientInfo })
      )
      const { text } = await post(app, callOf('speaking'), {
        ...withKey,
        'mcp-session-id': String(headers['mcp-session-id']),
        ...(header === undefined ? {} : { 'mcp-protocol-version': header })
      })
      t.match(text, 'a secret of')
      t.equal(/^id: \S+\nretry: \d+\ndata: ?\n\n/.test(text), resumable)
    }
  )
}

t.test('messages for an admin are not replayed to the same subject with fewer rights', async t => {
  const app = await service(t, { sessions: {}, tools: [speaking] })
  const admin = withToken('ada', 'admin')
  const user = withToken('ada')
  const session = await openSession(app, admin)
  const reply = await app.inject({
    method: 'POST',
    url: '/mcp',
    headers: { ...admin, ...session },
    payload: callOf('speaking')
  })
  t.match(reply.body, /a secret of jwt:ada/)
  const first = /^id: (\S+)$/m.exec(reply.body)?.[1] ?? ''
  const again = await app.inject({
    url: '/mcp',
    headers: { ...user, ...session, accept: 'text/event-stream', 'last-event-id': first }
  })
  t.equal(again.statusCode, 404)
  t.notMatch(again.body, /a secret of/)
  t.equal((await post(app, rpc('ping'), { ...user, ...session })).status, 200, 'the session itself continues')
})

t.test('a call before 2025-11-25 gets its headers before any message', async t => {
  let answer = (_text: string): void => {}
  const wait = defineTool({
    name: 'wait',
    handler: async () =>
      await new Promise<string>(resolve => {
        answer = resolve
      })
  })
  const app = await service(t, { sessions: {}, tools: [wait] })
  const url = await listening(app)
  const begun = begin(url, callOf('wait'), await open(app, { revision: '2025-06-18' }))
  t.ok(await settles(begun), 'before the first keep-alive comment')
  const call = await begun
  t.same(call.messages(), [])
  answer('done')
  t.match(await call.ended, 'done')
})

t.test('a GET stream sends only what its own credential can see', async t => {
  const secret = defineResource({
    name: 'secret',
    uri: 'test://secret',
    access: { roles: ['admin'] },
    read: () => 'secret'
  })
  const note = defineResource({ name: 'note', uri: 'test://note', read: () => 'note' })
  const app = await service(t, { sessions: {}, resources: [secret, note] })
  const url = await listening(app)
  const [user, admin] = [withToken('ada'), withToken('ada', 'admin')]
  const session = await open(app, { credential: user })
  const stream = await listen(url, session)
  for (const uri of ['test://secret', 'test://note']) {
    await post(app, rpc('resources/subscribe', { uri }), { ...session, ...admin })
  }
  app.mcp.resourceUpdated('test://secret')
  app.mcp.resourceUpdated('test://note')
  await until(() => stream.messages().length > 0)
  t.match(stream.messages(), [{ method: 'notifications/resources/updated', params: { uri: 'test://note' } }])
})

t.test('a second GET takes over the stream, even at the limit of one stream', async t => {
  const note = defineResource({ name: 'note', uri: 'test://note', read: () => 'note' })
  const app = await service(t, { sessions: {}, maxStreamsPerPrincipal: 1, resources: [note] })
  const url = await listening(app)
  const session = await open(app)
  await post(app, rpc('resources/subscribe', { uri: 'test://note' }), session)
  const first = await listen(url, session)
  const second = await listen(url, session)
  t.equal(second.response.status, 200)
  t.ok(await settles(first.ended), 'the first stream ends')
  const third = await listen(url, session)
  t.ok(await settles(second.ended), 'the second stream ends')
  app.mcp.resourceUpdated('test://note')
  await until(() => third.messages().length > 0)
  t.match(third.messages(), [{ method: 'notifications/resources/updated', params: { uri: 'test://note' } }])
  t.same([first.messages(), second.messages()], [[], []])
})

t.test('a subscription to a URI of more than 2,048 characters is refused', async t => {
  const uri = 'test://'.padEnd(2048, 'x')
  const app = await service(t, { sessions: {}, resources: [defineResource({ name: 'long', uri, read: () => 'note' })] })
  const session = { ...withKey, ...await openSession(app) }
  t.match((await post(app, rpc('resources/subscribe', { uri }), session)).body, { result: {} })
  t.match((await post(app, rpc('resources/subscribe', { uri: `${uri}x` }), session)).body, {
    error: { code: -32602, data: { limit: 2048 } }
  })
})

t.test('a GET stream ends with its session', async t => {
  const app = await service(t, { sessions: { lifetimeMs: 200 } })
  const url = await listening(app)
  const stream = await listen(url, await open(app))
  t.ok(await settles(stream.ended))
})
