/** `createTestClient`, which tests tools of an app, in both eras. */
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { AsyncLocalStorage } from 'node:async_hooks'
import t, { type Test } from 'tap'
import { z } from 'zod'
import {
  buildApp,
  createTestClient,
  defineTool,
  definePrompt,
  defineResource,
  mcpAuth,
  PublicToolError,
  type TestClientOptions
} from '../../../src/index.js'
import { TestClientError } from '../../../src/testing/test-client-error.js'
import { logSink } from '../../support/log-sink.js'
import { adaKey, listening, withToken } from '../../support/service.js'
import { secret } from '../../support/tokens.js'

const store = new AsyncLocalStorage<string>()

const tools = [
  defineTool({
    name: 'greet',
    input: z.object({ name: z.string() }),
    handler: ({ name }) => `Hello, ${name}!`
  }),
  defineTool({ name: 'who', handler: (_args, { principal }) => ({ structuredContent: { ...principal } }) }),
  defineTool({
    name: 'talk',
    handler: async (_args, { progress, log }) => {
      await progress(1, 2)
      await log('warning', { said: true })
      return 'done'
    }
  }),
  defineTool({
    name: 'ask',
    handler: async (_args, { elicit, sample, roots }) => {
      const { content } = await elicit({
        message: 'Your name?',
        schema: { type: 'object', properties: { name: { type: 'string' } } }
      })
      const { content: said } = await sample({
        messages: [{ role: 'user', content: { type: 'text', text: 'Say hi' } }],
        maxTokens: 10
      })
      const [root] = await roots()
      return `${String(content?.name)} ${'text' in said ? String(said.text) : ''} ${root?.uri ?? ''}`
    }
  }),
  defineTool({ name: 'audit', access: { roles: ['auditor'] }, handler: () => 'audited' }),
  defineTool({
    name: 'fails',
    handler: () => {
      throw new PublicToolError('no such file')
    }
  }),
  defineTool({
    name: 'stored',
    handler: async () => {
      await new Promise(resolve => setImmediate(resolve))
      return String(store.getStore())
    }
  }),
  defineTool({
    name: 'routed',
    input: z.object({ region: z.string().meta({ 'x-mcp-header': 'Region' }), rest: z.string() }),
    handler: ({ region }) => region
  })
]
const resources = [
  defineResource({
    name: 'note',
    uriTemplate: 'notes://{id}',
    read: (_uri, _context, { id }) => `note ${id}`
  })
]
const prompts = [
  definePrompt({
    name: 'topic',
    input: z.object({ topic: z.string() }),
    handler: ({ topic }) => `About ${topic}`
  })
]

async function host (t: Test, onRequest?: (request: FastifyRequest) => Promise<void>): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  if (onRequest !== undefined) app.addHook('onRequest', onRequest)
  app.addHook('onRequest', (_request, _reply, done) => { store.run('of the host', done) })
  await app.register(mcpAuth, {
    prefix: '/t',
    apiKeys: [adaKey],
    jwtSecret: secret,
    tools,
    resources,
    prompts,
    sessions: true
  })
  return app
}

const answers: TestClientOptions = {
  onElicit: ({ message }) => ({ action: 'accept', content: { name: message === 'Your name?' ? 'Ada' : '?' } }),
  onSample: async () => ({ role: 'assistant', content: { type: 'text', text: 'hi' }, model: 'm' }),
  roots: [{ uri: 'file:///work' }]
}

for (const era of ['modern', 'legacy'] as const) {
  t.test(`createTestClient calls, lists and reads in the ${era} era`, async t => {
    const app = await host(t)
    const client = createTestClient(app, { url: '/t/mcp', key: adaKey, era })
    const { text, content, isError } = await client.callTool('greet', { name: 'Ada' })
    t.same([text, content, isError], ['Hello, Ada!', [{ type: 'text', text: 'Hello, Ada!' }], undefined])
    t.ok((await client.listTools()).some(({ name }) => name === 'greet'))
    t.notOk((await client.listTools()).some(({ name }) => name === 'audit'))
    t.match(await client.readResource('notes://7'), { contents: [{ uri: 'notes://7', text: 'note 7' }] })
    t.match(await client.listResourceTemplates(), [{ uriTemplate: 'notes://{id}' }])
    t.match(await client.listPrompts(), [{ name: 'topic' }])
    t.match(await client.getPrompt('topic', { topic: 'tea' }), { messages: [{ content: { text: 'About tea' } }] })
    t.match(await client.callTool('fails'), { isError: true, text: 'no such file' })
    t.equal((await client.callTool('routed', { region: 'Zürich', rest: 'x' })).text, 'Zürich')
    await client.close()
  })

  t.test(`createTestClient collects notifications in the ${era} era`, async t => {
    const client = createTestClient(await host(t), { url: '/t/mcp', key: adaKey, era })
    const { text, notifications } = await client.callTool('talk')
    t.equal(text, 'done')
    t.match(notifications, [
      { method: 'notifications/progress', params: { progress: 1, total: 2 } },
      { method: 'notifications/message', params: { level: 'warning', data: { said: true } } }
    ])
    await client.callTool('greet', { name: 'x' })
    t.equal(client.notifications.length, 2)
    await client.close()
  })

  t.test(`createTestClient answers for user, model and workspace in the ${era} era`, async t => {
    const client = createTestClient(await host(t), { url: '/t/mcp', key: adaKey, era, ...answers })
    t.equal((await client.callTool('ask')).text, 'Ada hi file:///work')
    await client.close()
  })

  t.test(`createTestClient uses its credential or principal in the ${era} era`, async t => {
    const app = await host(t)
    const url = '/t/mcp'
    t.match(
      await createTestClient(app, { url, era, token: withToken('bob').authorization.slice(7) }).callTool(
        'who'
      ),
      { structuredContent: { id: 'jwt:bob' } }
    )
    const client = createTestClient(app, {
      url,
      era,
      principal: { id: 'crm:7', role: 'auditor', attributes: { tenant: 'acme' } }
    })
    t.match(await client.callTool('who'), {
      structuredContent: { id: 'crm:7', role: 'auditor', scopes: [], attributes: { tenant: 'acme' } }
    })
    t.equal((await client.callTool('audit')).text, 'audited')
    await t.rejects(createTestClient(app, { url, era }).callTool('who'), {
      name: 'TestClientError',
      status: 401,
      code: 'MCP_ERR_UNAUTHENTICATED'
    })
    await t.rejects(createTestClient(app, { url, era, key: 'no-key-of-anybody' }).listTools(), {
      name: 'TestClientError',
      status: 401
    })
  })

  t.test(`an AsyncLocalStorage of the host works in handlers of the ${era} era`, async t => {
    const client = createTestClient(await host(t), { url: '/t/mcp', key: adaKey, era })
    t.equal((await client.callTool('stored')).text, 'of the host')
  })
}

t.test('createTestClient rejects with the code of the refusal', async t => {
  const app = await host(t)
  const client = createTestClient(app, { url: '/t/mcp', key: adaKey })
  const error = await client.callTool('nothing').catch((error: unknown) => error)
  t.ok(error instanceof TestClientError)
  t.match(error, { code: 'MCP_ERR_UNKNOWN_TOOL', rpcCode: -32602 })
  await t.rejects(client.callTool('ask'), { code: 'MCP_ERR_MISSING_CAPABILITY' })
  await t.rejects(client.request('nothing/at-all'), { code: 'MCP_ERR_UNKNOWN_METHOD', rpcCode: -32601 })
  await t.rejects(createTestClient(app, { url: '/nowhere', key: adaKey }).listTools(), {
    name: 'TestClientError',
    status: 404
  })
  t.throws(() => createTestClient(app, { key: adaKey, token: 'x' }), /one of key, token and principal/)
})

t.test('listTools of createTestClient filters visible tools by tags', async t => {
  const tagged = (name: string, tags: string[], role?: string) => defineTool({
    name, tags, ...(role === undefined ? {} : { access: { roles: [role] } }), handler: () => name
  })
  const app = Fastify()
  t.teardown(() => app.close())
  const pay = [tagged('pay', ['billing', 'money']), tagged('refund', ['billing'], 'admin'), tagged('plain', [])]
  await app.register(mcpAuth, { prefix: '/a', apiKeys: [adaKey], tools: pay })
  await app.register(mcpAuth, { prefix: '/b', apiKeys: [adaKey], tools: [tagged('pay', ['other'])], path: '/tools' })
  const namesOf = async (url: string, tags: string[], role = 'user', era: 'modern' | 'legacy' = 'modern') => {
    const client = createTestClient(app, { url, principal: { id: 'crm:7', role }, era })
    return (await client.listTools({ tags })).map(({ name }) => name)
  }
  t.same(await namesOf('/a/mcp', ['billing']), ['pay'])
  t.same(await namesOf('/a/mcp', ['billing'], 'admin', 'legacy'), ['pay', 'refund'])
  t.same(await namesOf('/a/mcp/', ['money', 'unknown']), ['pay'])
  t.same(await namesOf('/a/mcp?x=1', []), [])
  t.same(await namesOf('/b/tools', ['billing']), [])
  t.same(await namesOf('/b/tools', ['other']), ['pay'])
  const client = createTestClient(app, { url: '/a/mcp', key: adaKey })
  t.notOk((await client.listTools()).some(tool => 'tags' in tool), 'tags are not sent')
  await t.rejects(client.listTools({ tags: 'billing' as never }), /tags must be a list/)
})

t.test('createTestClient works with buildApp', async t => {
  const app = await buildApp({ env: { API_KEYS: adaKey }, logStream: logSink(), tools })
  t.teardown(() => app.close())
  t.equal((await createTestClient(app, { key: adaKey }).callTool('greet', { name: 'Ada' })).text, 'Hello, Ada!')
})

t.test('the principal of a test client gives no access to others', async t => {
  const statuses: number[] = []
  let url = ''
  let header: [string, string] | undefined
  const app = await host(t, async ({ headers }) => {
    const name = Object.keys(headers).find(one => one.startsWith('x-mcp-in'))
    if (name === undefined || header !== undefined) return
    header = [name, String(headers[name])]
    const response = await fetch(`${url}/t/mcp`, {
      method: 'POST',
      headers: { [name]: header[1], 'content-type': 'application/json' },
      body: '{}'
    })
    statuses.push(response.status)
  })
  url = await listening(app)
  t.match(await createTestClient(app, { url: '/t/mcp', principal: { id: 'crm:7' } }).callTool('who'), {
    structuredContent: { id: 'crm:7' }
  })
  t.same(statuses, [401], 'over a socket it is refused, even while it is valid')
  const [name, value] = header ?? ['', '']
  for (const again of [value, '']) {
    t.equal(
      (await app.inject({ method: 'POST', url: '/t/mcp', headers: { [name]: again }, payload: {} }))
        .statusCode,
      401,
      'it is valid once'
    )
  }
})
