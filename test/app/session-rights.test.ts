/** One caller with two credentials: the one with fewer rights cannot affect the calls of the other. */
import t from 'tap'
import { defineTool } from '../../src/tools/tool.js'
import { generateToken } from '../../src/tokens/generate.js'
import { succeeds } from '../support/play.js'
import { begin, openSession, settles } from '../support/session.js'
import { callOf, listening, post, rpc, service, withToken } from '../support/service.js'
import { secret } from '../support/tokens.js'
import { until } from '../support/until.js'
import { credentialOfTests } from '../support/witness.js'

const schema = { type: 'object', properties: {} }
const ask = defineTool({
  name: 'ask',
  access: { roles: ['admin'] },
  handler: async (_args, context) => (await context.elicit({ message: 'Go on?', schema })).action
})
const askAll = defineTool({ name: 'ask-all', handler: ask.handler })
const [admin, user] = [withToken('ada', 'admin'), withToken('ada')]

async function asked (t: Parameters<typeof service>[0], tool = 'ask') {
  const app = await service(t, { sessions: {}, tools: [ask, askAll] })
  const url = await listening(app)
  const session = await openSession(app, { capabilities: { elicitation: {} }, credential: admin })
  const call = await begin(url, callOf(tool, {}, 7), session)
  await until(() => call.messages().length > 0)
  return { app, url, session, call, id: call.messages()[0]?.id as number }
}

t.test('an answer with fewer rights than the call is refused, and the call waits', async t => {
  const { app, session, call, id } = await asked(t)
  const answer = { jsonrpc: '2.0', id, result: { action: 'accept', content: {} } }
  t.match(await post(app, answer, { ...session, ...user }), {
    status: 404,
    body: { error: { data: { code: 'MCP_ERR_SESSION_NOT_FOUND' } } }
  })
  t.equal((await post(app, { ...answer, result: { action: 'decline' } }, session)).status, 202)
  t.ok(await settles(call.ended))
  t.match(call.messages().at(-1), { id: 7, result: { content: [{ text: 'decline' }] } })
})

t.test('a cancellation with fewer rights than the call is refused', async t => {
  const { app, session, call, id } = await asked(t)
  const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } }
  t.equal((await post(app, cancel, { ...session, ...user })).status, 404)
  t.equal((await post(app, { jsonrpc: '2.0', id, result: { action: 'decline' } }, session)).status, 202)
  t.ok(await settles(call.ended))
  t.match(call.messages().at(-1), { id: 7, result: { content: [{ text: 'decline' }] } })
})

t.test('a DELETE with fewer rights than the session is refused', async t => {
  const { app, session, call, id } = await asked(t)
  t.equal((await app.inject({ method: 'DELETE', url: '/mcp', headers: { ...session, ...user } })).statusCode, 404)
  t.equal((await post(app, { jsonrpc: '2.0', id, result: { action: 'decline' } }, session)).status, 202)
  t.ok(await settles(call.ended))
  t.match(call.messages().at(-1), { id: 7, result: { content: [{ text: 'decline' }] } })
  t.equal((await app.inject({ method: 'DELETE', url: '/mcp', headers: session })).statusCode, 200)
  t.equal((await post(app, rpc('ping'), session)).status, 404)
})

t.test('a credential with more rights may answer the call', async t => {
  const app = await service(t, { sessions: {}, tools: [ask, askAll] })
  const url = await listening(app)
  const session = await openSession(app, { capabilities: { elicitation: {} }, credential: user })
  const call = await begin(url, callOf('ask-all', {}, 7), session)
  await until(() => call.messages().length > 0)
  t.equal(
    (
      await post(
        app,
        { jsonrpc: '2.0', id: call.messages()[0]?.id, result: { action: 'decline' } },
        { ...session, ...admin }
      )
    ).status,
    202
  )
  t.ok(await settles(call.ended))
  t.match(call.messages().at(-1), { id: 7, result: { content: [{ text: 'decline' }] } })
})

t.test('a call that waits for an answer ends with its token', async t => {
  const app = await service(t, { sessions: {}, tools: [askAll] })
  const url = await listening(app)
  const session = await openSession(app, { capabilities: { elicitation: {} }, credential: user })
  const asksBeforeTheEnd = async (factor: number): Promise<boolean> => {
    const token = credentialOfTests(generateToken('ada', 'user', `${2 * factor}s`, { secret }))
    const call = await begin(url, callOf('ask-all', {}, 7), { ...session, authorization: `Bearer ${token}` })
    t.ok(await settles(call.ended))
    const [question] = call.messages()
    if (question?.method !== 'elicitation/create') return false
    const answer = { jsonrpc: '2.0', id: question.id, result: { action: 'accept', content: {} } }
    t.equal((await post(app, answer, session)).status, 202)
    t.equal(call.messages().some(({ result }) => result !== undefined), false)
    return true
  }
  t.ok(await succeeds(asksBeforeTheEnd))
})
