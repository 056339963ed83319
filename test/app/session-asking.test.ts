/** Questions to the caller in a session: who can be asked, and the effect of answers and refusals. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { type Headers, type Reading, begin, openSession, settles } from '../support/session.js'
import { callOf, listening, modern, post, service, withKey } from '../support/service.js'
import { stopClock } from '../support/stopped-clock.js'
import { unhandledRejections } from '../support/unhandled.js'
import { until } from '../support/until.js'

const schema = { type: 'object', properties: {} }
const elicit = defineTool({
  name: 'elicit',
  handler: async (_args, context) => (await context.elicit({ message: 'Go on?', schema })).action
})
const sample = defineTool({
  name: 'sample',
  handler: async (_args, context) =>
    JSON.stringify(
      await context.sample({
        messages: [{ role: 'user', content: { type: 'text', text: 'Hello' } }],
        maxTokens: 5
      })
    )
})

/** Starts a call, and resolves once it has asked its question, with the id of the question. */
async function asked (
  app: FastifyInstance,
  tool: string,
  capabilities: object
): Promise<{ call: Reading; session: Headers; id: number }> {
  const url = await listening(app)
  const session = await openSession(app, { capabilities })
  const call = await begin(url, callOf(tool, {}, 7), session)
  await until(() => call.messages().length > 0)
  return { call, session, id: call.messages()[0]?.id }
}

for (const [what, tool, capabilities] of [
  ['a question', 'elicit', { elicitation: {} }],
  ['a request to its model', 'sample', { sampling: {} }]
] as const) {
  t.test(`a client that refuses ${what} makes the tool fail without a fault`, async t => {
    const sink = logSink()
    const app = await service(t, { sessions: {}, logStream: sink, tools: [elicit, sample] })
    const { call, session, id } = await asked(app, tool, capabilities)
    await post(
      app,
      { jsonrpc: '2.0', id, error: { code: -1, message: 'User rejected sampling request' } },
      session
    )
    t.ok(await settles(call.ended))
    t.match(call.messages().at(-1), {
      id: 7,
      result: { isError: true, content: [{ text: 'The caller refused' }] }
    })
    t.equal(
      sink.lines().some(({ level }) => level === 50),
      false
    )
  })

  t.test(`an invalid answer to ${what} is not a fault`, async t => {
    const sink = logSink()
    const app = await service(t, { sessions: {}, logStream: sink, tools: [elicit, sample] })
    const { call, session, id } = await asked(app, tool, capabilities)
    await post(app, { jsonrpc: '2.0', id, result: { action: 'perhaps' } }, session)
    t.ok(await settles(call.ended))
    t.match(call.messages().at(-1), { id: 7, error: { data: { code: 'MCP_ERR_INVALID_PARAMS' } } })
    t.equal(
      sink.lines().some(({ level }) => level === 50),
      false
    )
  })
}

t.test('cancelling a call cancels its question', async t => {
  const app = await service(t, { sessions: {}, tools: [elicit] })
  const { call, session, id } = await asked(app, 'elicit', { elicitation: {} })
  await post(app, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } }, session)
  t.ok(await settles(call.ended))
  t.match(call.messages(), [
    { method: 'elicitation/create' },
    { method: 'notifications/cancelled', params: { requestId: id } }
  ])
})

t.test('an answered question is not cancelled', async t => {
  const app = await service(t, { sessions: {}, tools: [elicit] })
  const { call, session, id } = await asked(app, 'elicit', { elicitation: {} })
  await post(app, { jsonrpc: '2.0', id, result: { action: 'decline' } }, session)
  t.ok(await settles(call.ended))
  t.match(call.messages(), [{ method: 'elicitation/create' }, { id: 7, result: { content: [{ text: 'decline' }] } }])
  t.equal(call.messages().length, 2)
})

t.test('a question that is not awaited is cancelled with the answer of the call', async t => {
  const unhandled = unhandledRejections(t)
  let isWorking = (): boolean => false
  const hasty = defineTool({
    name: 'hasty',
    handler: async (_args, context) => {
      const { signal } = context
      isWorking = () => !signal.aborted
      context.elicit({ message: 'Go on?', schema }).then(({ action }) => action)
      return await sleep(50, 'never mind')
    }
  })
  const app = await service(t, { sessions: {}, tools: [hasty] })
  const { call, id } = await asked(app, 'hasty', { elicitation: {} })
  t.ok(await settles(call.ended))
  t.match(call.messages(), [
    { method: 'elicitation/create' },
    { method: 'notifications/cancelled', params: { requestId: id } },
    { id: 7, result: { content: [{ text: 'never mind' }] } }
  ])
  await sleep(50)
  t.same(unhandled, [])
  t.ok(isWorking(), 'the signal of a successful call is not aborted')
})

for (const [what, hangs] of [['is answered', false], ['ends at its deadline if it hangs', true]] as const) {
  t.test(`a call whose two questions are answered at different times ${what}`, async t => {
    const clock = stopClock(t)
    let isAnswered = false
    const two = defineTool({
      name: 'two',
      deadlineMs: 400,
      handler: async (_args, context) => {
        const answers = await Promise.all([1, 2].map(async n => await context.elicit({ message: `${n}?`, schema })))
        isAnswered = true
        return hangs ? await new Promise<never>(() => {}) : answers.map(({ action }) => action).join(' ')
      }
    })
    const app = await service(t, { sessions: {}, tools: [two] })
    const { call, session } = await asked(app, 'two', { elicitation: {} })
    await until(() => call.messages().length === 2)
    const [first, second] = call.messages()
    await post(app, { jsonrpc: '2.0', id: first.id, result: { action: 'accept', content: {} } }, session)
    clock.pass(600)
    // Deadlines are checked several times meanwhile.
    await sleep(100)
    await post(app, { jsonrpc: '2.0', id: second.id, result: { action: 'accept', content: {} } }, session)
    await until(() => isAnswered)
    if (hangs) clock.pass(400)
    t.ok(await settles(call.ended))
    t.match(
      call.messages().at(-1),
      hangs
        ? { id: 7, result: { isError: true, content: [{ text: /MCP_ERR_DEADLINE/ }] } }
        : { id: 7, result: { content: [{ text: 'accept accept' }] } }
    )
  })
}

for (const [capability, can] of [
  [{}, true],
  [{ form: {} }, true],
  [{ form: {}, url: {} }, true],
  [{ url: {} }, false]
] as const) {
  t.test(
    `a client with elicitation ${JSON.stringify(capability)} gets ${can ? 'a' : 'no'} form, in both eras`,
    async t => {
      const app = await service(t, { sessions: {}, tools: [elicit] })
      const url = await listening(app)
      const call = await begin(
        url,
        callOf('elicit', {}, 7),
        await openSession(app, { capabilities: { elicitation: capability } })
      )
      await until(() => call.messages().length > 0)
      t.match(call.messages()[0], can ? { method: 'elicitation/create' } : { result: { isError: true } })
      const { headers, payload } = modern('tools/call', { name: 'elicit' })
      const meta = {
        ...(payload.params?._meta as object),
        'io.modelcontextprotocol/clientCapabilities': { elicitation: capability }
      }
      const { body } = await post(
        app,
        { ...payload, params: { ...payload.params, _meta: meta } },
        { ...withKey, ...headers }
      )
      t.match(
        body,
        can
          ? { result: { resultType: 'input_required' } }
          : { error: { code: -32021, data: { code: 'MCP_ERR_MISSING_CAPABILITY' } } }
      )
    }
  )
}
