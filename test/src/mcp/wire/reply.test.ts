/** The reply to a POST: JSON or a stream, and nothing after the answer. */
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { text as textOf } from 'node:stream/consumers'
import t from 'tap'
import { EventStream } from '../../../../src/mcp/wire/event-stream.js'
import { ReplyWriter } from '../../../../src/mcp/wire/reply.js'
import { eventsOf } from '../../../support/service.js'
import { watchStreams } from '../../../support/stream-watch.js'

const word = (n: number): string => JSON.stringify({ word: n })

t.test('a message before the answer makes the reply a stream', async t => {
  const writer = new ReplyWriter()
  writer.say(word(1))
  const { stream } = await writer.reply
  writer.answer(word(2))
  writer.say(word(3))
  t.same(eventsOf(await textOf(stream ?? Readable.from([]))), [{ word: 1 }, { word: 2 }])
})

t.test('a message after the answer opens no stream', async t => {
  const watch = watchStreams()
  t.teardown(watch.stop)
  const writer = new ReplyWriter()
  writer.answer(word(1))
  writer.say(word(2))
  writer.answer(word(3))
  t.same(await writer.reply, { status: 200, json: word(1) })
  t.equal(watch.opened(), 0)
})

t.test('a caller that accepts only JSON does not get earlier messages', async t => {
  const writer = new ReplyWriter({ mayStream: false })
  writer.say(word(1))
  writer.answer(word(2))
  t.same(await writer.reply, { status: 200, json: word(2) })
})

t.test('a caller that reads too slowly is cut off', async t => {
  const stream = new EventStream()
  // Not `once`, which would reject with the error for the log.
  const closed = new Promise(resolve => { stream.readable.on('close', resolve) })
  for (let n = 0; n < 100 && !stream.readable.destroyed; n++) stream.write('x'.repeat(100_000))
  t.equal(stream.readable.destroyed, true)
  await closed
})

t.test('a caller that reads is not cut off', async t => {
  const stream = new EventStream()
  let bytes = 0
  stream.readable.on('data', (chunk: Buffer) => { bytes += chunk.length })
  for (let n = 0; n < 100; n++) {
    stream.write('x'.repeat(100_000))
    await new Promise(resolve => { setImmediate(resolve) })
  }
  stream.end()
  await once(stream.readable, 'close')
  t.ok(bytes > 10_000_000)
})
