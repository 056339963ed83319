/** Messages and questions of a handler during and after its call. */
import t from 'tap'
import { createContext, noTools } from '../../../../src/mcp/exchange/handler-context.js'
import { sayTo } from '../../../../src/mcp/slots/answer-text.js'
import { ReplyWriter } from '../../../../src/mcp/wire/reply.js'
import { callerOf, during } from '../../../support/exchange.js'
import { watchStreams } from '../../../support/stream-watch.js'

t.test('a handler can send messages only during its call', async t => {
  const heard: string[] = []
  await during(callerOf(), async exchange => {
    exchange.connect({ notify: async method => { heard.push(method) } })
    exchange.begin('tools/call', { _meta: { progressToken: 1 } })
    const { progress, log } = createContext(exchange, noTools)
    await progress(1)
    exchange.end()
    await progress(2)
    await log('info', 'late')
  })
  t.same(heard, ['notifications/progress'])
})

t.test('a handler cannot ask after its call', async t => {
  let asked = 0
  await during(callerOf(), async exchange => {
    exchange.connect({ notify: async () => {}, ask: async () => { asked += 1; return {} } })
    const { elicit } = createContext(exchange, noTools)
    exchange.end()
    await t.rejects(elicit({ message: 'Late?', schema: {} }), { name: 'PublicToolError' })
  })
  t.equal(asked, 0)
})

t.test('an ended call of a batch sends nothing while another runs', async t => {
  const watch = watchStreams()
  t.teardown(watch.stop)
  const writer = new ReplyWriter({ expected: 2, batch: true })
  await during(callerOf(), async exchange => {
    const say = sayTo(writer, exchange)
    exchange.end()
    writer.answer('{"id":1}')
    await say('notifications/progress', {})
  })
  writer.answer('{"id":2}')
  t.same(await writer.reply, { status: 200, json: '[{"id":1},{"id":2}]' })
  t.equal(watch.opened(), 0)
})
