/** The pass-through adds a key and changes nothing else, so that the suite tests the server itself. */
import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { openPassThrough } from './pass-through.js'

/** Starts a pass-through in front of a server that answers with `answer`. */
async function passing (
  t: Test,
  answer: (request: IncomingMessage, reply: ServerResponse) => void
): Promise<{ url: URL; target: string }> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const target = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const pass = await openPassThrough(new URL(`http://${target}/mcp`), 'the-key')
  t.teardown(async () => {
    await pass.close()
    server.closeAllConnections()
    server.close()
  })
  return { url: new URL(pass.url), target }
}

async function get (url: URL, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const outgoing = request(url, { headers }).end()
  const [answer] = await once(outgoing, 'response')
  return answer as IncomingMessage
}

for (const [what, headersFor] of [
  ['a foreign host and origin', () => ({ host: 'evil.example.com', origin: 'http://evil.example.com' })],
  ['a host of another port', () => ({ host: 'localhost:1', origin: 'http://localhost:1' })]
] as ReadonlyArray<[string, () => Record<string, string>]>) {
  t.test(`${what} reaches the server with the key`, async t => {
    const { url } = await passing(t, ({ headers }, reply) => { reply.end(JSON.stringify(headers)) })
    const [body] = await once((await get(url, headersFor())).setEncoding('utf8'), 'data')
    t.match(JSON.parse(body), { ...headersFor(), 'x-api-key': 'the-key' })
  })
}

t.test("the proxy's host name is replaced by the server's", async t => {
  const { url, target } = await passing(t, ({ headers }, reply) => { reply.end(JSON.stringify(headers)) })
  const [body] = await once(
    (await get(url, { host: `localhost:${url.port}`, origin: url.origin })).setEncoding('utf8'),
    'data'
  )
  t.match(JSON.parse(body), { host: target, origin: `http://${target}` })
})

t.test('events are streamed, and a disconnected caller is noticed at once', async t => {
  const left = new Promise<void>(resolve => {
    passing(t, (_request, reply) => {
      reply.once('close', resolve)
      reply.write('data: 1\n\n')
    }).then(async ({ url }) => {
      const answer = await get(url)
      await once(answer, 'data')
      answer.destroy()
    }, t.threw)
  })
  await t.resolves(left)
})
