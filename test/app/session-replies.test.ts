/** Answers in a session: JSON if they are available at once, otherwise a resumable stream. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { defineTool } from '../../src/tools/tool.js'
import { begin, listen, openSession, settles } from '../support/session.js'
import { callOf, eventsOf, listening, post, rpc, service, withKey } from '../support/service.js'
import { stopClock } from '../support/stopped-clock.js'
import { until } from '../support/until.js'

const json = /^application\/json/
const stream = /^text\/event-stream/

const quick = defineTool({ name: 'quick', handler: () => 'done' })
const slow = defineTool({ name: 'slow', handler: async () => await sleep(400, 'done') })
const speaking = defineTool({
  name: 'speaking',
  handler: async (_args, { log }) => {
    await log('info', 'a word')
    return 'done'
  }
})
const leaving = defineTool({ name: 'leaving', handler: (_args, { closeStream }) => { closeStream(); return 'done' } })
const tools = [quick, slow, speaking, leaving]

for (const [what, message, type] of [
  ['a call that answers at once', callOf('quick'), json],
  ['a call of an unknown tool', callOf('missing'), json],
  ['a ping', rpc('ping'), json],
  ['tools/list', rpc('tools/list'), json],
  ['logging/setLevel', rpc('logging/setLevel', { level: 'error' }), json],
  ['a call that sends a message first', callOf('speaking'), stream],
  ['a call that takes longer than 100 ms', callOf('slow'), stream],
  ['a call that closes its stream', callOf('leaving'), stream]
] as const) {
  t.test(`${what} in a session is answered as ${type === json ? 'JSON' : 'a resumable stream'}`, async t => {
    // The 100 ms cannot pass, however busy the machine is.
    if (type === json) stopClock(t)
    const app = await service(t, { sessions: {}, tools })
    const session = await openSession(app)
    const { status, headers, text } = await post(app, message, session)
    t.equal(status, 200)
    t.match(headers['content-type'], type)
    if (type === stream) t.match(text, /^id: \S+\nretry: \d+\ndata: ?\n\n/)
  })
}

t.test('a slow call is resumed from its first event', async t => {
  let finish = (_text: string): void => {}
  const wait = defineTool({
    name: 'wait',
    handler: async () => await new Promise<string>(resolve => { finish = resolve })
  })
  const app = await service(t, { sessions: {}, tools: [wait] })
  const url = await listening(app)
  const session = await openSession(app)
  const gone = new AbortController()
  const call = await begin(url, callOf('wait', {}, 7), session, gone.signal)
  await until(() => call.lastId() !== '')
  gone.abort()
  const rest = await listen(url, session, call.lastId())
  finish('done')
  t.ok(await settles(rest.ended))
  t.match(rest.messages(), [{ id: 7, result: { content: [{ text: 'done' }] } }])
})

t.test('a batch is answered with one array if all answers are immediate', async t => {
  stopClock(t)
  const app = await service(t, { sessions: {}, tools })
  const session = await openSession(app, { revision: '2025-03-26' })
  const together = await post(app, [callOf('quick', {}, 1), rpc('ping', undefined, 2)], session)
  t.match(together.headers['content-type'], json)
  t.same(together.body.map(({ id }: { id: number }) => id).sort(), [1, 2])
})

t.test('a batch with one slow answer is answered with events', async t => {
  const app = await service(t, { sessions: {}, tools })
  const session = await openSession(app, { revision: '2025-03-26' })
  const apart = await post(app, [callOf('quick', {}, 1), callOf('slow', {}, 2)], session)
  t.match(apart.headers['content-type'], stream)
  t.same(eventsOf(apart.text).map(({ id }) => id), [1, 2])
})

t.test('a call that is cancelled at once gets no answer', async t => {
  const app = await service(t, {
    sessions: {},
    tools: [defineTool({ name: 'hang', handler: async () => await new Promise<never>(() => {}) })]
  })
  const session = await openSession(app)
  const answer = post(app, callOf('hang', {}, 7), session)
  await post(app, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } }, session)
  const { status, text } = await answer
  t.equal(status, 200)
  t.same(eventsOf(text), [])
  t.equal((await post(app, rpc('ping', undefined, 7), session)).status, 200)
})

t.test('a client that accepts only JSON gets JSON in a session', async t => {
  const app = await service(t, { sessions: {}, tools })
  const session = await openSession(app)
  for (const name of ['quick', 'slow', 'speaking', 'leaving']) {
    const { headers, body } = await post(app, callOf(name), { ...session, accept: 'application/json' })
    t.match(headers['content-type'], json)
    t.match(body, { result: { content: [{ text: 'done' }] } })
  }
})

t.test('logging/setLevel applies to running calls', async t => {
  let goOn = (): void => {}
  const talk = defineTool({
    name: 'talk',
    handler: async (_args, { log }) => {
      await log('info', 'before')
      await new Promise<void>(resolve => { goOn = resolve })
      await log('info', 'after')
      await log('error', 'worse')
      return 'done'
    }
  })
  const app = await service(t, { sessions: {}, tools: [talk] })
  const url = await listening(app)
  const session = await openSession(app)
  const call = await begin(url, callOf('talk', {}, 7), session)
  await until(() => call.messages().length === 1)
  await post(app, rpc('logging/setLevel', { level: 'error' }), session)
  goOn()
  t.ok(await settles(call.ended))
  t.same(call.messages().map(({ params }) => params?.data), ['before', 'worse', undefined])
})

t.test('a resumed GET stream gets missed changes once', async t => {
  const app = await service(t, { sessions: {}, tools })
  const url = await listening(app)
  const session = await openSession(app)
  const gone = new AbortController()
  const first = await listen(url, session, undefined, gone.signal)
  app.mcp.addTool(defineTool({ name: 'one', handler: () => '' }))
  await until(() => first.messages().length > 0)
  gone.abort()
  app.mcp.removeTool('one')
  const second = await listen(url, session, first.lastId())
  await until(() => second.messages().length > 0)
  app.mcp.addTool(defineTool({ name: 'two', handler: () => '' }))
  await until(() => second.messages().length > 1)
  const method = 'notifications/tools/list_changed'
  t.match(second.messages(), [{ method }, { method }])
  t.equal(second.messages().length, 2)
})

t.test('a GET stream resumed too late announces that anything may have changed', async t => {
  const app = await service(t, { sessions: {}, tools })
  const url = await listening(app)
  const rest = await listen(url, await openSession(app), 'c.999999')
  await until(() => rest.messages().length === 3)
  t.same(
    rest.messages().map(({ method }) => method),
    ['tools', 'prompts', 'resources'].map(kind => `notifications/${kind}/list_changed`)
  )
})

t.test('initialize with too much data for a session is refused', async t => {
  const app = await service(t, { sessions: {} })
  const capabilities = { experimental: { x: { text: 'x'.repeat(20_000) } } }
  const params = { protocolVersion: '2025-11-25', capabilities, clientInfo: { name: 'test', version: '1' } }
  t.match((await post(app, rpc('initialize', params))).body, { error: { code: -32602, data: { limit: 16_384 } } })
})

t.test('an answer with too many values is refused before validation', async t => {
  const app = await service(t, { sessions: {} })
  const content = Object.fromEntries(Array.from({ length: 6000 }, (_, n) => [`f${n}`, n]))
  const message = { jsonrpc: '2.0', id: 'x', result: { content } }
  t.match(await post(app, message, await openSession(app)), {
    status: 400,
    body: { error: { data: { code: 'MCP_ERR_INVALID_REQUEST' } } }
  })
})

t.test('notifications and unexpected answers are accepted', async t => {
  const app = await service(t, { sessions: {} })
  const session = await openSession(app)
  for (const message of [
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'nothing' } },
    { jsonrpc: '2.0', method: 'notifications/cancelled' },
    {
      jsonrpc: '2.0',
      method: 'notifications/of/a/later/revision',
      params: { list: Array.from({ length: 50_000 }, () => 1) }
    },
    { jsonrpc: '2.0', id: 5, result: {} },
    { jsonrpc: '2.0', id: 'no.such', result: {} }
  ]) { t.equal((await post(app, message, session)).status, 202) }
  t.equal((await post(app, rpc('ping'), { ...withKey, ...session })).status, 200)
})
