/** Questions of an upstream: within a call they reach its caller; otherwise they are refused. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import t, { type Test } from 'tap'
import type { UpstreamOptions } from '../../src/upstreams/options.js'
import { adaKey, listening, modern, modernMeta, post, withKey } from '../support/service.js'
import { until } from '../support/until.js'
import { hostile, serving, textOf } from '../support/upstreams.js'

const questions = {
  'elicitation/create': {
    message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } }
  },
  'sampling/createMessage': { messages: [{ role: 'user', content: { type: 'text', text: 'Hello' } }], maxTokens: 1 },
  'roots/list': {}
}
type Method = keyof typeof questions

/** A client that answers and records every question. */
async function willing (t: Test, url: string, era: 'modern' | 'legacy'): Promise<{ ada: Client, asked: string[] }> {
  const asked: string[] = []
  const ada = new Client({ name: 'tests', version: '1' }, {
    capabilities: { elicitation: { form: {} }, sampling: {}, roots: {} },
    ...(era === 'modern' ? { versionNegotiation: { mode: { pin: '2026-07-28' } } } : {})
  })
  ada.setRequestHandler('elicitation/create', async () => {
    asked.push('elicitation/create')
    return { action: 'accept', content: { name: 'Ada' } }
  })
  ada.setRequestHandler('sampling/createMessage', async () => {
    asked.push('sampling/createMessage')
    return { model: 'm', role: 'assistant', content: { type: 'text', text: 'of Ada' } }
  })
  ada.setRequestHandler('roots/list', async () => {
    asked.push('roots/list')
    return { roots: [{ uri: 'file:///ada' }] }
  })
  await ada.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), {
    requestInit: { headers: { 'x-api-key': adaKey } }
  }))
  t.teardown(async () => { await ada.close() })
  return { ada, asked }
}

async function call (ada: Client, name: string, args: Record<string, unknown> = {}): Promise<unknown> {
  return JSON.parse(textOf(await ada.callTool({ name, arguments: args })))
}

async function ready (
  t: Test,
  era: 'modern' | 'legacy',
  members: UpstreamOptions
): Promise<{ ada: Client, asked: string[] }> {
  return await willing(t, await listening(await serving(t, { one: { ...hostile(), ...members } })), era)
}

for (const share of ['caller', 'all'] as const) {
  for (const era of ['modern', 'legacy'] as const) {
    t.test(`a question outside a call is refused, and no caller is asked (${share}, ${era})`, async t => {
      const { ada, asked } = await ready(t, era, { share, roots: 'caller' })
      for (const [method, params] of Object.entries(questions)) {
        t.equal(textOf(await ada.callTool({ name: 'ask-outside', arguments: { method, params } })), 'asked')
      }
      await until(async () => (await call(ada, 'told') as unknown[]).length === 3)
      const refused = { result: undefined, error: { code: -32603, message: 'No caller can be asked' } }
      t.match(await call(ada, 'told'), [refused, refused, refused])
      t.same(asked, [])
      t.equal(textOf(await ada.callTool({ name: 'echo' })), '{}', 'the next call is served')
    })

    t.test(`a question within a call is answered by its caller (${share}, ${era})`, async t => {
      const { ada, asked } = await ready(t, era, { share, roots: 'caller' })
      const said: Record<Method, unknown> = {
        'elicitation/create': { result: { action: 'accept', content: { name: 'Ada' } } },
        'sampling/createMessage': { result: { model: 'm', content: { text: 'of Ada' } } },
        'roots/list': { result: { roots: [{ uri: 'file:///ada' }] } }
      }
      for (const [method, params] of Object.entries(questions)) {
        t.match(await call(ada, 'ask-inside', { method, params }), said[method as Method], method)
      }
      t.same(asked, Object.keys(questions))
    })
  }
}

t.test('roots are not declared to an upstream unless its options allow it', async t => {
  const { ada, asked } = await ready(t, 'modern', {})
  const declared = await call(ada, 'capabilities') as Record<string, unknown>
  t.same(Object.keys(declared).sort(), ['elicitation', 'sampling'])
  t.match(await call(ada, 'ask-inside', { method: 'roots/list' }), { error: { code: -32601 } })
  t.same(asked, [])
})

t.test('all capabilities are declared to an upstream, whatever the caller supports', async t => {
  const url = await listening(await serving(t, { one: { ...hostile(), roots: 'caller' } }))
  const ada = new Client({ name: 'tests', version: '1' })
  await ada.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), {
    requestInit: { headers: { 'x-api-key': adaKey } }
  }))
  t.teardown(async () => { await ada.close() })
  t.same(Object.keys(await call(ada, 'capabilities') as object).sort(), ['elicitation', 'roots', 'sampling'])
  const params = questions['elicitation/create']
  t.match(await call(ada, 'ask-inside', { method: 'elicitation/create', params }), { error: {} })
})

t.test('answers resume a waiting call only with the request that started it', async t => {
  const app = await serving(t, { one: hostile(), two: hostile() })
  const _meta = { ...modernMeta, 'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } } }
  const send = async (params: Record<string, unknown>): Promise<Record<string, unknown>> => {
    const { headers, payload } = modern('tools/call', { _meta, ...params })
    return (await post(app, payload, { ...withKey, ...headers })).body.result
  }
  const params = questions['elicitation/create']
  const question = { name: 'one_ask-inside', arguments: { method: 'elicitation/create', params } }
  const { inputRequests, requestState } = await send(question)
  const [key = ''] = Object.keys(inputRequests as object)
  const inputResponses = { [key]: { action: 'accept', content: { name: 'Ada' } } }
  for (const name of ['one_echo', 'two_echo', 'two_ask-inside']) {
    const other = { ...question.arguments, params: { ...params, message: 'Who else?' } }
    t.match(await send({ name, arguments: other, inputResponses }), name.endsWith('echo')
      ? { content: [{ text: JSON.stringify(other) }] }
      : { resultType: 'input_required' }, name)
  }
  t.match(JSON.parse(textOf(await send({ ...question, inputResponses, requestState }))), {
    result: { content: { name: 'Ada' } }
  })
})
