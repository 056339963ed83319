/** Changes the policies of a running endpoint. */
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { AppOptions } from '../../../../src/app.js'
import type { Endpoint } from '../../../../src/mcp/endpoint.js'
import { defineTool, type Tool } from '../../../../src/tools/tool.js'
import { callOf, post, rpc, service } from '../../../support/service.js'

const search = defineTool({ name: 'search', handler: () => 'found' })
const adminsOnly = { access: { roles: ['admin' as const] } }

interface Served { readonly app: FastifyInstance, readonly endpoint: Endpoint }

async function serve (t: Test, tools: readonly Tool[], options: Partial<AppOptions> = {}): Promise<Served> {
  const found: Endpoint[] = []
  const app = await service(t, { tools, onEndpoint: endpoint => { found.push(endpoint) }, ...options })
  const [endpoint] = found
  if (endpoint === undefined) throw new Error('onEndpoint was not called')
  return { app, endpoint }
}

async function namesOf (app: FastifyInstance): Promise<string[]> {
  return (await post(app, rpc('tools/list'))).body.result.tools.map(({ name }: { name: string }) => name)
}

t.test('applyToolPolicies hides and shows a tool in lists and calls', async t => {
  const { app, endpoint } = await serve(t, [search])
  t.same(await namesOf(app), ['search', 'whoami'])
  endpoint.applyToolPolicies({ tools: { search: adminsOnly } })
  t.same(await namesOf(app), ['whoami'])
  t.match((await post(app, callOf('search'))).body, { error: { data: { code: 'MCP_ERR_UNKNOWN_TOOL' } } })
  endpoint.applyToolPolicies({})
  t.match((await post(app, callOf('search'))).body, { result: { content: [{ text: 'found' }] } })
})

t.test("applyToolPolicies never widens the tool's own access", async t => {
  const { app, endpoint } = await serve(t, [defineTool({ ...search, ...adminsOnly })])
  endpoint.applyToolPolicies({ tools: { search: { access: { roles: ['user'] } } } })
  t.same(await namesOf(app), ['whoami'])
})

t.test('applyToolPolicies applies to tools that are added later', async t => {
  const { app, endpoint } = await serve(t, [search])
  endpoint.applyToolPolicies({ default: { access: { roles: ['admin'] } } })
  endpoint.addTool(defineTool({ ...search, name: 'later' }))
  t.same(await namesOf(app), [])
  endpoint.removeTool('search')
  t.throws(
    () => {
      endpoint.applyToolPolicies({ tools: { search: {} } })
    },
    { name: 'ToolPolicyError', message: /tools\.search/ }
  )
  endpoint.applyToolPolicies({})
  t.same(await namesOf(app), ['later', 'whoami'])
})

t.test('applyToolPolicies with an unknown tool changes nothing', async t => {
  const { app, endpoint } = await serve(t, [search], { toolPolicies: { tools: { search: adminsOnly } } })
  t.throws(() => { endpoint.applyToolPolicies({ tools: { nope: {} } }) }, { name: 'ToolPolicyError' })
  t.throws(() => { Reflect.apply(endpoint.applyToolPolicies, endpoint, [{ default: { acces: {} } }]) }, {
    name: 'ToolPolicyError',
    message: /default/
  })
  t.same(await namesOf(app), ['whoami'])
})

t.test('applyToolPolicies changes a rate and keeps the count of others', async t => {
  const rate = { rate: { max: 1, windowMs: 60_000 } }
  const { app, endpoint } = await serve(t, [search, defineTool({ ...search, name: 'other' })], {
    toolPolicies: { tools: { other: rate } }
  })
  await post(app, callOf('other'))
  endpoint.applyToolPolicies({ tools: { other: rate, search: rate } })
  await post(app, callOf('search'))
  for (const name of ['search', 'other']) t.match((await post(app, callOf(name))).text, 'MCP_ERR_RATE_LIMITED', name)
})
