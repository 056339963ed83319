/** Malformed and hostile bodies: each is refused in the common shape, and the next request is served. */
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { z } from 'zod'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { callOf, initialize, modern, post, rpc, service, withKey } from '../support/service.js'

const call = JSON.stringify(callOf('whoami'))
const nested = (depth: number): string =>
  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{"a":${'['.repeat(depth)}${']'.repeat(depth)}}}}`

const malformed = 'MCP_ERR_MALFORMED_BODY'
const invalid = 'MCP_ERR_INVALID_REQUEST'

const bodies: Array<[string, string | Buffer, number, string]> = [
  ['nothing', '', 400, malformed],
  ['white space', ' \n', 400, malformed],
  ['half of a call', call.slice(0, -1), 400, malformed],
  ['a call followed by an object', `${call}{}`, 400, malformed],
  ['two calls on two lines', `${call}\n${call}`, 400, malformed],
  ['single quotes', "{'jsonrpc':'2.0'}", 400, malformed],
  ['a comma at the end', '{"jsonrpc":"2.0",}', 400, malformed],
  ['a comment', `/**/${call}`, 400, malformed],
  ['NaN', '{"jsonrpc":"2.0","id":NaN}', 400, malformed],
  ['a byte order mark', `\ufeff${call}`, 400, malformed],
  ['UTF-16', Buffer.from(call, 'utf16le'), 400, malformed],
  ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22]), 400, malformed],
  ['an overlong slash', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), 400, malformed],
  ['NUL bytes', Buffer.alloc(64), 400, malformed],
  ['a form', 'jsonrpc=2.0&id=1&method=ping', 400, malformed],
  ['128 levels', nested(64), 400, 'MCP_ERR_TOO_DEEP'],
  ['a hundred thousand levels', '['.repeat(100_000), 400, 'MCP_ERR_TOO_DEEP'],
  ['deeply nested objects', '{"a":'.repeat(100), 400, 'MCP_ERR_TOO_DEEP'],
  ['a __proto__ member', call.replace('{', '{"__proto__":{"role":"admin"},'), 400, malformed],
  ['an escaped __proto__ member', call.replace('{', '{"\\u005f_proto__":{"role":"admin"},'), 400, malformed],
  [
    'a constructor.prototype member',
    call.replace('{', '{"constructor":{"prototype":{"role":"admin"}},'),
    400,
    malformed
  ],
  [
    'a __proto__ member in the arguments',
    JSON.stringify(callOf('whoami')).replace('"arguments":{}', '"arguments":{"__proto__":{"a":1}}'),
    400,
    malformed
  ],
  ['null', 'null', 400, invalid],
  ['a number', '42', 400, invalid],
  ['text', '"ping"', 400, invalid],
  ['an empty object', '{}', 400, invalid],
  ['another JSON-RPC version', '{"jsonrpc":"1.0","id":1,"method":"ping"}', 400, invalid],
  ['JSON-RPC as a number', '{"jsonrpc":2.0,"id":1,"method":"ping"}', 400, invalid],
  ['no method', '{"jsonrpc":"2.0","id":1}', 400, invalid],
  ['a method that is a list', '{"jsonrpc":"2.0","id":1,"method":["ping"]}', 400, invalid],
  ['a method that is null', '{"jsonrpc":"2.0","id":1,"method":null}', 400, invalid],
  ['an id that is null', '{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, invalid],
  ['an id that is an object', '{"jsonrpc":"2.0","id":{},"method":"ping"}', 400, invalid],
  ['an id that is a list', '{"jsonrpc":"2.0","id":[1],"method":"ping"}', 400, invalid],
  ['an id that is true', '{"jsonrpc":"2.0","id":true,"method":"ping"}', 400, invalid],
  ['an infinite id', '{"jsonrpc":"2.0","id":1e999,"method":"ping"}', 400, invalid],
  ['an id beyond the safe integers', '{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}', 400, invalid],
  ['an id with a fraction', '{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 400, invalid],
  ['params that are a list', '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', 400, invalid],
  ['params that are a string', '{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}', 400, invalid],
  ['a request with a result', '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}', 400, invalid],
  [
    'a request with an error',
    '{"jsonrpc":"2.0","id":1,"method":"ping","error":{"code":1,"message":""}}',
    400,
    invalid
  ],
  [
    'a request with an unknown field',
    '{"jsonrpc":"2.0","id":1,"method":"ping","role":"admin"}',
    400,
    invalid
  ],
  ['an answer whose result is a number', '{"jsonrpc":"2.0","id":1,"result":1}', 400, invalid],
  [
    'more than a megabyte',
    `${call.slice(0, -1)},"x":"${'x'.repeat(1024 * 1024)}"}`,
    413,
    'MCP_ERR_BODY_TOO_LARGE'
  ]
]

for (const [what, payload, status, code] of bodies) {
  t.test(`a body of ${what} is refused with ${status}, and the next is served`, async t => {
    const app = await service(t)
    const answer = await post(app, payload)
    t.equal(answer.status, status)
    const { body } = answer
    t.equal(body.error.data.code, code)
    t.ok(!('id' in body) || body.id === 1)
    t.equal((await post(app, callOf('whoami'))).status, 200)
    t.equal(Reflect.get({}, 'role'), undefined)
  })
}

for (const [what, type, status] of [
  ['none', undefined, 415],
  ['text', 'text/plain', 415],
  ['a form', 'application/x-www-form-urlencoded', 415],
  ['parts', 'multipart/form-data; boundary=x', 415],
  ['XML', 'application/xml', 415],
  ['JSON, nearly', 'application/jsonx', 415],
  ['two types', 'text/plain, application/json', 415],
  ['JSON behind a tab', 'text/plain;\tapplication/json', 415],
  ['JSON in upper case', 'APPLICATION/JSON', 200],
  ['JSON with a charset', 'application/json; charset=utf-8', 200],
  ['JSON with a space', 'application/json ;charset="utf-8"', 200]
] as const) {
  t.test(`a call with the content type ${what} gets ${status}`, async t => {
    const app = await service(t)
    const response = await app.inject({
      method: 'POST',
      url: '/mcp',
      headers: { ...withKey, ...(type === undefined ? {} : { 'content-type': type }) },
      payload: Buffer.from(call)
    })
    t.equal(response.statusCode, status)
  })
}

t.test('a compressed body is not decompressed', async t => {
  const app = await service(t)
  t.equal((await post(app, gzipSync(call), { ...withKey, 'content-encoding': 'gzip' })).status, 415)
})

t.test('a body without a valid credential is not parsed', async t => {
  const app = await service(t)
  for (const [, payload] of bodies.slice(0, 20)) t.equal((await post(app, payload, {})).status, 401)
})

t.test('a body nested exactly 64 levels is accepted', async t => {
  const app = await service(t)
  const at = (await post(app, nested(61))).body
  t.equal(at.id, 1)
  t.notOk(at.error)
})

t.test('the last of two repeated JSON keys counts', async t => {
  const app = await service(t)
  t.same((await post(app, '{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping","id":2}')).body, {
    jsonrpc: '2.0',
    id: 2,
    result: {}
  })
})

const many = (length: number): number[] => Array.from({ length }, () => 1)
const client = { name: 'tests', version: '0' }
const meta = modern('server/discover').payload.params?._meta as object

for (const [what, send, status, code] of [
  [
    'an initialize',
    initialize({ clientInfo: { ...client, icons: many(90_000) } }),
    400,
    invalid
  ],
  [
    'the capabilities of an initialize',
    initialize({ capabilities: { experimental: many(90_000) } }),
    400,
    invalid
  ],
  ['a log level', rpc('logging/setLevel', { level: many(90_000) }), 200, 'MCP_ERR_INVALID_PARAMS'],
  ['a _meta', rpc('ping', { _meta: { x: many(90_000) } }), 200, 'MCP_ERR_INVALID_PARAMS'],
  [
    'a client of 2026-07-28',
    modern('server/discover', {
      _meta: { ...meta, 'io.modelcontextprotocol/clientInfo': { ...client, icons: many(90_000) } }
    }),
    400,
    'MCP_ERR_ENVELOPE'
  ]
] as const) {
  t.test(`${what} with ninety thousand errors is refused with a short message`, async t => {
    const sink = logSink()
    const app = await service(t, { logStream: sink })
    const answer =
      'payload' in send
        ? await post(app, send.payload, { ...withKey, ...send.headers })
        : await post(app, send)
    t.equal(answer.status, status)
    t.equal(answer.body.error.data.code, code)
    t.ok(JSON.stringify(sink.lines()).length < 10_000)
  })
}

for (const [what, meta] of [
  ['a number', 5],
  ['a list', []],
  ['a token that is an object', { progressToken: {} }],
  ['a token with a fraction', { progressToken: 0.5 }],
  ['a task that is a string', { 'io.modelcontextprotocol/related-task': 'x' }],
  ['a task without an id', { 'io.modelcontextprotocol/related-task': {} }]
] as const) {
  t.test(`a _meta of ${what} is refused, in both eras`, async t => {
    const app = await service(t)
    const legacy = await post(app, rpc('ping', { _meta: meta }))
    t.match(legacy, {
      status: 200,
      body: { id: 1, error: { code: -32602, data: { code: 'MCP_ERR_INVALID_PARAMS' } } }
    })
    const { headers, payload } = modern('tools/list')
    const spoilt =
      typeof meta === 'object' && meta !== null && !Array.isArray(meta)
        ? { ...(payload.params?._meta as object), ...meta }
        : meta
    t.match(await post(app, { ...payload, params: { _meta: spoilt } }, { ...withKey, ...headers }), {
      status: 400,
      body: { id: 1, error: { code: -32602, data: { code: 'MCP_ERR_ENVELOPE' } } }
    })
  })
}

t.test('input schemas validate properties named like prototype members', async t => {
  const echo = defineTool({ name: 'echo', input: z.object({ a: z.string() }), handler: ({ a }) => a })
  const app = await service(t, { tools: [echo] })
  t.equal((await post(app, callOf('echo', { toString: 'x', hasOwnProperty: 1 }))).body.result.isError, true)
  t.equal((await post(app, callOf('echo', { a: 'x', constructor: 'y' }))).body.result.content[0].text, 'x')
})
