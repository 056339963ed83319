/** A nearly valid message is answered at once. */
import fc from 'fast-check'
import t from 'tap'
import { isRefusal } from '../../../src/errors.js'
import { Exchange } from '../../../src/mcp/exchange/exchange.js'
import { callerOf } from '../../support/exchange.js'
import { modern } from '../../support/service.js'
import { watchSlots } from '../../support/slot-watch.js'
import { longMs, open } from '../../support/bridge.js'

/** Nearly valid messages. An SDK would never answer a message that it does not recognize. */
const nearly = fc.record(
  {
    jsonrpc: fc.constant('2.0'),
    id: fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.double()),
    method: fc.oneof(
      fc.constantFrom(
        'ping',
        'initialize',
        'tools/list',
        'tools/call',
        'completion/complete',
        'logging/setLevel',
        'resources/read',
        'tasks/get',
        'server/discover',
        '__proto__',
        ''
      ),
      fc.string()
    ),
    params: fc.oneof(
      fc.dictionary(
        fc.constantFrom(
          'name',
          'arguments',
          'task',
          'cursor',
          'uri',
          'ref',
          'argument',
          'level',
          'protocolVersion',
          'capabilities',
          'clientInfo',
          'inputResponses',
          'requestState'
        ),
        fc.jsonValue()
      ),
      fc.record({
        _meta: fc.oneof(
          fc.jsonValue(),
          fc.dictionary(
            fc.constantFrom(
              'progressToken',
              'io.modelcontextprotocol/related-task',
              'io.modelcontextprotocol/logLevel',
              'traceparent'
            ),
            fc.jsonValue()
          )
        ),
        name: fc.constant('act')
      }),
      fc.jsonValue()
    ),
    result: fc.jsonValue(),
    error: fc.jsonValue()
  },
  { requiredKeys: ['jsonrpc', 'method'] }
)

t.test('a nearly valid message is answered at once, not by the deadline', async t => {
  const watch = watchSlots()
  t.teardown(watch.stop)
  const { endpoint } = open()
  const caller = callerOf()
  const body = fc.oneof(nearly, fc.array(nearly, { maxLength: 3 }))
  await fc.assert(fc.asyncProperty(body, fc.boolean(), async (given, inModern) => {
    // Plain JSON values, as a parser returns them.
    const message: unknown = JSON.parse(JSON.stringify(given))
    const one = Array.isArray(message) ? {} : message as { method?: string, params?: Record<string, unknown> }
    const meta = modern('').payload.params?._meta
    const isObject = typeof one.params === 'object' && one.params !== null && !Array.isArray(one.params)
    const sent =
      inModern && isObject && one.params?._meta === undefined
        ? { ...one, params: { ...one.params, _meta: meta } }
        : message
    const headers: Record<string, string> = inModern
      ? { ...modern(String(one.method), isObject ? one.params : {}).headers, accept: 'application/json' }
      : { accept: 'application/json' }
    const reply = (async () =>
      await endpoint.serve({
        method: 'POST',
        headers,
        body: sent,
        principal: caller.principal,
        open: () => new Exchange(caller, longMs),
        charge: async () => {},
        onGone: () => {}
      }))()
    const text = await reply.then(({ json }) => json ?? '', (error: unknown) => {
      if (isRefusal(error)) return error.code
      throw error
    })
    if (text.includes('MCP_ERR_DEADLINE')) throw new Error('no answer before the deadline')
    if (/"id":null/.test(text)) throw new Error('an answer with an id of null')
  }), { numRuns: 1500, includeErrorInReport: true })
  t.equal(watch.out(), 0)
  t.same(watch.wrong, [])
  await endpoint.close()
})
