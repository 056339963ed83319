/** The fixture has the tools that the suite uses. Without them, some scenarios would pass without a check. */
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { adaKey, modern, post, withKey } from '../support/service.js'
import { buildFixture } from './fixture.js'

async function fixture (t: Test): Promise<FastifyInstance> {
  const app = await buildFixture({ API_KEYS: adaKey, LOG_LEVEL: 'silent' })
  t.teardown(() => app.close())
  return app
}

async function call (app: FastifyInstance, name: string, params: Record<string, unknown> = {}) {
  const { headers, payload } = modern('tools/call', { name, ...params })
  const capabilities = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: {}, sampling: {}, roots: {} } }
  const meta = { ...payload.params?._meta as object, ...capabilities }
  return await post(app, { ...payload, params: { ...payload.params, _meta: meta } }, { ...withKey, ...headers })
}

t.test('the text tool returns a text', async t => {
  const { body } = await call(await fixture(t), 'test_simple_text')
  t.match(body.result, { content: [{ type: 'text', text: 'This is a simple text response for testing.' }] })
})

t.test('the failing tool returns a readable error', async t => {
  const { body } = await call(await fixture(t), 'test_error_handling')
  t.match(body.result, { isError: true, content: [{ text: 'This tool intentionally returns an error for testing' }] })
})

t.test('the elicitation tool asks for a name and uses it', async t => {
  const app = await fixture(t)
  const { body } = await call(app, 'test_input_required_result_elicitation')
  t.match(body.result, { resultType: 'input_required', inputRequests: { user_name: { method: 'elicitation/create' } } })
  const inputResponses = { user_name: { action: 'accept', content: { name: 'Ada' } } }
  const answer = await call(app, 'test_input_required_result_elicitation', {
    inputResponses,
    requestState: body.result.requestState
  })
  t.match(answer.body.result, { resultType: 'complete', content: [{ text: 'Hello, Ada!' }] })
})

t.test('a foreign request state is refused', async t => {
  const app = await fixture(t)
  const { body } = await call(app, 'test_input_required_result_tampered_state')
  const answer = await call(app, 'test_input_required_result_tampered_state', {
    requestState: `${String(body.result.requestState)}x`
  })
  t.match(answer.body.error, { code: -32602, data: { code: 'MCP_ERR_REQUEST_STATE' } })
})

for (const [name, list] of [
  ['test_trigger_tool_change', 'tools'],
  ['test_trigger_prompt_change', 'prompts']
] as const) {
  t.test(`${name} does not change the list`, async t => {
    const app = await fixture(t)
    const sizeOf = async (): Promise<number> => {
      const { headers, payload } = modern(`${list}/list`)
      return (await post(app, payload, { ...withKey, ...headers })).body.result[list].length
    }
    const before = await sizeOf()
    await call(app, name)
    t.equal(await sizeOf(), before)
  })
}
