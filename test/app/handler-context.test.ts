/** The context of a handler: logger, request and app. */
import Fastify from 'fastify'
import t from 'tap'
import { z } from 'zod'
import { createTestClient } from '../../src/testing/test-client.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import type { McpAuthOptions } from '../../src/chain/options.js'
import { definePrompt } from '../../src/tools/prompt.js'
import { defineResource } from '../../src/tools/resource.js'
import type { CallContext } from '../../src/tools/call-context.js'
import { defineTool } from '../../src/tools/tool.js'
import { logSink, type LogSink } from '../support/log-sink.js'
import { adaKey, callOf, post, service, withKey, withToken } from '../support/service.js'
import { secret } from '../support/tokens.js'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'

async function host (t: Test, options: McpAuthOptions): Promise<{ app: FastifyInstance, log: LogSink }> {
  const log = logSink()
  const app = Fastify({ logger: { stream: log } })
  t.teardown(() => app.close())
  await app.register(mcpAuth, { apiKeys: [adaKey], jwtSecret: secret, ...options })
  return { app, log }
}

t.test("context.logger writes to the server's log with the request id", async t => {
  const tool = defineTool({
    name: 'a',
    handler: (_args, { logger, requestId }) => {
      logger.info({ step: 1 }, 'at work')
      logger.child({ part: 'x' }).warn('more')
      return requestId
    }
  })
  const { app, log } = await host(t, { tools: [tool] })
  const client = createTestClient(app, { key: adaKey })
  const { text, notifications } = await client.callTool('a')
  t.same(notifications, [])
  t.match(
    log.lines().filter(({ reqId, msg }) => reqId === text && (msg === 'at work' || msg === 'more')),
    [
      { step: 1, level: 30 },
      { part: 'x', level: 40 }
    ]
  )
})

for (const era of ['modern', 'legacy'] as const) {
  t.test(
    `context.request describes the request, frozen and without credentials (${era})`,
    async t => {
      let seen: CallContext['request'] | undefined
      const tool = defineTool({
        name: 'a',
        handler: (_args, { request }) => {
          seen = request
          return 'x'
        }
      })
      const { app } = await host(t, { tools: [tool], sessions: true })
      const headers = {
        cookie: 'sid=1',
        'proxy-authorization': 'Basic eDp5',
        'x-custom': 'yes',
        'x-forwarded-access-token': 'abc',
        'x-note': withToken('ada').authorization
      }
      const client = createTestClient(app, {
        key: adaKey,
        era,
        headers,
        clientInfo: { name: 'my tests', version: '3.1' }
      })
      await client.callTool('a')
      t.match(seen, {
        address: '127.0.0.1',
        era,
        client: { name: 'my tests', version: '3.1' },
        headers: { 'x-custom': 'yes', 'content-type': 'application/json' }
      })
      t.equal(typeof seen?.sessionId, era === 'legacy' ? 'string' : 'undefined')
      t.same(
        Object.keys(seen?.headers ?? {}).filter(name => /key|auth|cookie|token|session|note/.test(name)),
        []
      )
      for (const object of [seen, seen?.headers, seen?.client]) t.ok(Object.isFrozen(object))
      await client.close()
    }
  )
}

t.test('context.request.client is undefined without client info', async t => {
  let seen: CallContext['request'] | undefined
  const app = await service(t, {
    tools: [
      defineTool({
        name: 'a',
        handler: (_args, { request }) => {
          seen = request
          return 'x'
        }
      })
    ]
  })
  await post(app, callOf('a'), { ...withKey, 'mcp-session-id': 'made-up' })
  t.match(seen, { era: 'legacy', client: undefined, sessionId: undefined })
})

t.test('context.app is available in tools, resources, prompts and completers', async t => {
  const db = { rows: ['a', 'b'] }
  const read = ({ app }: CallContext): string => (app.db as typeof db).rows.join()
  const { app } = await host(t, {
    provide: { db },
    tools: [
      defineTool({
        name: 'a',
        handler: (_args, context) => {
          t.ok(Object.isFrozen(context.app))
          return read(context)
        }
      })
    ],
    resources: [defineResource({ name: 'r', uri: 'a://r', read: (_uri, context) => read(context) })],
    prompts: [
      definePrompt({
        name: 'p',
        input: z.object({ x: z.string() }),
        complete: { x: (_value, { app }) => (app.db as typeof db).rows },
        handler: (_args, context) => read(context)
      })
    ]
  })
  const client = createTestClient(app, { key: adaKey })
  t.equal((await client.callTool('a')).text, 'a,b')
  t.match(await client.readResource('a://r'), { contents: [{ text: 'a,b' }] })
  t.match(await client.getPrompt('p', { x: '1' }), { messages: [{ content: { text: 'a,b' } }] })
  t.match(
    await client.request('completion/complete', {
      ref: { type: 'ref/prompt', name: 'p' },
      argument: { name: 'x', value: '' }
    }),
    { completion: { values: ['a', 'b'] } }
  )
})

t.test('context.app is empty by default, and provide must be an object', async t => {
  const { app } = await host(t, {
    tools: [defineTool({ name: 'a', handler: (_args, { app }) => JSON.stringify(app) })]
  })
  t.equal((await createTestClient(app, { key: adaKey }).callTool('a')).text, '{}')
  await t.rejects(host(t, { provide: 'db' as never }), { message: /`provide` must be an object/ })
})
