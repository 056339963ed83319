/** A locked address needs a new connection for each further guess. */
import t from 'tap'
import { listen, openSocket, readAnswer } from '../../support/raw-socket.js'
import { service } from '../../support/service.js'

const guess = (more = ''): string =>
  `POST /mcp HTTP/1.1\r\nHost: localhost\r\nx-api-key: a-wrong-key-of-nobody\r\n${more}Content-Length: 2\r\n\r\n{}`

t.test('only a locked address gets Connection: close', async t => {
  const app = await service(t, { env: { PREAUTH_RATE_LIMIT_MAX: '2' } })
  const raw = await openSocket(t, await listen(app))
  for (let i = 0; i < 2; i++) raw.send(guess())
  await raw.until(/MCP_ERR_UNAUTHENTICATED[^]*MCP_ERR_UNAUTHENTICATED[^}]*}/)
  t.notMatch(raw.text(), /connection: close/i)
  raw.send(guess())
  const text = await raw.closed()
  const refused = readAnswer(text.slice(text.lastIndexOf('HTTP/1.1')))
  t.match(refused, {
    status: 429,
    headers: { connection: 'close', 'retry-after': /^\d+$/ },
    body: { error: { data: { code: 'MCP_ERR_RATE_LIMITED' } } }
  })
})

t.test('a locked address that sends a large body still gets its answer', async t => {
  const app = await service(t, { env: { PREAUTH_RATE_LIMIT_MAX: '1' } })
  const raw = await openSocket(t, await listen(app))
  raw.send(guess())
  await raw.until(/UNAUTHENTICATED/)
  raw.send(`POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(199_999)}`)
  await raw.until(/RATE_LIMITED/)
  t.notMatch(raw.text(), /connection: close/i)
})
