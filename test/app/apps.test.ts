/** Apps (tools with a page): who can see them, and what lists and pages contain. */
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { createTestClient } from '../../src/testing/test-client.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import { generateToken } from '../../src/tokens/generate.js'
import { type App, defineApp } from '../../src/tools/app.js'
import { defineTool } from '../../src/tools/tool.js'
import { adaKey, eventsOf, listening, modern, post, rpc, service, withKey } from '../support/service.js'
import { statePath } from '../support/state.js'
import { say } from '../support/terminal.js'
import { secret } from '../support/tokens.js'
import { until } from '../support/until.js'
import { credentialOfTests } from '../support/witness.js'

const uri = 'ui://apps/usage'
const usage = defineApp({
  name: 'usage',
  html: '<!doctype html><p>Usage',
  tool: defineTool({ name: 'usage', access: { scopes: ['usage:read'] }, handler: async () => 'used' })
})
const refresh = defineTool({ name: 'refresh', visibility: ['app'], handler: async () => 'fresh' })
const ada = { principal: { id: 'ada', scopes: ['usage:read'] } }
const bob = { principal: { id: 'bob' } }

for (const era of ['modern', 'legacy'] as const) {
  t.test(`a caller with the right gets the tool and its page (${era})`, async t => {
    const app = await service(t, { apps: [usage], tools: [refresh] })
    const client = createTestClient(app, { ...ada, era })
    const tools = await client.listTools()
    t.match(tools.find(({ name }) => name === 'usage'), { _meta: { ui: { resourceUri: uri }, 'ui/resourceUri': uri } })
    t.match(tools.find(({ name }) => name === 'refresh'), { _meta: { ui: { visibility: ['app'] } } })
    t.equal((await client.callTool('refresh')).text, 'fresh')
    t.match(await client.listResources(), [{ uri, mimeType: 'text/html;profile=mcp-app' }])
    const { contents } = await client.readResource(uri) as { contents: object[] }
    t.match(contents, [{
      uri,
      mimeType: 'text/html;profile=mcp-app',
      text: '<!doctype html><p>Usage',
      _meta: { ui: { csp: { connectDomains: [], resourceDomains: [] } }, 'openai/widgetCSP': { connect_domains: [] } }
    }])
  })

  t.test(`a caller without the right finds neither the tool nor its page (${era})`, async t => {
    const app = await service(t, { apps: [usage] })
    const client = createTestClient(app, { ...bob, era })
    t.notOk((await client.listTools()).some(({ name }) => name === 'usage'))
    t.same(await client.listResources(), [])
    const said = async (asked: string): Promise<{ code: string, rpcCode: number } | undefined> =>
      await client.readResource(asked).then(() => undefined, error => error)
    const [refused, unknown] = [await said(uri), await said('ui://apps/none')]
    t.ok(refused)
    t.equal(refused?.code, unknown?.code)
    t.equal(refused?.rpcCode, unknown?.rpcCode)
    await t.rejects(client.callTool('usage'))
  })
}

t.test('applyToolPolicies applies to the page of a tool as well', async t => {
  const open = defineApp({ name: 'open', html: '<p>', tool: defineTool({ name: 'open', handler: async () => 'ok' }) })
  const app = await service(t, { apps: [open] })
  const client = createTestClient(app, bob)
  await client.readResource('ui://apps/open')
  app.mcp.applyToolPolicies({ tools: { open: { access: { roles: ['admin'] } } } })
  await t.rejects(client.readResource('ui://apps/open'))
  t.same(await client.listResources(), [])
  app.mcp.applyToolPolicies({})
  await client.readResource('ui://apps/open')
  app.mcp.removeTool('open')
  await t.rejects(client.readResource('ui://apps/open'), 'a page without its tool')
})

t.test('page contents are marked private for caches', async t => {
  const open = defineApp({ name: 'open', html: '<p>', tool: defineTool({ name: 'open', handler: async () => 'ok' }) })
  const app = await service(t, { apps: [open] })
  for (const [method, params] of [['resources/read', { uri: 'ui://apps/open' }], ['resources/list'], ['tools/list']] as const) {
    const { headers, payload } = modern(method, params)
    const { body } = await post(app, payload, { ...withKey, ...headers })
    t.match(body.result, { cacheScope: 'private' }, method)
  }
})

t.test('the extension is announced only by servers with apps', async t => {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } }
  for (const [apps, says] of [[[usage], true], [[], false]] as const) {
    const app = await service(t, { apps })
    const { body: legacy } = await post(app, rpc('initialize', params))
    const { headers, payload } = modern('server/discover')
    const { body: latest } = await post(app, payload, { ...withKey, ...headers })
    for (const { capabilities } of [legacy.result, latest.result]) {
      t.equal('io.modelcontextprotocol/ui' in (capabilities.extensions ?? {}), says)
    }
  }
})

t.test('mcpAuth serves apps in a host', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(mcpAuth, { prefix: '/team', apiKeys: [adaKey], apps: [usage] })
  const client = createTestClient(app, { url: '/team/mcp', ...ada })
  t.equal((await client.callTool('usage')).text, 'used')
  t.match(await client.readResource(uri), { contents: [{ uri }] })
})

const extensionsOf = async (app: FastifyInstance): Promise<readonly string[][]> => {
  const { headers, payload } = modern('server/discover')
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } }
  const { body: latest } = await post(app, payload, { ...withKey, ...headers })
  const { body: legacy } = await post(app, rpc('initialize', params))
  return [latest, legacy].map(({ result }) => Object.keys(result.capabilities.extensions ?? {}))
}

t.test('addApp and removeApp change tools, pages and the announced extension', async t => {
  const app = await service(t)
  const endpoint = app.mcp
  const clients = (['modern', 'legacy'] as const).map(era => createTestClient(app, { ...ada, era }))
  const shown = async (): Promise<unknown[]> => await Promise.all(clients.map(async client => [
    (await client.listTools()).some(({ name }) => name === 'usage'),
    (await client.listResources()).length
  ]))
  const extension = 'io.modelcontextprotocol/ui'
  // Fills both pools with servers that do not declare the extension.
  t.same(await extensionsOf(app), [[], []])
  await post(app, rpc('ping'))
  endpoint.addApp(usage)
  t.same(await shown(), [[true, 1], [true, 1]])
  t.same(await extensionsOf(app), [[extension], [extension]])
  t.match(await clients[0]?.readResource(uri), { contents: [{ uri, mimeType: 'text/html;profile=mcp-app' }] })
  await t.rejects(createTestClient(app, bob).readResource(uri), { code: 'MCP_ERR_UNKNOWN_RESOURCE' })
  t.equal(endpoint.removeApp('usage'), true)
  t.equal(endpoint.removeApp('usage'), false)
  t.same(await shown(), [[false, 0], [false, 0]])
  await t.rejects(createTestClient(app, ada).readResource(uri), { code: 'MCP_ERR_UNKNOWN_RESOURCE' })
  t.same(await extensionsOf(app), [[], []])
  endpoint.addApp(usage)
  t.same(await shown(), [[true, 1], [true, 1]], 'addApp can add it again')
})

t.test('addApp adds nothing if the name is taken or the app is invalid', async t => {
  const app = await service(t, { apps: [usage], tools: [refresh] })
  const page = (name: string, tool: string): App =>
    defineApp({ name, html: '<p>', tool: defineTool({ name: tool, handler: () => '' }) })
  const bad: ReadonlyArray<readonly [app: unknown, says: RegExp]> = [
    [usage, /usage is defined twice/],
    [page('other', 'refresh'), /refresh is defined twice/],
    [page('usage', 'other'), /ui:\/\/apps\/usage is defined twice/],
    [page('other', 'a b'), /Tool "a b": name/],
    [{ name: 'other', html: '<p>', tool: refresh }, /App: must be the result of defineApp/],
    [undefined, /App: must be the result of defineApp/]
  ]
  const names = (): string[] => app.mcp.listTools().map(({ name }) => name)
  const before = names()
  for (const [one, says] of bad) t.throws(() => { app.mcp.addApp(one as App) }, { message: says })
  t.same(names(), before)
  t.equal((await createTestClient(app, { principal: { id: 'ada', scopes: ['usage:read'] } }).listResources()).length, 1)
  t.equal(app.mcp.removeApp('other'), false)
})

t.test('removeApp keeps a different tool that now has the same name', async t => {
  const app = await service(t, { apps: [usage] })
  app.mcp.removeTool('usage')
  app.mcp.addTool(defineTool({ name: 'usage', handler: () => 'another' }))
  t.equal(app.mcp.removeApp('usage'), true)
  t.equal((await createTestClient(app, bob).callTool('usage')).text, 'another')
  t.same(await createTestClient(app, bob).listResources(), [])
})

t.test('changes of an app notify only callers with access to it', async t => {
  const app = await service(t, { sessions: true })
  const url = `${await listening(app)}/mcp`
  const { headers, payload } = modern('subscriptions/listen', {
    notifications: { toolsListChanged: true, resourcesListChanged: true }
  })
  const listen = async (scopes: readonly string[]): Promise<Response> => {
    const token = credentialOfTests(generateToken('ada', 'user', '1h', { secret, scopes }))
    return await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(payload)
    })
  }
  const heardOn = async (response: Response): Promise<string[]> =>
    eventsOf(await response.text())
      .map(({ method }) => String(method))
      .filter(method => method.endsWith('list_changed'))
      .map(method => method.split('/')[1] ?? '')
  const streams = [await listen(['usage:read']), await listen([])]
  app.mcp.addApp(usage)
  app.mcp.applyToolPolicies({ tools: { usage: { access: { roles: ['admin'] } } } })
  app.mcp.applyToolPolicies({})
  app.mcp.removeApp('usage')
  const closed = app.close()
  app.server.closeIdleConnections()
  const pair = ['tools', 'resources']
  t.same(await Promise.all(streams.map(heardOn)), [[...pair, ...pair, ...pair, ...pair], []])
  await closed
})

t.test('an invalid visibility stops the start', async t => {
  for (const visibility of [[], ['everyone'], 'app']) {
    const tool = { ...refresh, visibility: visibility as never }
    await t.rejects(service(t, { tools: [tool] }), { message: /visibility must be an array of 'model' and 'app'/ })
  }
})

t.test('freezing the tool, the caller or everything hides the page until thawed', async t => {
  const STATE_DIR = await statePath(t)
  const open = defineApp({ name: 'open', html: '<p>', tool: defineTool({ name: 'open', handler: async () => 'ok' }) })
  const app = await service(t, { apps: [open, usage], env: { STATE_DIR } })
  const read = async (): Promise<{ readonly error?: object, readonly result?: object }> =>
    (await post(app, rpc('resources/read', { uri: 'ui://apps/open' }))).body
  const isServed = async (): Promise<boolean> => (await read()).result !== undefined
  const { id } = (await post(app, rpc('tools/call', { name: 'whoami', arguments: {} }))).body.result.structuredContent
  t.ok(await isServed())
  for (const target of [['--tool', 'open'], ['--principal', id], ['--all']]) {
    t.match(await say(['freeze', ...target], t.testdirName, { STATE_DIR }), { code: 0 })
    await until(async () => !await isServed())
    if (target[0] === '--tool') {
      const asked = { uri: 'ui://apps/none' }
      const unknown = (await post(app, rpc('resources/read', asked))).body.error
      t.match((await read()).error, { code: unknown.code, data: { code: unknown.data.code } }, 'as if unknown')
      t.notMatch(JSON.stringify((await post(app, rpc('resources/list'))).body), 'ui://apps/open')
    } else t.match((await read()).error, { data: { code: 'MCP_ERR_FROZEN' } }, target.join(' '))
    t.match(await say(['thaw', ...target], t.testdirName, { STATE_DIR }), { code: 0 })
    await until(isServed)
  }
})
