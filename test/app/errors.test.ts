/** Errors anywhere in the app: every answer has the common shape and reveals no internals. */
import t from 'tap'
import { z } from 'zod'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { callOf, post, service } from '../support/service.js'
import { eras, fails, secret, trap } from '../support/masked.js'

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
    'an error with a JSON-RPC code',
    () => Object.assign(new Error(secret), { code: -32602, data: secret })
  ],
  [
    'an error with one of our codes',
    () => Object.assign(new Error(secret), { code: 'MCP_ERR_NOT_FOUND', statusCode: 404 })
  ],
  [
    'an error whose code is a prototype member',
    () => Object.assign(new Error(secret), { code: 'constructor' })
  ],
  ['an error with a cause', () => new Error(secret, { cause: new Error(secret) })],
  [
    'an error named PublicToolError',
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
    t.test(`${what} thrown by a tool is masked (${era})`, async t => {
      const sink = logSink()
      const app = await service(t, { tools: [fails('fail', () => { throw make() })], logStream: sink })
      const { status, text, body } = await call(app, 'fail')
      t.equal(status, 200)
      t.notMatch(text, secret)
      t.equal(body.result.isError, true)
      const [, requestId] = /^Internal error\. code: MCP_ERR_INTERNAL, requestId: ([\w-]{36})$/.exec(body.result.content[0].text) ?? []
      const fault = sink.lines().find(({ level }) => level === 50)
      t.match(fault, { msg: 'request', code: 'MCP_ERR_INTERNAL', reqId: requestId, principal: /^apikey:/ })
    })
  }
}

t.test('a tool that throws synchronously is masked as well', async t => {
  const app = await service(t, { tools: [defineTool({ name: 'fail', handler: () => { throw new Error(secret) } })] })
  const { text, body } = await post(app, callOf('fail'))
  t.equal(body.result.isError, true)
  t.notMatch(text, secret)
})

t.test('the log has the cause with the request id that the caller got', async t => {
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
  ['an object that is not a result', () => ({ hits: secret })],
  ['a list', () => [secret]],
  ['content that is a string', () => ({ content: secret })],
  ['content that is not a list of blocks', () => ({ content: [secret] })],
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
    t.test(`${what} returned by a tool is a masked fault (${era})`, async t => {
      const app = await service(t, { tools: [fails('odd', make), fails('fine', () => 'done')] })
      const { text, body } = await call(app, 'odd')
      t.notMatch(text, secret)
      t.ok(body.result?.isError === true || body.error?.data.code === 'MCP_ERR_INTERNAL', text)
      t.equal(body.id, 'e')
      t.equal((await call(app, 'fine')).body.result.content[0].text, 'done')
    })
  }
}

t.test('a text result of a tool with an output schema is a fault', async t => {
  // @ts-expect-error: a tool with an output schema must return a result
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

t.test('a result that does not match the output schema is a fault', async t => {
  const broken = defineTool({
    name: 'broken',
    output: z.object({ n: z.number() }),
    // @ts-expect-error: the schema types the result
    handler: () => ({ structuredContent: { n: secret } })
  })
  const app = await service(t, { tools: [broken] })
  const { text, body } = await post(app, callOf('broken'))
  t.equal(body.result.isError, true)
  t.notMatch(text, secret)
})
