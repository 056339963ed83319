/** Questions to the caller in revision 2026-07-28, and how answers are carried between rounds. */
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { mcpAuth } from '../../src/mcp-auth.js'
import { defineResource } from '../../src/tools/resource.js'
import { defineTool } from '../../src/tools/tool.js'
import { adaKey, callOf, modern, post, service, withKey, withToken } from '../support/service.js'
import { secret } from '../support/tokens.js'
import { secretOfTests } from '../support/witness.js'
import { unhandledRejections } from '../support/unhandled.js'

const stateKey = secretOfTests('a-state-key-of-the-tests-with-32-characters')
const schema = { type: 'object', properties: { text: { type: 'string', maxLength: 10 } }, required: ['text'] }
const accept = (text: string): object => ({ action: 'accept', content: { text } })

async function call (
  app: FastifyInstance,
  params: Record<string, unknown>,
  credential: Record<string, string> = withKey,
  url = '/mcp'
) {
  const { headers, payload } = modern('tools/call', params)
  const meta = {
    ...(payload.params?._meta as object),
    'io.modelcontextprotocol/clientCapabilities': { elicitation: {} }
  }
  const { body } = await post(
    app,
    { ...payload, params: { ...payload.params, _meta: meta } },
    { ...credential, ...headers },
    url
  )
  return body
}

/** A tool that asks two questions at once, in a different order in each run. */
function twoQuestions (keys: readonly string[] = []) {
  let runs = 0
  return defineTool({
    name: 'ask',
    handler: async (_args, { elicit }) => {
      const questions = ['First?', 'Second?'].map((message, index) => ({ message, index }))
      if (runs++ % 2 === 1) questions.reverse()
      const answers = await Promise.all(questions.map(async ({ message, index }) => {
        const { content } = await elicit({ message, schema }, keys[index])
        return `${message} ${String(content?.text)}`
      }))
      return answers.sort().join(', ')
    }
  })
}

t.test('answers are matched to questions by key, in any order', async t => {
  const app = await service(t, { tools: [twoQuestions(['first', 'second'])] })
  const { result } = await call(app, { name: 'ask' })
  t.match(result, {
    resultType: 'input_required',
    inputRequests: { first: { params: { message: 'First?' } }, second: { params: { message: 'Second?' } } }
  })
  const answer = await call(app, {
    name: 'ask',
    requestState: result.requestState,
    inputResponses: { first: accept('one'), second: accept('two') }
  })
  t.match(answer.result, { resultType: 'complete', content: [{ text: 'First? one, Second? two' }] })
})

t.test('without keys, answers are matched to questions by position', async t => {
  const app = await service(t, { tools: [twoQuestions()] })
  const { result } = await call(app, { name: 'ask' })
  t.match(result.inputRequests, {
    input_1: { params: { message: 'First?' } },
    input_2: { params: { message: 'Second?' } }
  })
})

t.test('only unanswered questions are asked again', async t => {
  const app = await service(t, { tools: [twoQuestions(['first', 'second'])] })
  const { result } = await call(app, { name: 'ask', inputResponses: { second: accept('two') } })
  t.same(Object.keys(result.inputRequests), ['first'])
  const answer = await call(app, {
    name: 'ask',
    requestState: result.requestState,
    inputResponses: { first: accept('one') }
  })
  t.match(answer.result, { content: [{ text: 'First? one, Second? two' }] })
})

t.test('a call that waits for answers does not count as a running call', async t => {
  const tool = { ...twoQuestions(['first', 'second']), concurrency: 1 }
  const app = await service(t, { tools: [tool] })
  const { result } = await call(app, { name: 'ask' })
  const again = await call(app, { name: 'ask' })
  t.match(again.result, { resultType: 'input_required' })
  const answer = await call(app, {
    name: 'ask',
    requestState: result.requestState,
    inputResponses: { first: accept('one'), second: accept('two') }
  })
  t.match(answer.result, { content: [{ text: 'First? one, Second? two' }] })
})

t.test('a request state is refused for another caller or tool, or when altered', async t => {
  const app = await service(t, { tools: [twoQuestions(['first', 'second']), { ...twoQuestions(), name: 'other' }] })
  const { requestState } = (await call(app, { name: 'ask' })).result
  const inputResponses = { first: accept('one'), second: accept('two') }
  for (const [params, credential] of [
    [{ name: 'ask', requestState }, withToken('eve')],
    [{ name: 'other', requestState }, withKey],
    [{ name: 'ask', arguments: { more: 1 }, requestState }, withKey],
    [{ name: 'ask', requestState: `${requestState}x` }, withKey],
    [{ name: 'ask', requestState: 7 }, withKey]
  ] as const) {
    const { error } = await call(app, { ...params, inputResponses }, credential)
    t.match(error, { code: -32602, data: { code: 'MCP_ERR_REQUEST_STATE' } })
  }
})

for (const [what, first, second, isGood] of [
  ['with the same JWT_SECRET', {}, {}, true],
  ['with another JWT_SECRET', {}, { JWT_SECRET: 'another-secret-of-the-tests-with-32-bytes' }, false],
  [
    'with the same REQUEST_STATE_KEY and another JWT_SECRET',
    { REQUEST_STATE_KEY: stateKey },
    { REQUEST_STATE_KEY: stateKey, JWT_SECRET: 'another-secret-of-the-tests-with-32-bytes' },
    true
  ],
  [
    'with only the same REQUEST_STATE_KEY',
    { REQUEST_STATE_KEY: stateKey, JWT_SECRET: '' },
    { REQUEST_STATE_KEY: stateKey, JWT_SECRET: '' },
    true
  ],
  ['without either secret', { JWT_SECRET: '' }, { JWT_SECRET: '' }, false],
  ['with another REQUEST_STATE_KEY', { REQUEST_STATE_KEY: stateKey }, {}, false]
] as const) {
  t.test(
    `an answer sent to another instance ${what} ${isGood ? 'is accepted' : 'is refused'}`,
    async t => {
      const one = await service(t, { tools: [twoQuestions(['first', 'second'])], env: first })
      const two = await service(t, { tools: [twoQuestions(['first', 'second'])], env: second })
      const { requestState } = (await call(one, { name: 'ask' })).result
      const { result, error } = await call(two, {
        name: 'ask',
        requestState,
        inputResponses: { first: accept('one'), second: accept('two') }
      })
      if (isGood) t.match(result, { content: [{ text: 'First? one, Second? two' }] })
      else t.match(error, { data: { code: 'MCP_ERR_REQUEST_STATE' } })
    }
  )
}

t.test('a request state of another endpoint with the same secret is refused', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  for (const prefix of ['/a', '/b']) {
    await app.register(mcpAuth, {
      prefix,
      apiKeys: [adaKey],
      jwtSecret: secret,
      tools: [twoQuestions(['first', 'second'])]
    })
  }
  const inputResponses = { first: accept('one'), second: accept('two') }
  const { requestState } = (await call(app, { name: 'ask' }, withKey, '/a/mcp')).result
  t.match(await call(app, { name: 'ask', requestState, inputResponses }, withKey, '/b/mcp'), {
    error: { data: { code: 'MCP_ERR_REQUEST_STATE' } }
  })
  t.match(await call(app, { name: 'ask', requestState, inputResponses }, withKey, '/a/mcp'), {
    result: { resultType: 'complete' }
  })
})

t.test('answers without a question are not carried over', async t => {
  const app = await service(t, { tools: [twoQuestions(['first', 'second'])] })
  const inputResponses = { second: accept('two') }
  const plain = await call(app, { name: 'ask', inputResponses })
  const stuffed = await call(app, {
    name: 'ask',
    inputResponses: { ...inputResponses, more: { text: 'x'.repeat(10_000) } }
  })
  t.equal(stuffed.result.requestState.length, plain.result.requestState.length)
})

for (const [what, inputResponses] of [
  ['an answer that does not fit the form', { first: accept('far too long'), second: accept('two') }],
  ['an answer without an action', { first: {}, second: accept('two') }],
  ['an answer that is a number', { first: 12345 }],
  ['answers that are a list', [accept('one')]]
] as const) {
  t.test(`${what} does not reach the tool`, async t => {
    const app = await service(t, { tools: [twoQuestions(['first', 'second'])] })
    const { error } = await call(app, { name: 'ask', inputResponses })
    t.match(error, { code: -32602, data: { code: 'MCP_ERR_INVALID_PARAMS' } })
  })
}

t.test('an unknown resource is named, and a hidden one looks the same', async t => {
  const app = await service(t, {
    resources: [
      defineResource({
        name: 'secret',
        uri: 'test://secret',
        access: { roles: ['admin'] },
        read: () => 'secret'
      })
    ]
  })
  const read = async (uri: string) => {
    const { headers, payload } = modern('resources/read', { uri })
    return (await post(app, payload, { ...withToken('eve'), ...headers })).body.error
  }
  const [hidden, missing] = [await read('test://secret'), await read('test://missing')]
  t.match(missing, { code: -32602, data: { uri: 'test://missing', code: 'MCP_ERR_UNKNOWN_RESOURCE' } })
  t.same(
    { ...hidden, data: { ...hidden.data, uri: '', requestId: '' } },
    { ...missing, data: { ...missing.data, uri: '', requestId: '' } }
  )
  t.notOk('uri' in (await read(`test://${'x'.repeat(3000)}`)).data)
})

t.test('a question that is not awaited does not end the process', async t => {
  const unhandled = unhandledRejections(t)
  const patient = defineTool({
    name: 'ask',
    handler: async (_args, { elicit, roots, sample }) => {
      const questions = [elicit({ message: 'Who?', schema }), roots(), sample({ messages: [], maxTokens: 1 })]
      await sleep(20)
      await Promise.all(questions)
      return 'asked'
    }
  })
  const app = await service(t, { tools: [patient] })
  t.match((await post(app, callOf('ask'), withKey)).body.result, { isError: true })
  const { headers, payload } = modern('tools/call', { name: 'ask' })
  t.match((await post(app, payload, { ...withKey, ...headers })).body.error, { code: -32021 })
  t.same(unhandled, [])
})
