/** Callers that do not read their answers: unread data is limited in bytes and in time. */
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { z } from 'zod'
import type { UnreadOptions } from '../../src/http/endpoint/unread.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, bobKey, callOf, post, service } from '../support/service.js'

/** More than the buffers of the system can hold. */
const megabytes = 12
const maxResultBytes = 2 * megabytes * 1024 ** 2
const large = defineTool({ name: 'large', maxResultBytes, handler: async () => 'x'.repeat(megabytes * 1024 ** 2) })
const spoken = defineTool({
  name: 'spoken',
  maxResultBytes,
  handler: async (_args, { log }) => {
    await log('info', 'a stream')
    return 'x'.repeat(megabytes * 1024 ** 2)
  }
})

interface Slow { readonly log: ReturnType<typeof logSink>, readonly port: number, readonly app: FastifyInstance }

/** Starts the service. `unread` is the option, or an object with `env` for the settings. */
async function listening (t: Test, unread: UnreadOptions | { env: Record<string, string> }): Promise<Slow> {
  const log = logSink()
  const app = await service(t, { tools: [large, spoken], logStream: log, ...('env' in unread ? unread : { unread }) })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { app, log, port: Number((app.server.address() as { port: number }).port) }
}

/** Sends a call and does not read the answer. Resolves once the server has sent a part of it. */
async function callWithoutReading (t: Test, port: number, key: string, tool = 'large'): Promise<Socket> {
  const body = JSON.stringify(callOf(tool))
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.pause()
  // The server may reset the connection.
  socket.on('error', () => {})
  const head = [
    'POST /mcp HTTP/1.1',
    `Host: localhost:${port}`,
    `x-api-key: ${key}`,
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
    `Content-Length: ${body.length}`,
    'Connection: close',
    '',
    ''
  ]
  socket.write(head.join('\r\n') + body)
  await once(socket, 'readable')
  return socket
}

/** The number of bytes that arrive until the connection ends in any way. */
async function rest (socket: Socket): Promise<number> {
  let bytes = 0
  socket.on('data', (chunk: Buffer) => { bytes += chunk.length }).resume()
  if (!socket.closed) await once(socket, 'close')
  return bytes
}

const cutsOf = (log: Slow['log']): unknown[] => log.lines().filter(({ msg }) => msg === 'answer cut off')
const isWhole = (bytes: number): boolean => bytes > megabytes * 1024 ** 2

t.test(
  'a caller beyond its unread limit keeps one answer, others keep all',
  async t => {
    const { log, port } = await listening(t, { maxBytesPerCaller: 4 * 1024 ** 2 })
    const bob = await callWithoutReading(t, port, bobKey)
    const adas = [
      await callWithoutReading(t, port, adaKey),
      await callWithoutReading(t, port, adaKey),
      await callWithoutReading(t, port, adaKey)
    ]
    const read = await Promise.all(adas.map(rest))
    t.equal(read.filter(isWhole).length, 1)
    t.ok(isWhole(await rest(bob)))
    t.match(
      cutsOf(log),
      [1, 2].map(() => ({
        level: 30,
        bytes: Number,
        reason: 'too many unread bytes of one caller',
        principal: /^apikey:/,
        reqId: String
      }))
    )
    t.equal(log.lines().filter(({ msg, cut }) => msg === 'request' && cut === true).length, 2)
  }
)

for (const [name, reason] of [
  ['UNREAD_MAX_PER_CALLER', 'too many unread bytes of one caller'], ['UNREAD_MAX', 'too many unread bytes in total']
] as const) {
  t.test(`${name} limits unread data`, async t => {
    const { log, port } = await listening(t, { env: { [name]: '4mb' } })
    const adas = [await callWithoutReading(t, port, adaKey), await callWithoutReading(t, port, adaKey)]
    while (cutsOf(log).length === 0) await new Promise(resolve => setTimeout(resolve, 20))
    t.match(cutsOf(log)[0], { reason })
    for (const ada of adas) ada.destroy()
  })
}

t.test('beyond the total limit, the caller with the most unread data is cut off', async t => {
  const { log, port } = await listening(t, {
    maxBytesPerCaller: 1024 ** 3,
    maxBytes: 2 * megabytes * 1024 ** 2 + 1024 ** 2
  })
  const ada = await callWithoutReading(t, port, adaKey)
  for (let i = 0; i < 4; i++) await callWithoutReading(t, port, bobKey)
  while (cutsOf(log).length === 0) await new Promise(resolve => setTimeout(resolve, 20))
  t.ok(isWhole(await rest(ada)))
  const { id: principal } = (await post(await service(t), callOf('whoami'), { 'x-api-key': bobKey })).body
    .result.structuredContent
  const reason = 'too many unread bytes in total'
  for (const cut of cutsOf(log)) t.match(cut, { reason, principal: String(principal) })
})

for (const tool of ['large', 'spoken']) {
  t.test(`an answer of the tool "${tool}" that is not read in time is cut off`, async t => {
    const { log, port } = await listening(t, { graceMs: 1, minBytesPerSecond: 1024 ** 3 })
    const socket = await callWithoutReading(t, port, adaKey, tool)
    while (cutsOf(log).length === 0) await new Promise(resolve => setTimeout(resolve, 20))
    t.notOk(isWhole(await rest(socket)))
    t.match(cutsOf(log), [{ reason: 'an answer was not read in time' }])
  })
}

t.test('over HTTP/2 only the answer is cut off, not the connection', async t => {
  const app = Fastify({ http2: true }) as unknown as FastifyInstance
  t.teardown(() => app.close())
  await app.register(mcpAuth, {
    apiKeys: [adaKey],
    tools: [large],
    unread: { graceMs: 1, minBytesPerSecond: 1024 ** 3 }
  })
  const client = connectHttp2(await app.listen({ host: '127.0.0.1', port: 0 }))
  t.teardown(() => { client.destroy() })
  const headers = {
    ':method': 'POST',
    ':path': '/mcp',
    'x-api-key': adaKey,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream'
  }
  const unread = client.request(headers)
  unread.on('error', () => {}).pause()
  unread.end(JSON.stringify(callOf('large')))
  await once(unread, 'close')
  t.notOk(client.destroyed)
  const other = client.request(headers)
  other.end(JSON.stringify(callOf('whoami')))
  const [answer] = await once(other, 'response')
  t.equal(answer[':status'], 200)
  other.close()
})

t.test('a caller that reads gets the whole answer, at once or in parts', async t => {
  const { log, port } = await listening(t, { maxBytesPerCaller: 4 * 1024 ** 2, maxBytes: 20 * 1024 ** 2 })
  for (const tool of ['large', 'spoken']) t.ok(isWhole(await rest(await callWithoutReading(t, port, adaKey, tool))))
  t.same(cutsOf(log), [])
})

t.test('the request body is released after the answer, and the log keeps its facts', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const seen: unknown[] = []
  app.addHook('onResponse', async ({ body, mcpCall }) => {
    seen.push({ body, fields: mcpCall?.fields, outcome: mcpCall?.outcome })
  })
  const echo = defineTool({ name: 'echo', input: z.object({ text: z.string() }), handler: async ({ text }) => text })
  await app.register(mcpAuth, { apiKeys: [adaKey], tools: [echo] })
  await post(app, callOf('echo', { text: 'x' }))
  t.same(seen, [{ body: undefined, fields: { rpc: 'tools/call', tool: 'echo' }, outcome: 'ok' }])
})

for (const [name, value] of Object.entries({
  graceMs: 0,
  minBytesPerSecond: -1,
  maxBytesPerCaller: 1.5,
  maxBytes: NaN
})) {
  t.test(`unread.${name} of ${value} stops the start`, async t => {
    await t.rejects(
      async () => await Fastify().register(mcpAuth, { apiKeys: [adaKey], unread: { [name]: value } }),
      { message: new RegExp(name) }
    )
  })
}
