/** Bodies of refused requests. Small ones are drained, and large ones close the connection. */
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import t from 'tap'
import { openSocket } from '../../support/raw-socket.js'
import { key, build, requestLine, post } from '../../support/raw-server.js'

t.test('a small body without a credential is drained, and the connection is reused', async t => {
  const { port } = await build(t)
  const raw = await openSocket(t, port)
  raw.send(`${post('{"broken', 'wrong')}{"broken`)
  await raw.until(/401 Unauthorized[^]*UNAUTHENTICATED/)
  raw.send(`${post('{}')}{}`)
  await raw.until(/200 OK[^]*fine/)
  t.notMatch(raw.text(), /connection: close/i)
  t.notMatch(raw.text(), /MALFORMED/)
})

t.test('a small chunked body without a credential is drained', async t => {
  const { port } = await build(t)
  const raw = await openSocket(t, port)
  raw.send(post('{"broken', 'wrong'))
  await raw.until(/401 Unauthorized[^]*UNAUTHENTICATED/)
  raw.send('{"broken')
  raw.send(`${post('{}')}{}`)
  await raw.until(/200 OK[^]*fine/)
})

const refusedBodies: Array<[string, string, string, number]> = [
  ['malformed', '{"a":', key, 400],
  ['too deep', '['.repeat(100), key, 400],
  ['too large', `"${'x'.repeat(5000)}"`, key, 413]
]
for (const [what, body, credential, status] of refusedBodies) {
  t.test(`after a body that is ${what} the connection is reused`, async t => {
    const { port } = await build(t)
    const raw = await openSocket(t, port)
    raw.send(post(body, credential) + body)
    await raw.until(new RegExp(`^HTTP/1.1 ${status} [^]*MCP_ERR`))
    raw.send(`${post('{}')}{}`)
    await raw.until(/200 OK[^]*fine/)
  })
}

for (const [what, credential, status] of [['with a wrong key', 'wrong', 401], ['over the limit', key, 413]] as const) {
  t.test(`a caller that sends a large body ${what} receives the ${status}`, async t => {
    const { port } = await build(t)
    const sending = httpRequest({
      port,
      host: '127.0.0.1',
      path: '/mcp',
      method: 'POST',
      headers: { 'x-api-key': credential, 'content-type': 'application/json' }
    })
    sending.end('x'.repeat(8_000_000))
    const [[response]] = await Promise.all([once(sending, 'response'), once(sending, 'finish')])
    t.equal(response.statusCode, status)
    response.resume()
    await once(response, 'end')
  })
}

t.test('an invalid rest of a refused request gets no second answer', async t => {
  const { port, log } = await build(t)
  const raw = await openSocket(t, port)
  raw.send(post('', 'wrong').replace(/Content-Length: 0/, 'Transfer-Encoding: chunked'))
  await raw.until(/401 Unauthorized[^]*UNAUTHENTICATED/)
  raw.send('not a chunk\r\n')
  const text = await raw.closed()
  t.same(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 401'])
  t.equal(log.lines().filter(({ code }) => code !== undefined).length, 1)
})

t.test('a caller that disconnects inside the body is not a fault', async t => {
  const { port, log } = await build(t)
  const raw = await openSocket(t, port)
  raw.send(`${post('x'.repeat(500))}{"half":`)
  await new Promise(resolve => setTimeout(resolve, 50))
  raw.socket.destroy()
  await requestLine(log)
  t.strictSame(log.lines().filter(line => Number(line.level) >= 50), [])
})

t.test('a caller that disconnects during a call is one log line', async t => {
  const { port, log } = await build(t)
  const raw = await openSocket(t, port)
  raw.send('GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await new Promise(resolve => setTimeout(resolve, 50))
  raw.socket.destroy()
  await requestLine(log)
  t.match(log.lines().filter(line => line.reqId !== undefined), [{ path: '/slow', cut: true }])
})
