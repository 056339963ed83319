/** Unusual answers of routes as results of tools. */
import Fastify, { type FastifyInstance } from 'fastify'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import routes from '../../plugins/routes.js'
import { createTestClient, mcpAuth, type TestClient } from '../../src/index.js'
import { adaKey } from '../support/service.js'

const config = { mcp: { name: 'it' } }

async function host (t: Test, add: (app: FastifyInstance) => unknown): Promise<TestClient> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(routes)
  await add(app)
  await app.register(mcpAuth, { apiKeys: [adaKey] })
  return createTestClient(app, { key: adaKey })
}

t.test('a text is decoded by its charset, or as UTF-8', async t => {
  for (const [type, bytes, text] of [
    ['text/plain; charset=latin1', Buffer.from('é', 'latin1'), 'é'],
    ['text/plain; charset="UTF-16LE"', Buffer.from('é', 'utf16le'), 'é'],
    ['text/plain; charset=nothing', Buffer.from('é'), 'é'],
    ['text/plain', Buffer.from('é'), 'é']
  ] as const) {
    const client = await host(t, app => {
      app.get('/', { config }, async (_request, reply) => await reply.header('content-type', type).send(bytes))
    })
    t.equal((await client.callTool('it')).text, text, type)
  }
})

t.test('a compressed answer is an error', async t => {
  for (const status of [200, 400]) {
    const client = await host(t, app => {
      app.get('/', { config }, async (_request, reply) =>
        await reply.code(status).header('content-encoding', 'gzip').type('text/plain').send(gzipSync('hidden')))
    })
    const { isError, text } = await client.callTool('it')
    t.equal(isError, true)
    t.equal(text, status === 200
      ? 'The route answered with gzip, which a tool cannot read'
      : 'The request was refused (400).')
  }
})

t.test('a host with its own mcpRoutes can register the endpoint', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.decorate('mcpRoutes', 'of the host' as never)
  await app.register(mcpAuth, { apiKeys: [adaKey] })
  t.match(await createTestClient(app, { key: adaKey }).listTools(), [{ name: 'whoami' }])
  const other = Fastify()
  t.teardown(() => other.close())
  other.decorate('mcpRoutes', 'of the host' as never)
  await t.rejects(Promise.resolve(other.register(routes)), { code: 'FST_ERR_DEC_ALREADY_PRESENT' })
})
