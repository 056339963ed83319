/** Large and null values in messages: not echoed, and not passed to the SDKs beyond what they read. */
import { Protocol as LegacyProtocol } from '@modelcontextprotocol/sdk/shared/protocol.js'
import { Server as ModernServer } from '@modelcontextprotocol/server'
import t from 'tap'
import { defineTool } from '../../src/tools/tool.js'
import { callOf, eventsOf, modern, modernMeta, post, rpc, service, withKey } from '../support/service.js'

const speak = defineTool({
  name: 'speak',
  handler: async (_args, { progress }) => {
    await progress(1)
    return 'done'
  }
})
const junk = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`m${index}`, {}]))

/** The names of the parameters that the SDK's servers receive during `work`. */
async function seenBySdk (prototype: object, work: () => Promise<unknown>): Promise<string[]> {
  const original = Reflect.get(prototype, '_onrequest') as (request: { params?: object }, ...rest: unknown[]) => void
  const seen = new Set<string>()
  Reflect.set(prototype, '_onrequest', function (this: unknown, request: { params?: object }, ...rest: unknown[]) {
    for (const name of Object.keys(request.params ?? {})) seen.add(name)
    Reflect.apply(original, this, [request, ...rest])
  })
  try {
    await work()
  } finally {
    Reflect.set(prototype, '_onrequest', original)
  }
  return [...seen].sort()
}

const modernPrototype: object = Object.getPrototypeOf(ModernServer.prototype)

for (const [method, params] of [
  ['server/discover', {}], ['tools/list', {}], ['tools/call', { name: 'whoami', arguments: {} }], ['unknown/method', {}]
] as const) {
  t.test(`the SDK for 2026-07-28 gets only the _meta of ${method}`, async t => {
    const app = await service(t)
    const { headers, payload } = modern(method, { ...params, ...junk, inputResponses: { a: junk } })
    let status = 0
    const seen = await seenBySdk(modernPrototype, async () => {
      ;({ status } = await post(app, payload, { ...withKey, ...headers }))
    })
    t.equal(status, method === 'unknown/method' ? 404 : 200)
    t.same(seen, ['_meta'])
  })
}

for (const [method, params, names] of [['ping', {}, []], ['logging/setLevel', { level: 'info' }, ['level']]] as const) {
  t.test(`the SDK for earlier revisions gets only known fields of ${method}`, async t => {
    const app = await service(t)
    const seen = await seenBySdk(LegacyProtocol.prototype, async () => {
      t.match(await post(app, rpc(method, { ...params, ...junk })), { status: 200, body: { result: {} } })
    })
    t.same(seen, names)
  })
}

t.test('a _meta with more than 1,000 values never reaches the SDK, in both eras', async t => {
  const app = await service(t)
  for (const [{ headers, payload }, code] of [
    [{ headers: {}, payload: rpc('ping', { _meta: junk }) }, 'MCP_ERR_INVALID_PARAMS'],
    [modern('tools/list'), 'MCP_ERR_ENVELOPE']
  ] as const) {
    const { _meta: meta } = payload.params as { _meta: object }
    const large = { ...payload, params: { _meta: { ...meta, ...junk } } }
    let answer: Awaited<ReturnType<typeof post>> | undefined
    const prototype = code === 'MCP_ERR_ENVELOPE' ? modernPrototype : LegacyProtocol.prototype
    t.same(await seenBySdk(prototype, async () => { answer = await post(app, large, { ...withKey, ...headers }) }), [])
    t.equal(answer?.body.error.data.code, code)
  }
})

t.test('an id of more than 256 characters is refused and not echoed', async t => {
  const app = await service(t)
  const long = 'x'.repeat(257)
  for (const { headers, payload } of [
    { headers: {}, payload: rpc('ping', {}, long) },
    modern('tools/list', {}, long)
  ]) {
    const { status, text } = await post(app, payload, { ...withKey, ...headers })
    t.equal(status, 400)
    t.notMatch(text, long)
  }
})

t.test('a progress token of more than 256 characters is refused and not echoed', async t => {
  const app = await service(t, { tools: [speak] })
  const long = 'x'.repeat(257)
  const { body, text } = await post(app, rpc('tools/call', { name: 'speak', _meta: { progressToken: long } }))
  t.equal(body.error.data.code, 'MCP_ERR_INVALID_PARAMS')
  t.notMatch(text, long)
})

t.test('an unsupported revision is echoed only if it is short', async t => {
  const app = await service(t)
  const claim = (revision: string): object => ({
    jsonrpc: '2.0',
    method: 'notifications/x',
    params: { _meta: { 'io.modelcontextprotocol/protocolVersion': revision } }
  })
  t.match((await post(app, claim('2030-01-01'))).body.error.data, {
    code: 'MCP_ERR_PROTOCOL_VERSION',
    requested: '2030-01-01'
  })
  const { data } = (await post(app, claim('9'.repeat(5000)))).body.error
  t.equal(data.code, 'MCP_ERR_PROTOCOL_VERSION')
  t.notOk('requested' in data)
})

t.test('a subscription accepts URIs of at most 2,048 characters', async t => {
  const app = await service(t)
  const listen = async (uri: string): Promise<{ code: unknown }> => {
    const { headers, payload } = modern('subscriptions/listen', { notifications: { resourceSubscriptions: [uri] } })
    return (await post(app, payload, { ...withKey, ...headers })).body.error.data
  }
  t.match(await listen(`notes://${'x'.repeat(2041)}`), { code: 'MCP_ERR_INVALID_PARAMS' })
})

for (const era of ['legacy', 'modern'] as const) {
  t.test(`${era}: null arguments, cursor and _meta members are ignored`, async t => {
    const app = await service(t)
    const send = async (method: string, params: Record<string, unknown>): Promise<ReturnType<typeof post>> => {
      if (era === 'legacy') return await post(app, rpc(method, { _meta: null, ...params }))
      const { headers, payload } = modern(method, params)
      return await post(app, payload, { ...withKey, ...headers })
    }
    t.match((await send('tools/call', { name: 'whoami', arguments: null })).body, {
      result: { structuredContent: { role: 'user' } }
    })
    t.match((await send('tools/list', { cursor: null })).body, { result: { tools: Array } })
  })
}

t.test('null params and null optional fields of clientInfo are ignored', async t => {
  const app = await service(t, { sessions: {} })
  t.match((await post(app, { ...rpc('tools/list'), params: null })).body, { result: { tools: Array } })
  t.equal((await post(app, { jsonrpc: '2.0', method: 'notifications/initialized', params: null })).status, 202)
  const clientInfo = { name: 'x', version: '1', title: null, icons: null }
  const capabilities = { elicitation: null, sampling: null }
  const params = { protocolVersion: '2025-11-25', capabilities, clientInfo }
  t.match((await post(app, rpc('initialize', params))).body, { result: { protocolVersion: '2025-11-25' } })
  const { headers, payload } = modern('tools/list', {
    _meta: {
      ...modernMeta,
      'io.modelcontextprotocol/clientInfo': clientInfo,
      'io.modelcontextprotocol/clientCapabilities': capabilities
    }
  })
  t.match((await post(app, payload, { ...withKey, ...headers })).body, { result: { tools: Array } })
})

t.test('a null progress token sends no progress', async t => {
  const app = await service(t, { tools: [speak] })
  const { status, text } = await post(app, {
    ...callOf('speak'),
    params: { name: 'speak', _meta: { progressToken: null } }
  })
  t.equal(status, 200)
  t.same(text.startsWith('{') ? [JSON.parse(text)] : eventsOf(text), [
    { jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'done' }] } }
  ])
})
