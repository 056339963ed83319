import t from 'tap'
import { answerForSdk, forSdk } from '../../../../src/mcp/wire/for-sdk.js'
import { type RpcRequest, dropNulls, hasReadableMeta, isModest, kindOf } from '../../../../src/mcp/wire/messages.js'

const many = (count: number): Record<string, unknown> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`m${index}`, index]))
const request = (method: string, params?: Record<string, unknown>): RpcRequest => ({
  jsonrpc: '2.0',
  id: 1,
  method,
  ...(params === undefined ? {} : { params })
})
const code = (name: string): { code: string } => ({ code: name })

for (const [method, read] of [
  ['ping', {}],
  ['server/discover', {}],
  ['tools/call', {}],
  ['logging/setLevel', { level: 'info' }],
  ['notifications/cancelled', { requestId: 7, reason: 'enough' }],
  ['notifications/progress', { progressToken: 1, progress: 2, total: 3, message: 'on' }],
  [
    'initialize',
    { protocolVersion: '2025-11-25', capabilities: { roots: {} }, clientInfo: { name: 'n', version: '1' } }
  ]
] as const) {
  t.test(`an SDK gets only the parameters of ${method} that it reads`, async t => {
    const _meta = { progressToken: 3 }
    t.same(forSdk(request(method, { ...many(90_000), ...read, _meta })), request(method, { ...read, _meta }))
  })
}

t.test('a request without parameters reaches the SDK unchanged', async t => {
  t.same(forSdk(request('ping')), request('ping'))
})

t.test('parameters for an SDK have at most 1,000 values', async t => {
  t.throws(() => forSdk(request('initialize', { capabilities: many(1001) })), code('MCP_ERR_INVALID_PARAMS'))
})

t.test('an answer to a question has at most 5,000 values', async t => {
  t.same(answerForSdk({ jsonrpc: '2.0', id: 1, result: { roots: [] }, extra: many(9000) }), {
    jsonrpc: '2.0',
    id: 1,
    result: { roots: [] }
  })
  t.throws(
    () => answerForSdk({ jsonrpc: '2.0', id: 1, result: { roots: [many(5000)] } }),
    code('MCP_ERR_INVALID_REQUEST')
  )
})

t.test('an error as an answer keeps its code and part of its message', async t => {
  const given = { jsonrpc: '2.0', id: 1, error: { code: -1, message: 'x'.repeat(5000), data: many(9000) } }
  t.same(answerForSdk(given), { jsonrpc: '2.0', id: 1, error: { code: -1, message: 'x'.repeat(1000) } })
})

t.test('ids and progress tokens have at most 256 characters', async t => {
  t.equal(kindOf({ jsonrpc: '2.0', id: 'x'.repeat(256), method: 'ping' }), 'request')
  t.equal(kindOf({ jsonrpc: '2.0', id: 'x'.repeat(257), method: 'ping' }), 'invalid')
  t.ok(hasReadableMeta(request('ping', { _meta: { progressToken: 'x'.repeat(256) } })))
  t.notOk(hasReadableMeta(request('ping', { _meta: { progressToken: 'x'.repeat(257) } })))
})

t.test('null members of parameters and _meta are dropped, arguments are not', async t => {
  const body = request('tools/call', {
    name: 'n',
    cursor: null,
    arguments: { a: null },
    _meta: { progressToken: null, a: 1 }
  })
  dropNulls(body)
  t.same(body, request('tools/call', { name: 'n', arguments: { a: null }, _meta: { a: 1 } }))
  const batch = [request('tools/list', { cursor: null, _meta: null })]
  dropNulls(batch)
  t.same(batch, [request('tools/list', {})])
})

t.test('values are counted at every depth', async t => {
  t.ok(isModest({ a: [1, 2], b: { c: 3 } }, 5))
  t.notOk(isModest({ a: [1, 2], b: { c: 3 } }, 4))
})
