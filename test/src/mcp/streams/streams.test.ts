/** How many streams a caller may hold, and when each of them ends. */
import { once } from 'node:events'
import t from 'tap'
import type { EventStream } from '../../../../src/mcp/wire/event-stream.js'
import { type Holder, Streams } from '../../../../src/mcp/streams/streams.js'
import { freezePrincipal } from '../../../../src/principal/principal.js'

function holder (id: string, expiresAt?: number, address?: string): Holder {
  return {
    principal: freezePrincipal({
      id,
      role: 'user',
      scopes: [],
      method: 'jwt',
      ...(expiresAt === undefined ? {} : { expiresAt })
    }),
    address
  }
}

/** Reads a stream to its end and returns the time. Like a connection, it keeps the process alive. */
async function closed (stream: EventStream): Promise<number> {
  const connection = setInterval(() => {}, 1000)
  stream.readable.resume()
  await once(stream.readable, 'close')
  clearInterval(connection)
  return Date.now()
}

t.test('each caller may open its maximum of streams', async t => {
  const streams = new Streams({ maxPerPrincipal: 2 })
  t.teardown(() => { streams.close() })
  streams.open(holder('ada'))
  streams.open(holder('ada'))
  t.throws(() => streams.open(holder('ada')), { code: 'MCP_ERR_TOO_MANY_STREAMS', data: { limit: 2 } })
  t.ok(streams.open(holder('bob')))
})

t.test('a closed stream makes room for another', async t => {
  const streams = new Streams({ maxPerPrincipal: 1 })
  t.teardown(() => { streams.close() })
  const stream = streams.open(holder('ada'))
  stream.end()
  await closed(stream)
  t.ok(streams.open(holder('ada')))
  t.equal(streams.size, 1)
})

t.test('a stream ends with its credential, or never if that does not expire', async t => {
  const streams = new Streams()
  t.teardown(() => { streams.close() })
  const expiresAt = Date.now() + 100
  streams.open(holder('ada'))
  t.ok(await closed(streams.open(holder('ada', expiresAt))) >= expiresAt)
  t.equal(streams.size, 1)
})

t.test('a timer that fires early does not extend a stream', async t => {
  const streams = new Streams()
  t.teardown(() => { streams.close() })
  const expiresAt = Date.now() + 50
  // The stream must not end before this clock reaches the date, whenever its timers fire.
  let now = expiresAt - 50
  const looks: number[] = []
  t.intercept(Date, 'now', { value: () => { looks.push(now); return now } })
  const ended = closed(streams.open(holder('ada', expiresAt)))
  now = expiresAt - 1
  looks.length = 0
  for (let tries = 0; looks.length < 5 && streams.size === 1 && tries < 1000; tries++) {
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  t.ok(looks.length >= 5, 'the timer fired more than once')
  t.equal(streams.size, 1, 'the stream is still open')
  now = expiresAt
  await ended
  t.equal(streams.size, 0, 'the stream ends at its date')
})

t.test('a stream with an expired credential ends at once with its last event', async t => {
  const streams = new Streams()
  let farewells = 0
  await closed(streams.open(holder('ada', Date.now() - 1000), () => { farewells += 1 }))
  t.equal(farewells, 1)
})

t.test('a caller that does not read is cut off after its credential ends', async t => {
  const streams = new Streams()
  const expiresAt = Date.now() + 50
  let now = expiresAt - 50
  t.intercept(Date, 'now', { value: () => now })
  const stream = streams.open(holder('ada', expiresAt))
  stream.write('x'.repeat(100_000))
  now = expiresAt
  const connection = setInterval(() => {}, 1000)
  await once(stream.readable, 'close')
  clearInterval(connection)
  t.equal(streams.size, 0)
  t.equal(stream.readable.readableEnded, false)
})

t.test('the streams of one caller can be ended', async t => {
  const streams = new Streams()
  t.teardown(() => { streams.close() })
  const [ada] = [streams.open(holder('ada')), streams.open(holder('bob'))]
  streams.endWhere(({ principal }) => principal.id === 'ada')
  await closed(ada)
  t.equal(streams.size, 1)
})

t.test('close ends standing streams, even late ones, but not those of calls', async t => {
  const streams = new Streams()
  t.teardown(() => { streams.close() })
  const [standing, call, rest] = [
    streams.open(holder('ada')),
    streams.adopt(holder('ada')),
    streams.resume(holder('ada'))
  ]
  streams.endStanding()
  await closed(standing)
  await closed(streams.open(holder('ada')))
  t.equal(streams.size, 2)
  for (const stream of [call, rest]) t.equal(stream.readable.writableEnded, false)
})

t.test('a resumed stream counts for its caller', async t => {
  const streams = new Streams({ maxPerPrincipal: 1 })
  t.teardown(() => { streams.close() })
  streams.resume(holder('ada'))
  t.throws(() => streams.resume(holder('ada')), { code: 'MCP_ERR_TOO_MANY_STREAMS' })
})

t.test('the streams to one address of a caller can be ended', async t => {
  const streams = new Streams()
  t.teardown(() => { streams.close() })
  const [away] = [
    streams.open(holder('ada', undefined, '198.51.100.7')),
    streams.open(holder('ada', undefined, '192.0.2.1'))
  ]
  streams.endWhere(({ address }) => address !== '192.0.2.1')
  await closed(away)
  t.equal(streams.size, 1)
})
