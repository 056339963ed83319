/** One request in a slot: its answer, and what discards the slot. */
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { CancelledError } from '../../../../src/errors.js'
import { Exchange } from '../../../../src/mcp/exchange/exchange.js'
import type { RpcMessage, RpcRequest } from '../../../../src/mcp/wire/messages.js'
import { ReplyWriter } from '../../../../src/mcp/wire/reply.js'
import { SlotResponder } from '../../../../src/mcp/slots/responder.js'
import { callerOf } from '../../../support/exchange.js'

const request: RpcRequest = { jsonrpc: '2.0', id: 7, method: 'tools/call' }
const answer: RpcMessage = { jsonrpc: '2.0', id: 7, result: { content: [] } }

function begin (method = 'tools/call') {
  const responder = new SlotResponder({ stateful: new Set(['initialize']), revision: { unknownMethodStatus: 404 } })
  const exchange = new Exchange(callerOf(), 60_000)
  const writer = new ReplyWriter()
  const ended: boolean[] = []
  responder.begin({ request: { ...request, method }, exchange, writer, done: clean => { ended.push(clean) } })
  return { responder, exchange, writer, ended }
}

t.test('a clean answer returns the slot', async t => {
  const { responder, writer, ended } = begin()
  responder.settle(answer)
  t.match(await writer.reply, { status: 200, json: JSON.stringify(answer) })
  t.same(ended, [true])
  t.equal(responder.current, undefined)
})

t.test('a request with lasting effects discards the slot', async t => {
  const { responder, ended } = begin('initialize')
  responder.settle(answer)
  t.same(ended, [false])
})

for (const [what, message] of [
  ['an answer to another id', { ...answer, id: 8 }],
  ['an answer to the same id as text', { ...answer, id: '7' }],
  ['an error without an id', { jsonrpc: '2.0', error: { code: 1, message: 'secret' } }],
  ['a request of the SDK', { jsonrpc: '2.0', id: 7, method: 'roots/list' }],
  ['a notification', { jsonrpc: '2.0', method: 'notifications/message', params: { data: 'secret' } }]
] as const) {
  t.test(`${what} is dropped and discards the slot`, async t => {
    const { responder, writer, ended } = begin()
    responder.settle(message)
    const { status, json = '' } = await writer.reply
    t.equal(status, 200)
    t.match(JSON.parse(json), { id: 7, error: { data: { code: 'MCP_ERR_INTERNAL' } } })
    t.notMatch(json, /secret/)
    t.same(ended, [false])
  })
}

t.test('a second answer is dropped', async t => {
  const { responder, writer, ended } = begin()
  responder.settle(answer)
  responder.settle({ ...answer, result: { content: ['again'] } })
  t.notMatch((await writer.reply).json, /again/)
  t.same(ended, [true])
})

t.test('an aborted request is answered and discards the slot', async t => {
  const { exchange, writer, ended } = begin()
  exchange.abort(new CancelledError())
  await turn()
  t.match(await writer.reply, { status: 499 })
  t.same(ended, [false])
})

t.test('an aborted request discards the slot even if answered in time', async t => {
  const { responder, exchange, ended } = begin()
  exchange.abort(new CancelledError())
  responder.settle(answer)
  await turn()
  t.same(ended, [false])
})

t.test("messages of an SDK's own errors are masked", async t => {
  const { responder, writer } = begin()
  responder.settle({ jsonrpc: '2.0', id: 7, error: { code: -32601, message: 'secret', data: 'secret' } })
  const { status, json = '' } = await writer.reply
  t.equal(status, 404)
  t.match(JSON.parse(json), { id: 7, error: { code: -32601, data: { code: 'MCP_ERR_UNKNOWN_METHOD' } } })
  t.notMatch(json, /secret/)
})

t.test('a busy slot refuses another request', async t => {
  const { responder, exchange } = begin()
  t.throws(() => { responder.begin({ request, exchange, writer: new ReplyWriter(), done: () => {} }) })
  exchange.end()
})

t.test('closing a busy slot answers its request', async t => {
  const { responder, writer, ended } = begin()
  responder.drop()
  t.match(await writer.reply, { status: 200, json: /MCP_ERR_INTERNAL/ })
  t.same(ended, [false])
})
