/** Tools with one finding each. The built-in tools have none. */
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { z } from 'zod'
import { price, reprice } from '../../../examples/embed.js'
import { refreshUsage, usageApp } from '../../../examples/app.js'
import { order } from '../../../examples/own-tools.js'
import { buildTenants, openDatabase } from '../../../examples/tenants.js'
import { loadConfig } from '../../../src/config/load.js'
import { lintTools, type LintOptions } from '../../../src/lint/lint.js'
import { lintSettings } from '../../../src/lint/settings.js'
import { type Tool, type ToolDefinition } from '../../../src/tools/tool.js'
import { credentialOfTests } from '../../support/witness.js'
import { secret } from '../../support/tokens.js'
import { generateToken } from '../../../src/tokens/generate.js'
import { credentials, post, rpc, service } from '../../support/service.js'

const good: Tool = {
  name: 'good',
  title: 'Good',
  description: 'Does good.',
  annotations: { readOnlyHint: true, destructiveHint: false, openWorldHint: false },
  handler: async () => 'ok'
}
const methods = (schema: z.ZodType): Partial<ToolDefinition> => ({
  input: z.object({ url: z.string(), method: schema })
})
const { title: _title, ...untitled } = good
const { description: _description, ...silent } = good

type Case = readonly [id: string, what: string, tool: Tool, options?: LintOptions]
const bad: readonly Case[] = [
  ['title', 'without a title', untitled],
  ['title', 'with an empty title', { ...good, title: ' ' }],
  ['hints', 'without annotations', { ...good, annotations: {} }],
  ['hints', 'without openWorldHint', { ...good, annotations: { readOnlyHint: true, destructiveHint: false } }],
  ['hints', 'without destructiveHint', { ...good, annotations: { readOnlyHint: true, openWorldHint: true } },
    { for: 'chatgpt' }],
  ['hints', 'with openWorldHint alone', { ...good, annotations: { openWorldHint: true } }, { for: 'claude' }],
  ['hints-contradict', 'that reads only and destroys',
    { ...good, annotations: { readOnlyHint: true, destructiveHint: true, openWorldHint: false } }],
  ['name-length', 'with a name of 65 characters', { ...good, name: 'n'.repeat(65) }],
  ['name-form', 'with a dot in its name', { ...good, name: 'a.b' }],
  ['description', 'without a description', silent],
  ['description-length', 'with a description of 1,025 characters', { ...good, description: 'd'.repeat(1025) }],
  ['schema-length', 'with a large input schema',
    { ...good, input: z.object({ a: z.string().describe('d'.repeat(8200)) }) }],
  ['schema-length', 'with a large output schema',
    { ...good, output: z.object({ a: z.string().describe('d'.repeat(8200)) }) }],
  ['catch-all', 'with any method', { ...good, ...methods(z.string()) }],
  ['catch-all', 'with a choice of methods', { ...good, ...methods(z.enum(['GET', 'POST'])) }],
  ['catch-all', 'with an http_method', { ...good, input: z.object({ http_method: z.string() }) }],
  ['result-length', 'with its own large result limit', { ...good, maxResultBytes: 2 ** 21 }],
  ['result-length', 'without its own limit, below a large default', good, { resultLimit: 2 ** 23 }],
  ['result-length', 'without any result limit', good, { resultLimit: Infinity }]
]
for (const [id, what, tool, options] of bad) {
  t.test(`lintTools reports only ${id} for a tool ${what}`, async t => {
    t.same(lintTools([tool], options).map(finding => [finding.id, finding.tool]), [[id, tool.name]])
  })
}

const fine: ReadonlyArray<readonly [what: string, tool: Tool, options?: LintOptions]> = [
  ['with all members', good],
  ['with its title in the annotations', { ...untitled, annotations: { ...good.annotations, title: 'Good' } }],
  ['with one of the hints, for Claude', { ...good, annotations: { readOnlyHint: true } }, { for: 'claude' }],
  ['with one method', { ...good, ...methods(z.literal('GET')) }],
  ['with its own limit below a large limit', { ...good, maxResultBytes: 1000 }, { resultLimit: 2 ** 23 }],
  ['with a name of 64 characters', { ...good, name: 'n'.repeat(64) }]
]
for (const [what, tool, options] of fine) {
  t.test(`lintTools reports nothing for a tool ${what}`, async t => { t.same(lintTools([tool], options), []) })
}

t.test('the built-in tools have no findings', async t => {
  const PUBLIC_URL = 'https://mcp.example.com'
  const app = await service(t, { env: { PUBLIC_URL, OAUTH_SERVER: 'on' } })
  await app.ready()
  const tools = app.mcp.listTools()
  t.ok(tools.length >= 7)
  for (const directory of [undefined, 'claude', 'chatgpt'] as const) t.same(lintTools(tools, { for: directory }), [])
})

t.test('the tools of the examples have no findings', async t => {
  const { app, tools } = await buildTenants(openDatabase())
  t.teardown(() => app.close())
  t.same(lintTools([usageApp.tool, refreshUsage, order, price, reprice, ...tools]), [])
})

t.test('lintSettings reports what a directory requires', async t => {
  const of = (env: Record<string, string>): ReturnType<typeof loadConfig>['config'] =>
    loadConfig({ env: { ...credentials, ...env } }).config
  const ids = (env: Record<string, string>, directory: 'claude' | 'chatgpt'): string[] =>
    lintSettings(of(env), directory).map(({ id }) => id)
  t.same(ids({}, 'claude'), ['public-url', 'oauth'])
  t.same(ids({}, 'chatgpt'), ['public-url', 'oauth', 'challenge'])
  const env = { PUBLIC_URL: 'https://mcp.example.com', OAUTH_SERVER: 'on', OPENAI_APPS_CHALLENGE: 'token' }
  t.same(ids(env, 'claude'), [])
  t.same(ids(env, 'chatgpt'), [])
})

t.test('lists show scopes to ChatGPT only if clients can sign in', async t => {
  const tools = [{ ...good, name: 'read', access: { scopes: ['notes:read'] } }, good]
  const env = { PUBLIC_URL: 'https://mcp.example.com', OAUTH_SERVER: 'on', ALLOWED_HOSTS: 'localhost' }
  const app = await service(t, { env, tools })
  const list = async (app: FastifyInstance): Promise<Array<Record<string, unknown>>> => {
    const audience = 'https://mcp.example.com/mcp'
    const token = generateToken('ada', 'user', '1h', { secret, scopes: ['notes:read'], audience })
    const authorization = `Bearer ${credentialOfTests(token)}`
    const { body } = await post(app, rpc('tools/list'), { authorization, host: 'localhost' })
    return body.result.tools
  }
  const shown = (await list(app)).map(({ name, securitySchemes, _meta }) => [name, securitySchemes, _meta])
  const read = [{ type: 'oauth2', scopes: ['notes:read'] }]
  const plain = [{ type: 'oauth2' }]
  t.same(shown.filter(([name]) => name !== 'whoami'), [
    ['good', plain, { securitySchemes: plain }],
    ['read', read, { securitySchemes: read }]
  ])
  t.notOk(JSON.stringify(await list(await service(t, { tools }))).includes('securitySchemes'))
})
