/** The test client with invalid options, odd answers and concurrent calls. */
import Fastify, { type FastifyInstance } from 'fastify'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { createTestClient, defineTool, mcpAuth } from '../../../src/index.js'
import { adaKey } from '../../support/service.js'

/** Returns an app whose endpoint answers every request with `body`. */
function answering (t: Test, type: string, body: string | readonly Buffer[]): FastifyInstance {
  const app = Fastify()
  t.teardown(() => app.close())
  const payload = typeof body === 'string' ? body : Readable.from(body)
  app.post('/mcp', async (_request, reply) => await reply.type(type).send(payload))
  return app
}

t.test('createTestClient refuses unknown and invalid options', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  t.throws(() => createTestClient(undefined as never), /first argument must be a Fastify app/)
  t.throws(() => createTestClient(app, { kye: 'x' } as never), /kye is not an option; the options are url, key/)
  t.throws(() => createTestClient(app, { era: 'modrn' as never }), /era must be modern or legacy/)
  for (const principal of [{}, { id: '' }, { id: 7 }]) {
    t.throws(() => createTestClient(app, { principal: principal as never }), /principal.id must be a non-empty string/)
  }
})

t.test('an answer that is not JSON rejects with a TestClientError that shows it', async t => {
  const client = createTestClient(answering(t, 'text/html', '<h1>Welcome'))
  await t.rejects(client.listTools(), { name: 'TestClientError', message: '200 the answer is not JSON: <h1>Welcome' })
  for (const body of ['', 'null', '[1]', '"x"']) {
    await t.rejects(createTestClient(answering(t, 'application/json', body)).listTools(), { message: '200 no answer' })
  }
})

t.test('streams with CRLF, comments and split characters are parsed', async t => {
  const text = [
    ': ping', '', 'id: 3', 'data: {"jsonrpc":"2.0",', 'data: "id":1,"result":{"tools":[{"name":"é"}]}}', '', ''
  ].join('\r\n')
  const bytes = Buffer.from(text)
  const middle = bytes.indexOf(Buffer.from('é')) + 1
  const app = answering(t, 'text/event-stream', [bytes.subarray(0, middle), bytes.subarray(middle)])
  t.same(await createTestClient(app).listTools(), [{ name: 'é' }])
})

t.test('listTools with tags rejects without an endpoint at the URL', async t => {
  const app = answering(t, 'application/json', '{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}')
  await t.rejects(createTestClient(app).listTools({ tags: ['a'] }), /no endpoint at \/mcp; set `url`/)
})

for (const era of ['modern', 'legacy'] as const) {
  t.test(`each call has its own notifications in the ${era} era`, async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    const say = defineTool({
      name: 'say',
      input: z.object({ text: z.string() }),
      handler: async ({ text }, { log }) => {
        await log('info', text)
        return text
      }
    })
    await app.register(mcpAuth, { apiKeys: [adaKey], tools: [say], sessions: true })
    const client = createTestClient(app, { key: adaKey, era })
    const results = await Promise.all(['a', 'b', 'c'].map(text => client.callTool('say', { text })))
    t.same(results.map(({ notifications }) => notifications.map(({ params }) => params.data)), [['a'], ['b'], ['c']])
    t.equal(client.notifications.length, 3)
    await client.close()
  })

  t.test(`a tool that never stops asking rejects in the ${era} era`, async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    const ask = defineTool({
      name: 'ask',
      handler: async (_args, { elicit }) => {
        for (let i = 0; ; i++) await elicit({ message: String(i), schema: { type: 'object', properties: {} } })
      }
    })
    await app.register(mcpAuth, { apiKeys: [adaKey], tools: [ask], sessions: true })
    const client = createTestClient(app, { key: adaKey, era, onElicit: () => ({ action: 'decline' }) })
    await t.rejects(client.callTool('ask'), { message: 'tools/call asked more than 32 times' })
    await client.close()
  })
}
