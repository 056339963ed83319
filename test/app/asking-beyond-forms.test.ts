/** URL requests and sampling with tools: sent only to clients that support them, in both eras. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { CreateMessageRequestSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { defineTool } from '../../src/tools/tool.js'
import { listening, modern, post, service, withKey } from '../support/service.js'

const request = {
  messages: [{ role: 'user' as const, content: { type: 'text' as const, text: 'What is the weather?' } }],
  maxTokens: 100,
  systemPrompt: 'Be short',
  temperature: 0.5,
  stopSequences: ['.'],
  modelPreferences: { hints: [{ name: 'small' }], costPriority: 1 },
  metadata: { trace: 'x' }
}
const look = { name: 'look', inputSchema: { type: 'object' } }
const toolUse = { type: 'tool_use' as const, name: 'look', id: 'c1', input: { where: 'out' } }
const page = { message: 'Sign in', url: 'https://example.com/sign-in' }

const tools = [
  defineTool({
    name: 'say',
    handler: async (_args, { sample }) => JSON.stringify((await sample(request)).content)
  }),
  defineTool({
    name: 'use',
    handler: async (_args, { sample }) =>
      JSON.stringify((await sample({ ...request, tools: [look], toolChoice: { mode: 'auto' } })).content)
  }),
  defineTool({ name: 'send', handler: async (_args, { elicit }) => JSON.stringify(await elicit(page)) })
]

async function sessionOf (
  t: Test,
  app: FastifyInstance,
  capabilities: object
): Promise<{ client: Client; asked: Array<Record<string, unknown>> }> {
  const url = await listening(app)
  const client = new Client({ name: 'tests', version: '0' }, { capabilities })
  const asked: Array<Record<string, unknown>> = []
  if ('sampling' in capabilities) {
    client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => {
      asked.push(params)
      return {
        role: 'assistant',
        model: 'm',
        content: params.tools === undefined ? { type: 'text', text: 'sun' } : [toolUse]
      }
    })
  }
  if ('elicitation' in capabilities) {
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      asked.push(params)
      return { action: 'accept' }
    })
  }
  const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), {
    requestInit: { headers: withKey }
  })
  // The types of the SDK disagree about an optional field.
  await client.connect(transport as Parameters<Client['connect']>[0])
  t.teardown(async () => {
    await client.close()
  })
  return { client, asked }
}

t.test('in a session, sample passes the whole request to the model and returns its answer', async t => {
  const { client, asked } = await sessionOf(t, await service(t, { sessions: true, tools }), { sampling: { tools: {} } })
  t.match((await client.callTool({ name: 'say' })).content, [{ text: '{"type":"text","text":"sun"}' }])
  t.match((await client.callTool({ name: 'use' })).content, [{ text: JSON.stringify([toolUse]) }])
  t.match(asked, [request, { ...request, tools: [look], toolChoice: { mode: 'auto' } }])
})

t.test('in a session, elicit sends each URL request with its own id', async t => {
  const { client, asked } = await sessionOf(t, await service(t, { sessions: true, tools }), {
    elicitation: { form: {}, url: {} }
  })
  for (let i = 0; i < 2; i++) {
    t.match((await client.callTool({ name: 'send' })).content, [{ text: '{"action":"accept"}' }])
  }
  t.match(asked, [{ mode: 'url', ...page, elicitationId: String }, { mode: 'url', ...page }])
  t.not(asked[0]?.elicitationId, asked[1]?.elicitationId)
})

t.test('in a session, unsupported requests are not sent to the client', async t => {
  const { client, asked } = await sessionOf(t, await service(t, { sessions: true, tools }), {
    elicitation: { form: {} },
    sampling: {}
  })
  for (const name of ['use', 'send']) {
    t.match(await client.callTool({ name }), { isError: true, content: [{ text: /cannot be asked/ }] })
  }
  t.same(asked, [])
})

async function called (app: FastifyInstance, name: string, capabilities: object, more: object = {}) {
  const { headers, payload } = modern('tools/call', { name })
  const _meta = { ...payload.params?._meta as object, 'io.modelcontextprotocol/clientCapabilities': capabilities }
  return await post(app, { ...payload, params: { ...payload.params, ...more, _meta } }, { ...withKey, ...headers })
}

for (const [name, capabilities, lacking, answer, expected] of [
  [
    'use',
    { sampling: { tools: {} } },
    { sampling: {} },
    { role: 'assistant', model: 'm', content: [toolUse] },
    { method: 'sampling/createMessage', params: { ...request, tools: [look], toolChoice: { mode: 'auto' } } }
  ],
  [
    'send',
    { elicitation: { form: {}, url: {} } },
    { elicitation: { form: {} } },
    { action: 'accept' },
    { method: 'elicitation/create', params: { mode: 'url', ...page } }
  ]
] as const) {
  t.test(
    `in 2026-07-28 ${name === 'use' ? 'sample offers tools' : 'elicit sends a URL'} only to clients that declare it`,
    async t => {
      const app = await service(t, { tools })
      const { result } = (await called(app, name, capabilities)).body
      t.same(result.inputRequests, { input_1: expected })
      const { body } = await called(app, name, capabilities, {
        requestState: result.requestState,
        inputResponses: { input_1: answer }
      })
      t.match(body.result, {
        resultType: 'complete',
        content: [{ text: name === 'use' ? JSON.stringify([toolUse]) : '{"action":"accept"}' }]
      })
      const refused = await called(app, name, lacking)
      t.equal(refused.status, 400)
      t.match(refused.body.error, {
        code: -32021,
        data: {
          requiredCapabilities: name === 'use' ? { sampling: { tools: {} } } : { elicitation: { url: {} } }
        }
      })
    }
  )
}
