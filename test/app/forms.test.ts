/** Forms from zod schemas: what clients receive, and what handlers get from an answer. */
import t from 'tap'
import { z } from 'zod'
import { formSchemaOf } from '../../src/mcp/schemas/form.js'
import { defineTool } from '../../src/tools/tool.js'
import { modern, post, service, withKey } from '../support/service.js'

const booking = z.object({
  seats: z.coerce.number().int().min(1).describe('How many'),
  email: z.email(),
  size: z.enum(['s', 'm']).default('m'),
  toppings: z.array(z.enum(['ham', 'figs'])).optional(),
  isGift: z.boolean().meta({ title: 'A gift?' }).optional()
})

t.test('a zod form is sent as a flat schema of primitives', async t => {
  t.same(formSchemaOf(booking), {
    type: 'object',
    properties: {
      seats: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'How many' },
      email: { type: 'string', format: 'email' },
      size: { type: 'string', enum: ['s', 'm'], default: 'm' },
      toppings: { type: 'array', items: { type: 'string', enum: ['ham', 'figs'] } },
      isGift: { type: 'boolean', title: 'A gift?' }
    },
    required: ['seats', 'email']
  })
})

for (const [what, schema] of [
  ['an object', z.object({ a: z.object({}) })],
  ['a list of strings', z.object({ a: z.array(z.string()) })],
  ['anything', z.object({ a: z.any() })]
] as const) {
  t.test(`a form with ${what} is rejected`, async t => {
    t.throws(() => formSchemaOf(schema), TypeError)
  })
}

t.test("elicit returns the parsed and typed output of the form's schema", async t => {
  const tool = defineTool({
    name: 'book',
    handler: async (_args, { elicit }) => {
      const answer = await elicit({ message: 'Your booking', schema: booking })
      if (answer.action !== 'accept') return answer.action
      const { seats, size }: { seats: number, size: 's' | 'm' } = answer.content
      return `${seats + 1} ${size}`
    }
  })
  const app = await service(t, { tools: [tool] })
  const send = async (content: Record<string, unknown>): Promise<ReturnType<typeof JSON.parse>> => {
    const capabilities = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': { elicitation: {} }
    }
    const { headers, payload } = modern('tools/call', {
      name: 'book',
      arguments: {},
      inputResponses: { input_1: { action: 'accept', content } },
      _meta: capabilities
    })
    return (await post(app, payload, { ...withKey, ...headers })).body
  }
  t.match((await send({ seats: 2, email: 'ada@example.com' })).result, { content: [{ text: '3 m' }] })
  t.match((await send({ seats: 0, email: 'ada@example.com' })).error, { data: { code: 'MCP_ERR_INVALID_PARAMS' } })
})

t.test('endpoint lists tools by tags, which callers never see', async t => {
  const tools = [
    defineTool({ name: 'a', tags: ['read', 'billing'], handler: () => '' }),
    defineTool({ name: 'b', tags: ['write'], access: { roles: ['admin'] }, handler: () => '' }),
    defineTool({ name: 'c', handler: () => '' })
  ]
  const app = await service(t, { tools, builtIns: false })
  const names = (filter?: Parameters<typeof app.mcp.listTools>[0]): string[] =>
    app.mcp.listTools(filter).map(({ name }) => name)
  t.same(names(), ['a', 'b', 'c'])
  t.same(names({ tags: ['billing', 'write'] }), ['a', 'b'])
  t.same(names({ tags: [] }), [])
  t.same(names({ principal: { id: 'x', role: 'user', scopes: [], method: 'api-key' } as never }), ['a', 'c'])
  t.notMatch((await post(app, { jsonrpc: '2.0', id: 1, method: 'tools/list' })).text, /billing/)
})
