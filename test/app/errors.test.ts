/** Whatever goes wrong in the whole app, its answer has the one shape and nothing internal in it. */
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { PublicToolError, RateLimitedError, refusals } from '../../src/errors.js'
import { definePrompt } from '../../src/tools/prompt.js'
import { defineTool, type Tool, type ToolResult } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { type Answer, callOf, modern, post, rpc, service, withKey } from '../support/service.js'

const secret = 'db-password-hunter2'

/** The two eras, as ways to call a tool. */
const eras: Array<[string, (app: FastifyInstance, name: string) => Promise<Answer>]> = [
  ['2025', async (app, name) => await post(app, callOf(name, {}, 'e'))],
  ['2026', async (app, name) => {
    const { headers, payload } = modern('tools/call', { name }, 'e')
    return await post(app, payload, { ...withKey, ...headers })
  }]
]

const trap = (): never => { throw new Error(secret) }

function hostileError (): Error {
  const error = new Error('x')
  for (const key of ['message', 'code', 'stack', 'data', 'name', 'cause']) {
    Object.defineProperty(error, key, { get: trap })
  }
  return error
}

function circular (): Record<string, unknown> {
  const value: Record<string, unknown> = { secret }
  value.self = value
  return value
}

function fails (name: string, handler: () => unknown): Tool {
  return defineTool({ name, handler: async () => handler() as ToolResult })
}

const thrown: Array<[string, () => unknown]> = [
  ['an error', () => new Error(secret)],
  ['text', () => secret],
  ['null', () => null],
  ['undefined', () => undefined],
  ['a symbol', () => Symbol(secret)],
  [
    'an error with data and a code',
    () => Object.assign(new Error(secret), { code: -32000, data: { secret } })
  ],
  [
    'an error with a code of JSON-RPC',
    () => Object.assign(new Error(secret), { code: -32602, data: secret })
  ],
  [
    'an error with a code of ours',
    () => Object.assign(new Error(secret), { code: 'MCP_ERR_NOT_FOUND', statusCode: 404 })
  ],
  [
    'an error whose code is a name that every object has',
    () => Object.assign(new Error(secret), { code: 'constructor' })
  ],
  ['an error with a cause', () => new Error(secret, { cause: new Error(secret) })],
  [
    'an error that is named PublicToolError',
    () => Object.assign(new Error(secret), { name: 'PublicToolError' })
  ],
  ['an error whose getters throw', hostileError],
  [
    'a proxy whose traps throw',
    () =>
      new Proxy(
        {},
        { get: trap, has: trap, getPrototypeOf: trap, ownKeys: trap, getOwnPropertyDescriptor: trap }
      )
  ],
  ['a proxy of an error', () => new Proxy(new Error(secret), { get: trap })],
  ['an object with toString', () => ({ toString: () => secret, message: secret })],
  ['an aggregate', () => new AggregateError([new Error(secret)], secret)],
  ['a result', () => ({ content: [{ type: 'text', text: secret }] })]
]

for (const [what, make] of thrown) {
  for (const [era, call] of eras) {
    t.test(`${what}, thrown by a tool, says nothing but that it failed (${era})`, async t => {
      const sink = logSink()
      const app = await service(t, { tools: [fails('fail', () => { throw make() })], logStream: sink })
      const { status, text, body } = await call(app, 'fail')
      t.equal(status, 200)
      t.notMatch(text, secret)
      t.equal(body.result.isError, true)
      const [, requestId] = /^Internal error\. requestId: ([\w-]{36})$/.exec(body.result.content[0].text) ?? []
      const fault = sink.lines().find(({ level }) => level === 50)
      t.match(fault, { msg: 'request', code: 'MCP_ERR_INTERNAL', reqId: requestId, principal: /^apikey:/ })
    })
  }
}

t.test('a tool that throws at once, not later, is masked as well', async t => {
  const app = await service(t, { tools: [defineTool({ name: 'fail', handler: () => { throw new Error(secret) } })] })
  const { text, body } = await post(app, callOf('fail'))
  t.equal(body.result.isError, true)
  t.notMatch(text, secret)
})

t.test('the cause stands in the log under the id that the caller was given', async t => {
  const sink = logSink()
  const app = await service(t, {
    tools: [
      fails('fail', () => {
        throw new Error(secret, { cause: new Error('deeper') })
      })
    ],
    logStream: sink
  })
  const { body } = await post(app, callOf('fail'))
  const fault = sink.lines().find(({ level }) => level === 50)
  t.match(fault, { err: { message: secret, cause: { message: 'deeper' } } })
  t.ok(body.result.content[0].text.endsWith(String(fault?.reqId)))
  t.equal(sink.lines().length, 1, 'one line a request')
})

const returned: Array<[string, () => unknown]> = [
  ['nothing', () => undefined],
  ['null', () => null],
  ['a number', () => 42],
  ['a function', () => () => secret],
  ['an object that is no result', () => ({ hits: secret })],
  ['a list', () => [secret]],
  ['content that is text', () => ({ content: secret })],
  ['content that is no blocks', () => ({ content: [secret] })],
  ['blocks without a type', () => ({ content: [{ text: secret }] })],
  ['a circular result', () => ({ structuredContent: circular() })],
  ['a circular block', () => ({ content: [{ type: 'text', text: 'x', annotations: circular() }] })],
  ['a BigInt', () => ({ structuredContent: { secret, n: 1n } })],
  [
    'a getter that throws',
    () => ({
      get content () {
        return trap()
      }
    })
  ],
  [
    'a getter that throws, deep inside',
    () => ({ structuredContent: Object.defineProperty({ secret }, 'n', { enumerable: true, get: trap }) })
  ],
  ['a proxy whose traps throw', () => new Proxy({}, { get: trap, has: trap, ownKeys: trap })],
  ['a toJSON that throws', () => ({ structuredContent: { toJSON: trap } })],
  ['a then that throws', () => Object.defineProperty({}, 'then', { get: trap })]
]

for (const [what, make] of returned) {
  for (const [era, call] of eras) {
    t.test(`${what}, returned by a tool, is its fault and shows nothing (${era})`, async t => {
      const app = await service(t, { tools: [fails('odd', make), fails('fine', () => 'done')] })
      const { text, body } = await call(app, 'odd')
      t.notMatch(text, secret)
      t.ok(body.result?.isError === true || body.error?.data.code === 'MCP_ERR_INTERNAL', text)
      t.equal(body.id, 'e')
      t.equal((await call(app, 'fine')).body.result.content[0].text, 'done')
    })
  }
}

t.test('a text in place of a result that has a schema is a fault: clients would throw', async t => {
  // @ts-expect-error: a tool with an output schema returns a result
  const typed = defineTool({ name: 'typed', output: z.object({ n: z.number() }), handler: () => 'text' })
  const raw = defineTool({ name: 'raw', output: { type: 'object' }, handler: () => 'text' })
  const logStream = logSink()
  const app = await service(t, { tools: [typed, raw], logStream })
  for (const name of ['typed', 'raw']) {
    t.match((await post(app, callOf(name))).body.result, {
      isError: true,
      content: [{ text: /^Internal error/ }]
    })
  }
  t.match(
    logStream.lines().filter(({ level }) => level === 50),
    [{ tool: 'typed', err: { message: /output schema/ } }, { tool: 'raw' }]
  )
})

t.test('a result that its own schema does not allow is a fault', async t => {
  const broken = defineTool({
    name: 'broken',
    output: z.object({ n: z.number() }),
    // @ts-expect-error: the result is typed by the schema
    handler: () => ({ structuredContent: { n: secret } })
  })
  const app = await service(t, { tools: [broken] })
  const { text, body } = await post(app, callOf('broken'))
  t.equal(body.result.isError, true)
  t.notMatch(text, secret)
})

for (const [era, call] of eras) {
  t.test(`a tool says something to its caller on purpose (${era})`, async t => {
    const app = await service(t, {
      tools: [
        fails('sorry', () => {
          throw new PublicToolError('No such invoice', { cause: new Error(secret) })
        })
      ]
    })
    const { status, text, body } = await call(app, 'sorry')
    t.equal(status, 200)
    t.match(body.result, { isError: true, content: [{ type: 'text', text: 'No such invoice' }] })
    t.notMatch(text, secret)
  })

  t.test(`a refusal from inside a tool is a result that a model can read (${era})`, async t => {
    const app = await service(t, {
      tools: [
        fails('busy', () => {
          throw new RateLimitedError({
            data: { retryAfterMs: 5000 },
            headers: { 'retry-after': '5' },
            reason: secret
          })
        })
      ]
    })
    const { status, headers, text, body } = await call(app, 'busy')
    t.equal(status, 200)
    t.equal(headers['retry-after'], '5')
    t.match(body, {
      id: 'e',
      result: {
        isError: true,
        content: [{ text: /code: MCP_ERR_RATE_LIMITED, retryAfterMs: 5000, requestId: [\w-]{36}$/ }]
      }
    })
    t.notMatch(text, secret)
  })
}

const fail = async (): Promise<never> => { throw Object.assign(new Error(secret), { code: -32002, data: { secret } }) }
const broken = {
  resources: [
    { name: 'r', uri: 'x://r', read: fail },
    { name: 't', uriTemplate: 'x://t/{id}', read: fail, complete: { id: fail } }
  ],
  prompts: [{ name: 'p', handler: fail, complete: { id: fail } }]
}

for (const [what, method, params] of [
  ['a resource', 'resources/read', { uri: 'x://r' }],
  ['a template', 'resources/read', { uri: 'x://t/1' }],
  ['a prompt', 'prompts/get', { name: 'p' }],
  [
    'a completion of a prompt',
    'completion/complete',
    { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'id', value: '' } }
  ],
  [
    'a completion of a template',
    'completion/complete',
    { ref: { type: 'ref/resource', uri: 'x://t/{id}' }, argument: { name: 'id', value: '' } }
  ]
] as const) {
  t.test(`${what} that throws is a masked fault, in both eras`, async t => {
    const app = await service(t, broken)
    const { headers, payload } = modern(method, params)
    for (const answer of [
      await post(app, rpc(method, params)),
      await post(app, payload, { ...withKey, ...headers })
    ]) {
      t.equal(answer.status, 200)
      t.match(answer.body.error, {
        code: -32603,
        message: 'Internal error',
        data: { code: 'MCP_ERR_INTERNAL', requestId: String }
      })
      t.notMatch(answer.text, secret)
    }
  })
}

for (const messages of [
  ['x'],
  [null],
  [{ role: 'user', content: 'x' }],
  [{ role: 'system', content: { type: 'text', text: 'x' } }]
]) {
  t.test(`a prompt of ${JSON.stringify(messages)} is a fault`, async t => {
    const app = await service(t, {
      prompts: [definePrompt({ name: 'odd', handler: () => ({ messages }) as never })]
    })
    t.match((await post(app, rpc('prompts/get', { name: 'odd' }))).body.error, {
      data: { code: 'MCP_ERR_INTERNAL' }
    })
  })
}

t.test('a resource whose error is called like what every object has is a fault with its cause in the log', async t => {
  for (const code of ['constructor', '__proto__', 'toString']) {
    const sink = logSink()
    const read = (): never => { throw Object.assign(new Error(secret), { code }) }
    const app = await service(t, { resources: [{ name: 'r', uri: 'x://r', read }], logStream: sink })
    const { status, body } = await post(app, rpc('resources/read', { uri: 'x://r' }))
    t.equal(status, 200)
    t.match(body.error, { message: 'Internal error', data: { code: 'MCP_ERR_INTERNAL' } })
    t.match(sink.lines().find(({ level }) => level === 50), { err: { message: secret } })
  }
})

t.test('an access rule that throws hides its item', async t => {
  const app = await service(t, {
    tools: [defineTool({ name: 'guarded', access: { allow: trap }, handler: () => 'in' })]
  })
  t.notMatch((await post(app, rpc('tools/list'))).text, /guarded/)
  t.equal((await post(app, callOf('guarded'))).body.error.data.code, 'MCP_ERR_UNKNOWN_TOOL')
})

t.test('a schema whose check throws is a fault', async t => {
  const picky = defineTool({
    name: 'picky',
    input: z.object({ a: z.string().refine(() => trap()) }),
    handler: () => 'in'
  })
  const app = await service(t, { tools: [picky] })
  const { text, body } = await post(app, callOf('picky', { a: 'x' }))
  t.ok(body.result?.isError === true || body.error?.data.code === 'MCP_ERR_INTERNAL')
  t.notMatch(text, secret)
})

/** One request for each refusal that a caller of the default app can meet without waiting. */
const refused: Array<
  [
    string,
    { method?: 'GET' | 'POST'; url?: string; headers?: Record<string, string>; payload?: string },
    number,
    string
  ]
> = [
  ['no credential', { headers: { 'x-api-key': '' } }, 401, 'MCP_ERR_UNAUTHENTICATED'],
  ['a wrong key', { headers: { 'x-api-key': 'nobody-s-key-at-all' } }, 401, 'MCP_ERR_UNAUTHENTICATED'],
  ['no JSON', { payload: '{' }, 400, 'MCP_ERR_MALFORMED_BODY'],
  ['no message', { payload: '7' }, 400, 'MCP_ERR_INVALID_REQUEST'],
  ['depth', { payload: '['.repeat(65) + ']'.repeat(65) }, 400, 'MCP_ERR_TOO_DEEP'],
  ['size', { payload: `"${'x'.repeat(1024 * 1024)}"` }, 413, 'MCP_ERR_BODY_TOO_LARGE'],
  [
    'another type',
    { headers: { 'content-type': 'text/plain' }, payload: '{}' },
    415,
    'MCP_ERR_UNSUPPORTED_MEDIA_TYPE'
  ],
  ['an Accept that nothing fits', { headers: { accept: 'text/html' } }, 406, 'MCP_ERR_NOT_ACCEPTABLE'],
  ['another method', { method: 'GET' }, 405, 'MCP_ERR_METHOD_NOT_ALLOWED'],
  [
    'another revision',
    { headers: { 'mcp-protocol-version': '1999-01-01' } },
    400,
    'MCP_ERR_PROTOCOL_VERSION'
  ],
  ['a foreign origin', { headers: { origin: 'https://evil.example' } }, 403, 'MCP_ERR_ORIGIN_REFUSED'],
  ['a foreign host', { headers: { host: 'evil.example' } }, 403, 'MCP_ERR_HOST_REFUSED'],
  ['an unknown path', { url: '/elsewhere' }, 404, 'MCP_ERR_NOT_FOUND'],
  ['a malformed URL', { url: '/mcp/%zz' }, 400, 'MCP_ERR_BAD_URL']
]

async function refuse (t: Test, [, request, status, code]: typeof refused[number]): Promise<void> {
  const app = await service(t)
  const { method = 'POST', url = '/mcp', headers = {}, payload = JSON.stringify(rpc('ping')) } = request
  const response = await app.inject({
    method,
    url,
    headers: { ...withKey, 'content-type': 'application/json', ...headers },
    ...(method === 'POST' ? { payload } : {})
  })
  t.equal(response.statusCode, status)
  const body = response.json()
  const data = url === '/mcp' ? body.error.data : body
  t.match(data, { code, requestId: /^[\w-]{36}$/ })
  t.notOk('id' in body && body.id === null)
  t.equal(response.headers['cache-control'], 'no-store')
  if (url === '/mcp') {
    t.match(body, { jsonrpc: '2.0', error: { code: Number, message: refusals.get(code)?.description } })
  } else t.equal(body.message, refusals.get(code)?.description)
}

for (const row of refused) {
  t.test(`${row[0]} is refused with ${row[2]} in the one shape`, async t => { await refuse(t, row) })
}

t.test('a challenge comes with every 401, and tells none from another', async t => {
  const app = await service(t)
  const bad = [
    { 'x-api-key': 'nobody-s-key-at-all' },
    { authorization: 'Bearer abc' },
    { authorization: 'Bearer a.b.c' }
  ]
  const answers = await Promise.all(bad.map(async headers => await post(app, rpc('ping'), headers)))
  t.same(
    answers.map(({ headers }) => headers['www-authenticate']),
    bad.map(() => 'Bearer realm="mcp", error="invalid_token"')
  )
  const told = answers.map(({ body }) =>
    JSON.stringify({ ...body, error: { ...body.error, data: { ...body.error.data, requestId: '' } } })
  )
  t.equal(new Set(told).size, 1)
  const none = await post(app, rpc('ping'), {})
  t.equal(none.headers['www-authenticate'], 'Bearer realm="mcp"')
})

t.test('the id is echoed where it could be read, and left out where not', async t => {
  const app = await service(t)
  t.equal((await post(app, { jsonrpc: '1.0', id: 'mine', method: 'x' })).body.id, 'mine')
  for (const id of [null, {}, [], true]) t.notOk('id' in (await post(app, { jsonrpc: '2.0', id, method: 'ping' })).body)
})
