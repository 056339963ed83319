/** Streams of a session that close before the answer: the caller can resume them, and gets nothing else. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { z } from 'zod'
import { defineTool } from '../../src/tools/tool.js'
import { clients } from '../support/clients.js'
import { begin, listen, openSession, read, settles } from '../support/session.js'
import { callOf, eventsOf, listening, post, rpc, service, withKey } from '../support/service.js'
import { until } from '../support/until.js'

/** A tool that closes its stream, and answers later. */
const poll = defineTool({
  name: 'poll',
  input: z.object({ size: z.number() }),
  handler: async ({ size }, { closeStream }) => {
    closeStream()
    await sleep(20)
    return 'x'.repeat(size)
  }
})

t.test('a stream resumed after its answer sends the answer and ends', async t => {
  const app = await service(t, { sessions: {}, tools: [poll] })
  const url = await listening(app)
  const session = await openSession(app)
  const call = await begin(url, callOf('poll', { size: 3 }), session)
  t.notMatch(await call.ended, 'xxx')
  await sleep(100)
  const rest = await listen(url, session, call.lastId())
  t.ok(await settles(rest.ended))
  t.match(rest.messages(), [{ id: 1, result: { content: [{ text: 'xxx' }] } }])
  const again = await listen(url, session, rest.lastId())
  t.ok(await settles(again.ended))
  t.same(again.messages(), [], 'nothing is left after the answer')
})

t.test('a stream resumed before its answer ends with the answer', async t => {
  let answer = (_text: string): void => {}
  const wait = defineTool({
    name: 'wait',
    handler: async (_args, { closeStream }) => {
      closeStream()
      return await new Promise<string>(resolve => {
        answer = resolve
      })
    }
  })
  const app = await service(t, { sessions: {}, tools: [wait] })
  const url = await listening(app)
  const session = await openSession(app)
  const call = await begin(url, callOf('wait'), session)
  await call.ended
  const rest = await listen(url, session, call.lastId())
  answer('here')
  t.ok(await settles(rest.ended))
  t.match(rest.messages(), [{ id: 1, result: { content: [{ text: 'here' }] } }])
})

t.test('messages sent while disconnected are replayed in order and once', async t => {
  let goOn = (): void => {}
  const talk = defineTool({
    name: 'talk',
    handler: async (_args, { closeStream, log }) => {
      await log('info', 1)
      closeStream()
      for (let n = 2; n <= 20; n++) await log('info', n)
      await new Promise<void>(resolve => { goOn = resolve })
      await log('info', 21)
      return 'done'
    }
  })
  const app = await service(t, { sessions: {}, tools: [talk] })
  const url = await listening(app)
  const session = await openSession(app)
  const call = await begin(url, callOf('talk'), session)
  await call.ended
  const rest = await listen(url, session, call.lastId())
  goOn()
  t.ok(await settles(rest.ended))
  t.same(
    [...call.messages(), ...rest.messages()].map(({ params }) => params?.data),
    [...Array.from({ length: 21 }, (_, n) => n + 1), undefined]
  )
})

t.test('a client can poll without leaving a stream open', async t => {
  const app = await service(t, { sessions: { retryMs: 10 }, maxStreamsPerPrincipal: 2, tools: [poll] })
  const url = await listening(app)
  for (const [, era, connect] of clients) {
    if (era === 'modern') continue
    const client = await connect({ url, headers: withKey })
    for (let i = 1; i <= 4; i++) t.equal((await client.call('poll', { size: i })).text, 'x'.repeat(i))
    await client.close()
  }
})

t.test('an answer larger than the event store is still replayed', async t => {
  const app = await service(t, { sessions: {}, tools: [poll] })
  const url = await listening(app)
  const session = await openSession(app)
  const calls = [
    await begin(url, callOf('poll', { size: 400_000 }, 1), session),
    await begin(url, callOf('poll', { size: 400_001 }, 2), session)
  ]
  for (const call of calls) await call.ended
  await sleep(100)
  await post(app, rpc('ping'), session)
  for (const [index, call] of calls.entries()) {
    const rest = await listen(url, session, call.lastId())
    t.ok(await settles(rest.ended))
    t.equal(rest.messages()[0]?.result.content[0].text.length, 400_000 + index)
  }
})

t.test('an answer right after closing the stream is replayed', async t => {
  const quick = defineTool({
    name: 'quick',
    handler: (_args, { closeStream }) => {
      closeStream()
      return 'x'.repeat(300_000)
    }
  })
  const app = await service(t, { sessions: {}, tools: [quick] })
  const url = await listening(app)
  const session = await openSession(app)
  const call = await begin(url, callOf('quick', {}, 1), session)
  t.notMatch(await call.ended, 'xxx')
  await post(app, callOf('whoami', {}, 2), session)
  const rest = await listen(url, session, call.lastId())
  t.ok(await settles(rest.ended))
  t.equal(rest.messages()[0]?.result.content[0].text.length, 300_000)
})

t.test('a slow reader of a resumed stream gets everything', async t => {
  let said = 0
  const flood = defineTool({
    name: 'flood',
    handler: async (_args, { closeStream, log }) => {
      closeStream()
      await sleep(100)
      for (; said < 150; said++) await log('info', 'x'.repeat(60_000))
      return 'all'
    }
  })
  const app = await service(t, { sessions: {}, tools: [flood] })
  const url = await listening(app)
  const session = await openSession(app)
  const call = await begin(url, callOf('flood'), session)
  await call.ended
  const response = await fetch(`${url}/mcp`, {
    headers: { ...session, accept: 'text/event-stream', 'last-event-id': call.lastId() }
  })
  await until(() => said > 0)
  // The handler pauses once its messages fill the buffers.
  for (let before = 0; before !== said;) {
    before = said
    await sleep(500)
  }
  t.ok(said > 0 && said < 150, `${said} messages were sent without a reader`)
  const rest = read(response)
  t.ok(await settles(rest.ended))
  t.equal(rest.messages().length, 151)
})

for (const [what, id] of [['that does not exist', '999999'], ['with an invalid id', 'x; y']] as const) {
  t.test(`a stream resumed from an event ${what} is refused`, async t => {
    const app = await service(t, { sessions: {} })
    const session = await openSession(app)
    const response = await app.inject({
      url: '/mcp',
      headers: { ...session, accept: 'text/event-stream', 'last-event-id': id }
    })
    t.equal(response.statusCode, 400)
    t.equal(response.json().error.data.code, 'MCP_ERR_EVENT_FORGOTTEN')
  })
}

t.test('cancelling one call of a batch still sends the other answers', async t => {
  let running = 0
  let finish = (): void => {}
  const finished = new Promise<void>(resolve => { finish = resolve })
  const slow = defineTool({
    name: 'slow',
    input: z.object({ text: z.string() }),
    handler: async ({ text }) => {
      running += 1
      await finished
      return text
    }
  })
  const app = await service(t, { sessions: {}, tools: [slow] })
  const session = await openSession(app, { revision: '2025-03-26' })
  const answers = post(app, [callOf('slow', { text: 'a' }, 'a'), callOf('slow', { text: 'b' }, 'b')], session)
  await until(() => running === 2)
  await post(app, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'a' } }, session)
  finish()
  const { text } = await answers
  t.match(eventsOf(text).find(({ id }) => id === 'b'), { result: { content: [{ text: 'b' }] } })
  t.equal(eventsOf(text).some(({ id, result }) => id === 'a' && result !== undefined), false)
})
