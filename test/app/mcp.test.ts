/** The endpoint with clients of the 2025 revisions, in the whole app. */
import { request as httpRequest } from 'node:http'
import t from 'tap'
import { callOf, eventsOf, listening, modern, post, rpc, service, withKey, withToken } from '../support/service.js'

const clientInfo = { name: 'tests', version: '0' }

for (const revision of ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25']) {
  t.test(`initialize negotiates revision ${revision}`, async t => {
    const app = await service(t)
    const { status, headers, body } = await post(
      app,
      rpc('initialize', { protocolVersion: revision, capabilities: {}, clientInfo })
    )
    t.equal(status, 200)
    t.match(headers['content-type'], /^application\/json/)
    t.match(body, {
      jsonrpc: '2.0',
      id: 1,
      result: {
        protocolVersion: revision,
        serverInfo: { name: 'fastify-mcp-auth' },
        capabilities: { tools: {} }
      }
    })
    t.equal(headers['mcp-session-id'], undefined)
  })
}

t.test('initialize with a future revision gets the latest of the era', async t => {
  const app = await service(t)
  const { body } = await post(app, rpc('initialize', { protocolVersion: '2999-01-01', capabilities: {}, clientInfo }))
  t.equal(body.result.protocolVersion, '2025-11-25')
})

t.test('ping returns an empty result with its id', async t => {
  const app = await service(t)
  for (const id of [0, 7, '', 'seven', Number.MAX_SAFE_INTEGER]) {
    t.same((await post(app, rpc('ping', undefined, id))).body, { jsonrpc: '2.0', id, result: {} })
  }
})

for (const [what, headers, tools] of [
  ['a key', withKey, ['whoami']],
  ['a token of a user', withToken('ada'), ['whoami']],
  [
    'a token of an admin',
    withToken('root', 'admin'),
    ['generate-token', 'list-tokens', 'revoke-subject', 'revoke-token', 'whoami']
  ]
] as const) {
  t.test(`${what} lists the tools that it may call`, async t => {
    const app = await service(t)
    const { body } = await post(app, rpc('tools/list'), headers)
    t.same(
      body.result.tools.map(({ name }: { name: string }) => name),
      tools
    )
  })
}

for (const [what, accept] of [
  ['any type', '*/*'],
  ['JSON', 'application/json'],
  ['any application type', 'application/*'],
  ['both types', 'application/json, text/event-stream'],
  ['both, weighted', 'text/event-stream;q=0.5, APPLICATION/JSON;q=0.9']
] as const) {
  t.test(`a client without a handshake that accepts ${what} gets JSON`, async t => {
    const app = await service(t)
    const { status, headers, body } = await post(app, rpc('tools/list'), { ...withKey, accept })
    t.equal(status, 200)
    t.match(headers['content-type'], /^application\/json/)
    t.equal(body.result.tools[0].name, 'whoami')
  })
}

for (const accept of ['text/event-stream', 'text/*', 'text/html, Text/Event-Stream;q=0.1']) {
  t.test(`a client that accepts ${accept} but not JSON gets a stream with one event`, async t => {
    const app = await service(t)
    for (const [message, headers] of [
      [rpc('ping'), {}],
      [modern('tools/list').payload, modern('tools/list').headers]
    ] as const) {
      const reply = await post(app, message, { ...withKey, accept, ...headers })
      t.match(reply.headers, { 'content-type': 'text/event-stream', 'x-ratelimit-limit': /100/ })
      t.match(eventsOf(reply.text), [{ id: 1, result: {} }])
    }
    const { headers, payload } = modern('tools/steal')
    t.match(
      await post(app, payload, { ...withKey, accept, ...headers }),
      { status: 404, body: { error: { code: -32601 } } },
      'a refusal keeps its status'
    )
  })
}

t.test('a request without an Accept header gets JSON', async t => {
  const app = await service(t)
  const url = await listening(app)
  const text = await new Promise<string>((resolve, reject) => {
    const request = httpRequest(
      `${url}/mcp`,
      { method: 'POST', headers: { ...withKey, 'content-type': 'application/json' } },
      response => {
        response
          .setEncoding('utf8')
          .toArray()
          .then(chunks => {
            resolve(chunks.join(''))
          }, reject)
      }
    )
    request.on('error', reject).end(JSON.stringify(rpc('tools/list')))
  })
  t.equal(JSON.parse(text).result.tools[0].name, 'whoami')
})

for (const [what, message] of [
  ['a notification', { jsonrpc: '2.0', method: 'notifications/initialized' }],
  ['an unknown notification', { jsonrpc: '2.0', method: 'notifications/of/our/own', params: { a: 1 } }],
  [
    'a cancellation of an unknown request',
    { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 99 } }
  ],
  ['an answer to an unknown request', { jsonrpc: '2.0', id: 5, result: {} }]
] as const) {
  t.test(`${what} is accepted without a body`, async t => {
    const app = await service(t)
    const { status, text } = await post(app, message)
    t.equal(status, 202)
    t.equal(text, '')
  })
}

t.test('an unknown method is a JSON-RPC error with HTTP 200', async t => {
  const app = await service(t)
  const { status, body } = await post(app, rpc('tools/steal', {}, 'x'))
  t.equal(status, 200)
  t.match(body, { id: 'x', error: { code: -32601, data: { code: 'MCP_ERR_UNKNOWN_METHOD' } } })
})

for (const [method, revision, code] of [
  ['POST', '2023-01-01', 'MCP_ERR_PROTOCOL_VERSION'],
  ['POST', 'latest', 'MCP_ERR_PROTOCOL_VERSION'],
  ['POST', '2025-11-25, 2025-06-18', 'MCP_ERR_PROTOCOL_VERSION']
] as const) {
  t.test(`${method} in revision ${revision} is refused with the supported revisions`, async t => {
    const app = await service(t)
    const { status, body } = await post(app, rpc('tools/list'), {
      ...withKey,
      'mcp-protocol-version': revision
    })
    t.equal(status, 400)
    t.equal(body.error.data.code, code)
    t.same(body.error.data.supported, ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'])
  })
}

for (const method of ['GET', 'DELETE', 'PUT', 'PATCH', 'HEAD'] as const) {
  for (const [era, headers] of [['', {}], [' in 2026-07-28', { 'mcp-protocol-version': '2026-07-28' }]] as const) {
    t.test(`${method} is not allowed${era}, and Allow lists the methods`, async t => {
      const app = await service(t)
      const response = await app.inject({
        method,
        url: '/mcp',
        headers: { ...withKey, ...headers, accept: 'text/event-stream' }
      })
      t.equal(response.statusCode, 405)
      t.equal(response.headers.allow, 'POST')
      if (method !== 'HEAD') t.equal(response.json().error.data.code, 'MCP_ERR_METHOD_NOT_ALLOWED')
    })
  }
}

t.test('the hundredth call succeeds, and the next one is limited', async t => {
  const app = await service(t)
  for (let i = 1; i <= 100; i++) t.equal((await post(app, callOf('whoami', {}, i))).body.id, i)
  const { status, body } = await post(app, callOf('whoami'))
  t.equal(status, 429)
  t.match(body, { id: undefined, error: { code: 429, data: { code: 'MCP_ERR_RATE_LIMITED' } } })
})
