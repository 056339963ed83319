/** Retries of a call with an answer: an answer counts for one question, one caller, and a limited time. */
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { z } from 'zod'
import { definePrompt } from '../../src/tools/prompt.js'
import type { CallContext } from '../../src/tools/call-context.js'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { modern, post, service, withKey } from '../support/service.js'

const schema = { type: 'object', properties: { sure: { type: 'boolean' } }, required: ['sure'] }
const yes = { action: 'accept', content: { sure: true } }
const no = { action: 'accept', content: { sure: false } }

async function send (app: FastifyInstance, params: Record<string, unknown>, method = 'tools/call') {
  const { headers, payload } = modern(method, params)
  const meta = { ...payload.params?._meta as object, 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } }
  return await post(app, { ...payload, params: { ...payload.params, _meta: meta } }, { ...withKey, ...headers })
}

/** The messages in the input requests of a result. */
const questionsOf = (result: {
  inputRequests: Record<string, { params: { message: string } }>
}): Record<string, string> =>
  Object.fromEntries(Object.entries(result.inputRequests).map(([key, { params }]) => [key, params.message]))

const tool = (handler: (context: CallContext) => Promise<string>) =>
  defineTool({
    name: 'ask',
    input: z.looseObject({}),
    handler: async (_args, context) => await handler(context)
  })

/** A tool that asks two questions in sequence. The first one depends on the number of files. */
function wiper (files: { count: number }) {
  return tool(async ({ elicit }) => {
    const message = `Delete ${files.count} files?`
    const answers = [await elicit({ message, schema }, 'delete'), await elicit({ message: 'Sure?', schema }, 'sure')]
    return answers.map(({ content }) => String(content?.sure)).join()
  })
}

t.test('an answer does not count for another question with the same key', async t => {
  const files = { count: 3 }
  const app = await service(t, { tools: [wiper(files)] })
  const first = (await send(app, { name: 'ask' })).body.result
  files.count = 300
  const second = (
    await send(app, { name: 'ask', requestState: first.requestState, inputResponses: { delete: yes } })
  ).body.result
  t.same(questionsOf(second), { delete: 'Delete 300 files?' })
  const third = (
    await send(app, { name: 'ask', requestState: second.requestState, inputResponses: { delete: yes } })
  ).body.result
  t.same(questionsOf(third), { sure: 'Sure?' })
  files.count = 4000
  const fourth = (
    await send(app, { name: 'ask', requestState: third.requestState, inputResponses: { sure: yes } })
  ).body.result
  t.same(questionsOf(fourth), { delete: 'Delete 4000 files?' })
})

t.test('elicit does not ask again once answered, and refuses a replayed state', async t => {
  const app = await service(t, { tools: [wiper({ count: 3 })] })
  const first = (await send(app, { name: 'ask' })).body.result
  const second = (
    await send(app, { name: 'ask', requestState: first.requestState, inputResponses: { delete: no } })
  ).body.result
  const { result } = (
    await send(app, {
      name: 'ask',
      requestState: second.requestState,
      inputResponses: { delete: yes, sure: yes }
    })
  ).body
  t.equal(result.content[0].text, 'false,true')
})

t.test('an answer to a question that was not asked is ignored', async t => {
  const app = await service(t, { tools: [wiper({ count: 3 })] })
  const first = (await send(app, { name: 'ask' })).body.result
  const second = (
    await send(app, {
      name: 'ask',
      requestState: first.requestState,
      inputResponses: { delete: yes, sure: yes }
    })
  ).body.result
  t.same(questionsOf(second), { sure: 'Sure?' })
})

t.test('a question asked after the first round was sent waits for the next', async t => {
  const late = tool(async ({ elicit }) => {
    const first = elicit({ message: 'First?', schema }, 'first')
    await new Promise(resolve => { setImmediate(resolve) })
    const second = elicit({ message: 'Second?', schema }, 'second')
    return (await Promise.all([first, second])).map(({ content }) => String(content?.sure)).join()
  })
  const app = await service(t, { tools: [late] })
  const first = (await send(app, { name: 'ask' })).body.result
  t.same(questionsOf(first), { first: 'First?' })
  const second = (
    await send(app, { name: 'ask', requestState: first.requestState, inputResponses: { first: yes } })
  ).body.result
  t.same(questionsOf(second), { second: 'Second?' })
  const { result } = (
    await send(app, { name: 'ask', requestState: second.requestState, inputResponses: { second: no } })
  ).body
  t.equal(result.content[0].text, 'true,false')
})

t.test('the request state depends on argument values, not on their order', async t => {
  const app = await service(t, { tools: [wiper({ count: 3 })] })
  const { requestState } = (await send(app, { name: 'ask', arguments: { a: 1, b: { c: 2, d: [3, 4] } } })).body.result
  const inputResponses = { delete: yes }
  const again = await send(app, {
    name: 'ask',
    arguments: { b: { d: [3, 4], c: 2 }, a: 1 },
    requestState,
    inputResponses
  })
  t.same(questionsOf(again.body.result), { sure: 'Sure?' })
  const other = await send(app, {
    name: 'ask',
    arguments: { a: 1, b: { c: 2, d: [4, 3] } },
    requestState,
    inputResponses
  })
  t.equal(other.body.error.data.code, 'MCP_ERR_REQUEST_STATE')
})

t.test('the request state of a tool is refused for a prompt of the same name', async t => {
  const prompt = definePrompt({
    name: 'ask',
    handler: async (_args, { elicit }) =>
      String((await elicit({ message: 'Delete 3 files?', schema }, 'delete')).content?.sure)
  })
  const app = await service(t, { tools: [wiper({ count: 3 })], prompts: [prompt] })
  const { requestState } = (await send(app, { name: 'ask' })).body.result
  const { body } = await send(app, { name: 'ask', requestState, inputResponses: { delete: yes } }, 'prompts/get')
  t.equal(body.error.data.code, 'MCP_ERR_REQUEST_STATE')
})

t.test('a request state expires after ten minutes', async t => {
  const { now } = Date
  t.teardown(() => { Date.now = now })
  const app = await service(t, { tools: [wiper({ count: 3 })] })
  const { requestState } = (await send(app, { name: 'ask' })).body.result
  const again = async () => (await send(app, { name: 'ask', requestState, inputResponses: { delete: yes } })).body
  Date.now = () => now() + 590_000
  t.match((await again()).result, { resultType: 'input_required' })
  Date.now = () => now() + 610_000
  t.equal((await again()).error.data.code, 'MCP_ERR_REQUEST_STATE')
})

for (const [what, keys] of [
  ['two questions with the same key', ['same', 'same']],
  ['a key equal to the generated key of another question', ['input_1', undefined]],
  ['a key named like a prototype member', ['__proto__']]
] as const) {
  t.test(`a call with ${what} fails, and the log has the reason`, async t => {
    const logStream = logSink()
    const app = await service(t, {
      logStream,
      tools: [
        tool(async ({ elicit }) =>
          (
            await Promise.all(
              keys.map(async (key, index) => await elicit({ message: `${index}?`, schema }, key))
            )
          ).join()
        )
      ]
    })
    const { body } = await send(app, { name: 'ask' })
    t.match(body.result, { isError: true, content: [{ text: /^Internal error/ }] })
    t.match(logStream.text(), /each question of a call needs its own key/)
  })
}

t.test('the signal of a suspended handler is aborted', async t => {
  let signal: AbortSignal | undefined
  const app = await service(t, {
    tools: [
      tool(async context => {
        signal = context.signal
        return String(await context.elicit({ message: 'Yes?', schema }))
      })
    ]
  })
  t.match((await send(app, { name: 'ask' })).body.result, { resultType: 'input_required' })
  t.equal(signal?.aborted, true)
})

t.test('a completer cannot ask, but can complete without asking', async t => {
  const prompt = definePrompt({
    name: 'pick',
    input: z.object({ file: z.string(), other: z.string().optional() }),
    complete: {
      file: async (_text, { elicit }) =>
        await elicit({ message: 'Which?', schema }).then(
          () => ['asked'],
          () => ['not asked']
        )
    },
    handler: ({ file }) => file
  })
  const app = await service(t, { prompts: [prompt] })
  const { body } = await send(
    app,
    { ref: { type: 'ref/prompt', name: 'pick' }, argument: { name: 'file', value: '' } },
    'completion/complete'
  )
  t.same(body.result.completion.values, ['not asked'])
})
