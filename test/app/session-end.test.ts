/** Shutdown with sessions: running calls are answered, and nothing delays the end. */
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { defineTool } from '../../src/tools/tool.js'
import { begin, listen, openSession, resumed, settles } from '../support/session.js'
import { openSocket } from '../support/raw-socket.js'
import { callOf, initialize, listening, modern, post, rpc, service, withKey } from '../support/service.js'
import { until } from '../support/until.js'

/** Closes the app, and closes connections that its clients keep idle meanwhile. */
async function close (app: FastifyInstance): Promise<void> {
  const idle = setInterval(() => { app.server.closeIdleConnections() }, 20)
  await app.close()
  clearInterval(idle)
}

/** A tool that waits until the test provides the answer. */
function waiting () {
  let answer = (_text: string): void => {}
  let aborted = false
  const tool = defineTool({
    name: 'wait',
    handler: async (_args, { signal, log, closeStream }) => {
      signal.addEventListener('abort', () => { aborted = true })
      await log('info', 'begun')
      closeStream()
      return await new Promise<string>(resolve => { answer = resolve })
    }
  })
  return { tool, answer: (text: string) => { answer(text) }, wasAborted: () => aborted }
}

t.test(
  'running calls are answered at shutdown, even on a resumed stream',
  async t => {
    const { tool, answer, wasAborted } = waiting()
    const app = await service(t, { sessions: {}, tools: [tool] })
    const url = await listening(app)
    const [old, current] = [await openSession(app, { revision: '2025-06-18' }), await openSession(app)]
    const [standing, other] = [await listen(url, old), await listen(url, current)]
    const { headers, payload } = modern('subscriptions/listen', { notifications: { toolsListChanged: true } })
    const subscription = await begin(url, payload, { ...withKey, ...headers })
    const call = await resumed(url, callOf('wait'), current)
    const closed = close(app)
    for (const stream of [standing, other, subscription]) t.ok(await settles(stream.ended))
    answer('done')
    t.match(await call.ended, 'done')
    await closed
    t.equal(wasAborted(), false)
  }
)

t.test(
  'a call that waits for an answer is refused at shutdown',
  async t => {
    const schema = { type: 'object', properties: {} }
    let goOn = (): void => {}
    const ask = defineTool({
      name: 'ask',
      handler: async (_args, { elicit }) => (await elicit({ message: 'Go on?', schema })).action
    })
    const askLate = defineTool({
      name: 'ask-late',
      handler: async (_args, { elicit }) => {
        await new Promise<void>(resolve => {
          goOn = resolve
        })
        return (await elicit({ message: 'Go on?', schema })).action
      }
    })
    const app = await service(t, { sessions: {}, tools: [ask, askLate] })
    const url = await listening(app)
    const session = await openSession(app, { capabilities: { elicitation: {} } })
    const [call, late] = [
      await begin(url, callOf('ask', {}, 1), session),
      await begin(url, callOf('ask-late', {}, 2), session)
    ]
    await until(() => call.messages().length > 0)
    const closed = close(app)
    t.ok(await settles(call.ended))
    t.match(call.messages().at(-1), {
      id: 1,
      result: { isError: true, content: [{ text: /MCP_ERR_UNAVAILABLE/ }] }
    })
    goOn()
    t.ok(await settles(late.ended))
    t.match(late.messages().at(-1), { id: 2, result: { isError: true } })
    await closed
  }
)

t.test('a connected client cannot open a new session during shutdown', async t => {
  const { tool, answer } = waiting()
  const app = await service(t, { sessions: {}, tools: [tool] })
  const url = await listening(app)
  const session = await openSession(app)
  const call = await resumed(url, callOf('wait'), session)
  const { host, port } = new URL(url)
  const kept = await openSocket(t, Number(port))
  const closed = close(app)
  const body = JSON.stringify(
    initialize()
  )
  kept.send(
    `POST /mcp HTTP/1.1\r\nHost: ${host}\r\nx-api-key: ${withKey['x-api-key']}\r\nContent-Type: ` +
      `application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  )
  t.match(await kept.until(/MCP_ERR_UNAVAILABLE/), /^HTTP\/1\.1 503 /)
  answer('done')
  await call.ended
  await closed
})

t.test('a call of a session that is evicted is answered', async t => {
  const { tool } = waiting()
  const app = await service(t, { sessions: { maxPerPrincipal: 1 }, tools: [tool] })
  const url = await listening(app)
  const session = await openSession(app)
  const call = await resumed(url, callOf('wait', {}, 7), session)
  await openSession(app)
  t.ok(await settles(call.ended))
  t.match(call.messages().at(-1), { id: 7, result: { isError: true, content: [{ text: /MCP_ERR_UNAVAILABLE/ }] } })
})

t.test('a call of a session that is deleted is answered', async t => {
  const { tool } = waiting()
  const app = await service(t, { sessions: {}, tools: [tool] })
  const url = await listening(app)
  const session = await openSession(app)
  const call = await resumed(url, callOf('wait', {}, 7), session)
  t.equal((await app.inject({ method: 'DELETE', url: '/mcp', headers: session })).statusCode, 200)
  t.ok(await settles(call.ended))
  t.match(call.messages().at(-1), { id: 7, result: { isError: true, content: [{ text: /MCP_ERR_UNAVAILABLE/ }] } })
  t.equal((await post(app, rpc('ping'), session)).status, 404)
})

t.test('concurrent new sessions respect the limit, even with running calls', async t => {
  const { tool } = waiting()
  const app = await service(t, { sessions: { maxPerPrincipal: 2 }, tools: [tool] })
  const url = await listening(app)
  for (let i = 0; i < 2; i++) await (await begin(url, callOf('wait', {}, 7), await openSession(app))).ended
  const sessions = await Promise.all(Array.from({ length: 12 }, async () => await openSession(app)))
  const statuses = await Promise.all(sessions.map(async session => (await post(app, rpc('ping'), session)).status))
  t.equal(statuses.filter(status => status === 200).length, 2)
})

t.test('a call that never ends delays shutdown only until its deadline', async t => {
  const hang = defineTool({
    name: 'hang',
    handler: async (_args, { log }) => {
      await log('info', 'begun')
      return await new Promise<never>(() => {})
    }
  })
  const app = await service(t, { sessions: {}, requestTimeoutMs: 300, tools: [hang] })
  const url = await listening(app)
  const call = await begin(url, callOf('hang'), await openSession(app))
  t.ok(await settles(close(app)))
  // The last events may still be on their way to the reader.
  t.ok(await settles(call.ended))
  t.match(call.messages().at(-1), { result: { isError: true, content: [{ text: /MCP_ERR_DEADLINE/ }] } })
})
