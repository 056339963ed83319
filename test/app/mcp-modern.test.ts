/** The endpoint with clients of revision 2026-07-28, in the whole app. */
import t from 'tap'
import { defineTool } from '../../src/tools/tool.js'
import {
  callOf, eventsOf, initialize, modern, post, service, withKey, withToken, type Message
} from '../support/service.js'
import { call, send, version } from '../support/modern.js'

const meta = (name: string, value: unknown): Record<string, unknown> => ({
  [`io.modelcontextprotocol/${name}`]: value
})

const without = (headers: Record<string, string>, name: string): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name))

function withMeta (message: Message, meta: Record<string, unknown>): Message {
  const { params = {} } = message
  return { ...message, params: { ...params, _meta: { ...params._meta as object, ...meta } } }
}

t.test('server/discover lists the capabilities', async t => {
  const app = await service(t)
  const { status, body } = await send(app, modern('server/discover'))
  t.equal(status, 200)
  t.match(body.result, { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} } })
})

for (const [what, credential, tools] of [
  ['a key', withKey, ['whoami']],
  [
    'a token of an admin',
    withToken('root', 'admin'),
    ['generate-token', 'list-tokens', 'revoke-subject', 'revoke-token', 'whoami']
  ]
] as const) {
  t.test(`${what} lists the tools that it may call, as a private result`, async t => {
    const app = await service(t)
    const { body } = await send(app, modern('tools/list'), credential)
    t.same(
      body.result.tools.map(({ name }: { name: string }) => name),
      tools
    )
    t.match(body.result, { resultType: 'complete', cacheScope: 'private' })
    t.ok(body.result.ttlMs >= 0)
  })
}

t.test('tools/call returns a complete result', async t => {
  const app = await service(t)
  const { status, headers, body } = await send(app, modern('tools/call', { name: 'whoami' }, 'w'))
  t.equal(status, 200)
  t.match(headers['content-type'], /^application\/json/)
  t.match(body, { id: 'w', result: { resultType: 'complete', structuredContent: { method: 'api-key' } } })
})

for (const [what, request, status, rpcCode, code] of [
  ['an unknown method', modern('tools/steal'), 404, -32601, 'MCP_ERR_UNKNOWN_METHOD'],
  ['a ping, which was removed', modern('ping'), 404, -32601, 'MCP_ERR_UNKNOWN_METHOD'],
  ['an initialize, which was removed', modern('initialize'), 404, -32601, 'MCP_ERR_UNKNOWN_METHOD'],
  [
    'a logging/setLevel',
    modern('logging/setLevel', { level: 'info' }),
    404,
    -32601,
    'MCP_ERR_UNKNOWN_METHOD'
  ],
  ['an unknown tool', modern('tools/call', { name: 'nobody' }), 200, -32602, 'MCP_ERR_UNKNOWN_TOOL'],
  [
    'no method header',
    { ...call, headers: without(call.headers, 'mcp-method') },
    400,
    -32020,
    'MCP_ERR_HEADER_MISMATCH'
  ],
  [
    'a different method in the header',
    { ...call, headers: { ...call.headers, 'mcp-method': 'tools/list' } },
    400,
    -32020,
    'MCP_ERR_HEADER_MISMATCH'
  ],
  [
    'no name header',
    { ...call, headers: without(call.headers, 'mcp-name') },
    400,
    -32020,
    'MCP_ERR_HEADER_MISMATCH'
  ],
  [
    'a different name in the header',
    { ...call, headers: { ...call.headers, 'mcp-name': 'echo' } },
    400,
    -32020,
    'MCP_ERR_HEADER_MISMATCH'
  ],
  [
    'no revision header',
    { ...call, headers: without(call.headers, 'mcp-protocol-version') },
    400,
    -32020,
    'MCP_ERR_HEADER_MISMATCH'
  ],
  ['no _meta', { ...call, payload: callOf('whoami') }, 400, -32602, 'MCP_ERR_ENVELOPE'],
  [
    'no capabilities',
    { ...call, payload: withMeta(call.payload, { 'io.modelcontextprotocol/clientCapabilities': undefined }) },
    400,
    -32602,
    'MCP_ERR_ENVELOPE'
  ],
  [
    'a future revision',
    {
      headers: { ...call.headers, 'mcp-protocol-version': '2999-01-01' },
      payload: withMeta(call.payload, { [version]: '2999-01-01' })
    },
    400,
    -32022,
    'MCP_ERR_PROTOCOL_VERSION'
  ],
  [
    'an invalid message',
    { ...call, payload: { jsonrpc: '2.0', id: 1 } },
    400,
    -32600,
    'MCP_ERR_INVALID_REQUEST'
  ]
] as const) {
  t.test(`${what} gets ${status} and ${rpcCode}`, async t => {
    const app = await service(t)
    const answer = await send(app, request)
    t.equal(answer.status, status)
    t.match(answer.body.error, { code: rpcCode, data: { code } })
    t.not(answer.body.id, null)
  })
}

for (const [what, wrong] of [
  ['a capability that is not an object', meta('clientCapabilities', { elicitation: 5 })],
  ['a capability member that is not an object', meta('clientCapabilities', { sampling: { context: 5 } })],
  ['client icons that are not a list', meta('clientInfo', { name: 'x', version: '1', icons: 5 })],
  ['a client title that is not a string', meta('clientInfo', { name: 'x', version: '1', title: 5 })],
  ['an unknown log level', meta('logLevel', 'bogus')]
] as const) {
  t.test(`${what} in _meta gets 400 and -32602 for every method`, async t => {
    const app = await service(t)
    for (const request of [
      call,
      modern('tools/list'),
      modern('server/discover'),
      modern('subscriptions/listen', { notifications: {} })
    ]) {
      const { status, body } = await send(app, { ...request, payload: withMeta(request.payload, wrong) })
      t.equal(status, 400, request.payload.method)
      t.match(body, { id: 1, error: { code: -32602, data: { code: 'MCP_ERR_ENVELOPE' } } })
    }
  })
}

t.test('a batch is refused without an id', async t => {
  const app = await service(t)
  const { status, body } = await send(app, { ...call, payload: [call.payload] })
  t.equal(status, 400)
  t.notOk('id' in body)
})

t.test('a notification is accepted without a body', async t => {
  const app = await service(t)
  const { status, text } = await send(app, { headers: call.headers, payload: { jsonrpc: '2.0', method: 'tools/call' } })
  t.equal(status, 202)
  t.equal(text, '')
})

t.test('context.log reaches callers that requested that level', async t => {
  const chatty = defineTool({
    name: 'chatty',
    handler: async (_args, { log }) => { await log('debug', 'much'); await log('error', 'little'); return 'done' }
  })
  const app = await service(t, { tools: [chatty] })
  const { headers, payload } = modern('tools/call', { name: 'chatty' })
  t.match((await send(app, { headers, payload })).headers['content-type'], /^application\/json/)
  const { text } = await send(app, {
    headers,
    payload: withMeta(payload, { 'io.modelcontextprotocol/logLevel': 'warning' })
  })
  t.same(eventsOf(text).map(({ method, params }) => params?.data ?? method), ['little', undefined])
})

t.test('MCP_ERAS=legacy serves only the legacy era', async t => {
  const app = await service(t, { env: { MCP_ERAS: 'legacy' } })
  t.equal((await post(app, callOf('whoami'))).status, 200)
  t.equal((await send(app, call)).body.error.data.code, 'MCP_ERR_PROTOCOL_VERSION')
})

t.test('MCP_ERAS=modern serves only the modern era', async t => {
  const app = await service(t, { env: { MCP_ERAS: 'modern' } })
  t.equal((await send(app, call)).status, 200)
  const hello = initialize()
  for (const [message, revision] of [
    [hello, undefined],
    [callOf('whoami'), '2025-11-25'],
    [callOf('whoami'), undefined]
  ] as const) {
    const { status, body } = await post(app, message, {
      ...withKey,
      ...(revision === undefined ? {} : { 'mcp-protocol-version': revision })
    })
    t.equal(status, 400)
    t.match(body.error, {
      code: -32022,
      data: {
        code: 'MCP_ERR_PROTOCOL_VERSION',
        supported: ['2026-07-28'],
        ...(revision === undefined ? {} : { requested: revision })
      }
    })
  }
  t.match(await post(app, callOf('whoami'), { ...withKey, 'mcp-protocol-version': '2026-07-28' }), {
    status: 400,
    body: { error: { code: -32602, data: { code: 'MCP_ERR_ENVELOPE' } } }
  })
})
