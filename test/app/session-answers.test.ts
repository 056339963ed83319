/** Every request in a session is answered, even if the SDK would not answer it, and its id can be reused. */
import t from 'tap'
import { z } from 'zod'
import { definePrompt } from '../../src/tools/prompt.js'
import { defineTool } from '../../src/tools/tool.js'
import { begin, openSession, settles } from '../support/session.js'
import { callOf, eventsOf, listening, post, rpc, service, withKey } from '../support/service.js'

for (const method of ['ping', 'tools/list', 'tools/call']) {
  t.test(`a ${method} and its cancellation in one batch are answered, and the id is free again`, async t => {
    const app = await service(t, { sessions: {} })
    const session = await openSession(app, { revision: '2025-03-26' })
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } }
    const { text } = await post(
      app,
      [rpc(method, method === 'tools/call' ? { name: 'whoami' } : undefined, 7), cancel],
      session
    )
    t.match(eventsOf(text), [{ id: 7, result: Object }])
    t.equal((await post(app, rpc('ping', undefined, 7), session)).status, 200)
  })
}

t.test('a call whose validation never ends is answered at the deadline', async t => {
  const input = z.object({ a: z.string().refine(async () => await new Promise(() => {})) })
  const app = await service(t, {
    sessions: {},
    requestTimeoutMs: 50,
    tools: [defineTool({ name: 'dither', input, handler: () => 'in' })]
  })
  const session = await openSession(app)
  const { text } = await post(app, callOf('dither', { a: 'x' }, 7), session)
  t.match(eventsOf(text).at(-1), { id: 7, result: { isError: true, content: [{ text: /MCP_ERR_DEADLINE/ }] } })
  t.equal((await post(app, rpc('ping', undefined, 7), session)).status, 200)
})

for (const method of ['PUT', 'PATCH', 'OPTIONS'] as const) {
  t.test(`${method} is not allowed, with or without a session, and Allow lists the methods`, async t => {
    const app = await service(t, { sessions: {} })
    for (const headers of [withKey, await openSession(app)]) {
      const response = await app.inject({ method, url: '/mcp', headers })
      t.equal(response.statusCode, 405)
      t.equal(response.headers.allow, 'GET, POST, DELETE')
    }
  })
}

t.test('a call that requests a task is served normally', async t => {
  const app = await service(t, { sessions: {} })
  const asTask = rpc('tools/call', { name: 'whoami', task: { ttl: 1000 } })
  for (const [message, headers] of [
    [asTask, withKey],
    [asTask, await openSession(app)],
    [[asTask], await openSession(app, { revision: '2025-03-26' })]
  ] as const) {
    const { text } = await post(app, message, headers)
    t.match(text, '"structuredContent"')
  }
})

t.test('a call that names an unknown task still sends progress', async t => {
  const speaking = defineTool({
    name: 'speaking',
    handler: async (_args, { progress }) => {
      await progress(1)
      return 'done'
    }
  })
  const app = await service(t, { sessions: {}, tools: [speaking] })
  const _meta = { progressToken: 'p', 'io.modelcontextprotocol/related-task': { taskId: 'none' } }
  const { text } = await post(app, rpc('tools/call', { name: 'speaking', _meta }, 7), await openSession(app))
  t.match(eventsOf(text), [{ method: 'notifications/progress' }, { id: 7, result: { content: [{ text: 'done' }] } }])
})

/** A bigint, which JSON cannot represent, where the types require a string. */
const unwritable = 5n as unknown as string

for (const [what, message] of [
  ['tool', callOf('wrong', {}, 7)],
  ['prompt', rpc('prompts/get', { name: 'wrong' }, 7)]
] as const) {
  t.test(`a ${what} whose result cannot be JSON is a fault`, async t => {
    const app = await service(t, {
      sessions: {},
      tools: [
        defineTool({ name: 'wrong', handler: () => ({ content: [{ type: 'text', text: unwritable }] }) })
      ],
      prompts: [
        definePrompt({
          name: 'wrong',
          handler: () => ({ messages: [{ role: 'user', content: { type: 'text', text: unwritable } }] })
        })
      ]
    })
    const url = await listening(app)
    const session = await openSession(app)
    const call = await begin(url, message, session)
    t.ok(await settles(call.ended))
    t.match(call.messages(), [what === 'tool'
      ? { id: 7, result: { isError: true, content: [{ text: /^Internal error\. code: MCP_ERR_INTERNAL, requestId: / }] } }
      : { id: 7, error: { code: -32603, data: { code: 'MCP_ERR_INTERNAL', requestId: String } } }])
    t.equal((await post(app, rpc('ping', undefined, 7), session)).status, 200)
  })
}

for (const [where, sessions] of [['without a session', undefined], ['in a session', {}]] as const) {
  t.test(`a large batch ${where} causes no warning by Node`, async t => {
    const warnings: string[] = []
    const note = ({ message }: Error): void => { warnings.push(message) }
    process.on('warning', note)
    t.teardown(() => { process.off('warning', note) })
    const app = await service(t, { sessions: sessions ?? false })
    const headers =
      sessions === undefined
        ? { ...withKey, 'mcp-protocol-version': '2025-03-26' }
        : await openSession(app, { revision: '2025-03-26' })
    await post(app, Array.from({ length: 30 }, (_, id) => callOf('whoami', {}, id)), headers)
    // Warnings are emitted in the next turn.
    await new Promise(resolve => setImmediate(resolve))
    t.same(warnings, [])
  })
}

for (const method of ['GET', 'DELETE'] as const) {
  t.test(`a ${method} without a session says that it needs one`, async t => {
    const app = await service(t, { sessions: {} })
    const response = await app.inject({ method, url: '/mcp', headers: { ...withKey, accept: 'text/event-stream' } })
    t.equal(response.statusCode, 400)
    t.match(response.json().error, { message: /Mcp-Session-Id/, data: { code: 'MCP_ERR_SESSION_REQUIRED' } })
  })
}
