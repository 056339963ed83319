/** The endpoint as a client of the 2025 revisions meets it, in the whole app. */
import { request as httpRequest } from 'node:http'
import t from 'tap'
import { z } from 'zod'
import { defineTool } from '../../src/tools/tool.js'
import {
  adaKey,
  callOf,
  eventsOf,
  listening,
  modern,
  post,
  rpc,
  service,
  withKey,
  withToken
} from '../support/service.js'

const clientInfo = { name: 'tests', version: '0' }

for (const revision of ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25']) {
  t.test(`a client of revision ${revision} is met in it`, async t => {
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

t.test('a client of a revision to come is offered the latest of its era', async t => {
  const app = await service(t)
  const { body } = await post(app, rpc('initialize', { protocolVersion: '2999-01-01', capabilities: {}, clientInfo }))
  t.equal(body.result.protocolVersion, '2025-11-25')
})

t.test('a ping is answered with nothing, under the id that it came with', async t => {
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
  t.test(`without a handshake, who accepts ${what} gets JSON`, async t => {
    const app = await service(t)
    const { status, headers, body } = await post(app, rpc('tools/list'), { ...withKey, accept })
    t.equal(status, 200)
    t.match(headers['content-type'], /^application\/json/)
    t.equal(body.result.tools[0].name, 'whoami')
  })
}

for (const accept of ['text/event-stream', 'text/*', 'text/html, Text/Event-Stream;q=0.1']) {
  t.test(`who accepts ${accept} and no JSON gets a stream of one event`, async t => {
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

t.test('without an Accept header at all the answer is JSON', async t => {
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
    'a cancellation of what never ran',
    { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 99 } }
  ],
  ['an answer to what was never asked', { jsonrpc: '2.0', id: 5, result: {} }]
] as const) {
  t.test(`${what} is accepted without a body`, async t => {
    const app = await service(t)
    const { status, text } = await post(app, message)
    t.equal(status, 202)
    t.equal(text, '')
  })
}

t.test('an unknown method is an error of JSON-RPC, in band', async t => {
  const app = await service(t)
  const { status, body } = await post(app, rpc('tools/steal', {}, 'x'))
  t.equal(status, 200)
  t.match(body, { id: 'x', error: { code: -32601, data: { code: 'MCP_ERR_UNKNOWN_METHOD' } } })
})

t.test('a batch of 2025-03-26 gets an array, each answer under its id', async t => {
  const app = await service(t)
  const batch = [
    rpc('ping', undefined, 'a'),
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    callOf('nobody', {}, 'b'),
    callOf('whoami', {}, 3)
  ]
  for (const headers of [withKey, { ...withKey, 'mcp-protocol-version': '2025-03-26' }]) {
    const { status, body } = await post(app, batch, headers)
    t.equal(status, 200)
    t.same(body.map(({ id }: { id: unknown }) => id).sort(), [3, 'a', 'b'])
    t.equal(body.find(({ id }: { id: unknown }) => id === 'b').error.data.code, 'MCP_ERR_UNKNOWN_TOOL')
  }
})

t.test('a batch of one request is still an array, and one of none is only accepted', async t => {
  const app = await service(t)
  t.same((await post(app, [rpc('ping')])).body, [{ jsonrpc: '2.0', id: 1, result: {} }])
  t.equal((await post(app, [{ jsonrpc: '2.0', method: 'notifications/initialized' }])).status, 202)
})

for (const [what, batch, headers] of [
  ['empty', [], {}],
  ['of more than a hundred', Array.from({ length: 101 }, (_, id) => rpc('ping', undefined, id)), {}],
  ['of revision 2025-06-18', [rpc('ping')], { 'mcp-protocol-version': '2025-06-18' }],
  ['of revision 2025-11-25', [rpc('ping')], { 'mcp-protocol-version': '2025-11-25' }],
  ['of revision 2024-11-05', [rpc('ping')], { 'mcp-protocol-version': '2024-11-05' }],
  [
    'with an initialize',
    [rpc('ping'), rpc('initialize', { protocolVersion: '2025-03-26', capabilities: {}, clientInfo }, 2)],
    {}
  ],
  ['with what is no message', [rpc('ping'), null], {}],
  ['inside a batch', [[rpc('ping')]], {}]
] as const) {
  t.test(`a batch ${what} is refused`, async t => {
    const app = await service(t, { env: { RATE_LIMIT_MAX: '1000' } })
    const { status, body } = await post(app, batch, { ...withKey, ...headers })
    t.equal(status, 400)
    t.equal(body.error.data.code, 'MCP_ERR_INVALID_REQUEST')
    t.notOk('id' in body)
  })
}

t.test('each message of a batch is charged', async t => {
  const app = await service(t, { env: { RATE_LIMIT_MAX: '10' } })
  const four = [1, 2, 3, 4].map(id => rpc('ping', undefined, id))
  t.equal((await post(app, four)).headers['x-ratelimit-remaining'], '6')
  const withNotification = [...four, { jsonrpc: '2.0', method: 'notifications/initialized' }]
  t.equal((await post(app, withNotification)).headers['x-ratelimit-remaining'], '1')
})

t.test('a batch that does not fit is one 429, and nothing of it runs', async t => {
  let runs = 0
  const count = defineTool({ name: 'count', handler: () => { runs += 1; return 'done' } })
  const app = await service(t, { tools: [count], env: { RATE_LIMIT_MAX: '3' } })
  const { status, headers, body } = await post(app, [1, 2, 3, 4].map(id => callOf('count', {}, id)))
  t.equal(status, 429)
  t.equal(body.error.data.code, 'MCP_ERR_RATE_LIMITED')
  t.ok(body.error.data.retryAfterMs > 0 && Number(headers['retry-after']) > 0)
  t.equal(runs, 0)
})

for (const [method, revision, code] of [
  ['POST', '2023-01-01', 'MCP_ERR_PROTOCOL_VERSION'],
  ['POST', 'latest', 'MCP_ERR_PROTOCOL_VERSION'],
  ['POST', '2025-11-25, 2025-06-18', 'MCP_ERR_PROTOCOL_VERSION']
] as const) {
  t.test(`${method} in revision ${revision} is refused, and told what is served`, async t => {
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
    t.test(`${method} is not allowed${era}, and says what is`, async t => {
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

t.test('the hundredth call works like the first, the one after it waits', async t => {
  const app = await service(t)
  for (let i = 1; i <= 100; i++) t.equal((await post(app, callOf('whoami', {}, i))).body.id, i)
  const { status, body } = await post(app, callOf('whoami'))
  t.equal(status, 429)
  t.match(body, { id: undefined, error: { code: 429, data: { code: 'MCP_ERR_RATE_LIMITED' } } })
})

t.test('a tool that speaks before its result makes the answer a stream', async t => {
  const count = defineTool({
    name: 'count',
    handler: async (_args, { progress, log }) => {
      await log('info', 'on it')
      for (let i = 1; i <= 3; i++) await progress(i, 3, `step ${i}`)
      return 'done'
    }
  })
  const app = await service(t, { tools: [count] })
  const { status, headers, text } = await post(app, rpc('tools/call', { name: 'count', _meta: { progressToken: 'p' } }))
  t.equal(status, 200)
  t.match(headers, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no', 'x-ratelimit-limit': /100/ })
  const events = eventsOf(text)
  t.same(
    events.map(({ method }) => method),
    ['notifications/message', ...Array(3).fill('notifications/progress'), undefined]
  )
  t.match(events[1].params, { progressToken: 'p', progress: 1, total: 3, message: 'step 1' })
  t.match(events.at(-1), { id: 1, result: { content: [{ text: 'done' }] } })
})

t.test('without a progress token no progress is told', async t => {
  const count = defineTool({
    name: 'count',
    handler: async (_args, { progress }) => {
      await progress(1)
      return 'done'
    }
  })
  const app = await service(t, { tools: [count] })
  t.match((await post(app, callOf('count'))).headers['content-type'], /^application\/json/)
})

t.test('input that does not fit is an error that names the field', async t => {
  const add = defineTool({
    name: 'add',
    input: z.object({ a: z.number(), b: z.number().default(1) }),
    handler: ({ a, b }) => String(a + b)
  })
  const app = await service(t, { tools: [add] })
  t.equal((await post(app, callOf('add', { a: 1 }))).body.result.content[0].text, '2')
  for (const args of [{}, { a: '1' }, { a: null }]) {
    const { status, body } = await post(app, callOf('add', args))
    t.equal(status, 200)
    t.equal(body.result.isError, true)
    t.match(body.result.content[0].text, /\ba\b/)
  }
})

for (const [what, params] of [
  ['no name', {}],
  ['a name that is a number', { name: 1 }],
  ['arguments that are a list', { name: 'whoami', arguments: [] }],
  ['arguments that are text', { name: 'whoami', arguments: 'x' }]
] as const) {
  t.test(`a call with ${what} is refused as such`, async t => {
    const app = await service(t)
    const { status, body } = await post(app, rpc('tools/call', params))
    t.equal(status, 200)
    t.match(body.error, { code: -32602, data: { code: 'MCP_ERR_INVALID_PARAMS' } })
  })
}

t.test('a tool that takes nothing is called whatever a model sends along', async t => {
  const echo = defineTool({ name: 'echo', handler: args => JSON.stringify(args) })
  const app = await service(t, { tools: [echo] })
  for (const params of [
    { name: 'echo' },
    { name: 'echo', arguments: {} },
    { name: 'echo', arguments: { '': {}, random: 'x' } }
  ]) {
    t.same((await post(app, rpc('tools/call', params))).body.result, {
      content: [{ type: 'text', text: '{}' }]
    })
  }
  t.match(
    (await post(app, rpc('tools/list'))).body.result.tools[0].inputSchema,
    { additionalProperties: false },
    'and says that it takes nothing'
  )
})

t.test('an empty cursor is none, and one that was never given is refused', async t => {
  const app = await service(t)
  t.equal((await post(app, rpc('tools/list', { cursor: '' }))).body.result.tools[0].name, 'whoami')
  t.equal((await post(app, rpc('tools/list', { cursor: 'x' }))).body.error.code, -32602)
})

t.test('the names of prototypes are no tools', async t => {
  const app = await service(t)
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    t.equal((await post(app, callOf(name))).body.error.data.code, 'MCP_ERR_UNKNOWN_TOOL')
  }
})

t.test('the response names no other caller, whatever came before', async t => {
  const app = await service(t)
  await post(
    app,
    rpc('initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'first', version: '1' }
    }),
    { 'x-api-key': adaKey }
  )
  const { text } = await post(app, callOf('whoami'), withToken('eve'))
  t.notMatch(text, /first|apikey:/)
})
