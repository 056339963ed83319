/** Calls within calls, calls in process, and the hooks before and after each call. */
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { PublicToolError } from '../../src/errors.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import type { McpAuthOptions } from '../../src/chain/options.js'
import type { CallOutcome, HookedCall } from '../../src/mcp/calls/call-hooks.js'
import type { Endpoint } from '../../src/mcp/endpoint.js'
import { createTestClient } from '../../src/testing/test-client.js'
import { defineResource } from '../../src/tools/resource.js'
import { defineTool, type Tool } from '../../src/tools/tool.js'
import { logSink, type LogSink } from '../support/log-sink.js'
import { adaKey } from '../support/service.js'
import { stopClock } from '../support/stopped-clock.js'
import { until } from '../support/until.js'

interface Host { readonly app: FastifyInstance, readonly endpoint: Endpoint, readonly log: LogSink }

async function host (t: Test, tools: readonly Tool[], options: McpAuthOptions = {}): Promise<Host> {
  const log = logSink()
  const app = Fastify({ logger: { stream: log } })
  t.teardown(() => app.close())
  let endpoint: Endpoint | undefined
  await app.register(mcpAuth, { apiKeys: [adaKey], tools, onEndpoint: made => { endpoint = made }, ...options })
  if (endpoint === undefined) throw new Error('there is no endpoint')
  return { app, endpoint, log }
}

const add = defineTool({
  name: 'add',
  input: z.object({ a: z.number() }),
  output: z.object({ sum: z.number() }),
  handler: ({ a }) => ({ structuredContent: { sum: a + 1 } })
})
const secret = defineTool({ name: 'secret', access: { roles: ['admin'] }, handler: () => 'the secret' })
const fails = defineTool({ name: 'fails', handler: () => { throw new Error('password=hunter2') } })
/** A tool that calls the tool in its arguments and returns the result. */
const relay = defineTool({
  name: 'relay',
  input: z.object({ tool: z.string(), args: z.record(z.string(), z.unknown()).default({}) }),
  handler: async ({ tool, args }, { call }) => ({ structuredContent: { result: await call(tool, args) } })
})
const resultOf = ({ structuredContent }: { structuredContent?: Record<string, unknown> }): unknown =>
  structuredContent?.result

t.test('context.call returns the result of another tool after the usual checks', async t => {
  const { app, log } = await host(t, [add, relay, fails])
  const client = createTestClient(app, { key: adaKey })
  t.same(resultOf(await client.callTool('relay', { tool: 'add', args: { a: 1 } })), {
    content: [{ type: 'text', text: '{"sum":2}' }],
    structuredContent: { sum: 2 }
  })
  t.match(resultOf(await client.callTool('relay', { tool: 'add', args: { a: 'x' } })), {
    isError: true,
    content: [{ text: /Invalid arguments/ }]
  })
  const failed = await client.callTool('relay', { tool: 'fails' })
  t.match(resultOf(failed), { isError: true })
  t.notMatch(JSON.stringify(failed), /hunter2/)
  t.match(
    log.lines().filter(({ msg }) => msg === 'call within a call'),
    [{ tool: 'add' }, { tool: 'add', outcome: 'tool-error' }, { tool: 'fails' }]
  )
})

t.test("context.call uses the caller's rights, and names an unknown tool", async t => {
  const { app } = await host(t, [secret, relay])
  for (const tool of ['secret', 'nothing']) {
    t.match(await createTestClient(app, { key: adaKey }).callTool('relay', { tool }), {
      isError: true,
      text: `This requires the tool ${tool}, which is not available to you`
    })
  }
  t.match(
    resultOf(
      await createTestClient(app, { principal: { id: 'root', role: 'admin' } }).callTool('relay', {
        tool: 'secret'
      })
    ),
    { content: [{ text: 'the secret' }] }
  )
})

t.test("context.call charges the cost of the tool to the caller's budget", async t => {
  const dear = defineTool({ name: 'dear', cost: 3, handler: () => 'x' })
  const { app } = await host(t, [add, relay, dear], { rateLimit: { max: 7, windowMs: 60_000 } })
  const client = createTestClient(app, { key: adaKey })
  t.match(resultOf(await client.callTool('relay', { tool: 'dear' })), { content: [{ text: 'x' }] })
  t.match(
    resultOf(await client.callTool('relay', { tool: 'dear' })),
    { isError: true },
    'four of seven are used, and this call takes one more'
  )
})

t.test('context.call shares the deadline of its call and ends with it', async t => {
  const clock = stopClock(t)
  let [begun, ended] = [0, 0]
  const slow = defineTool({
    name: 'slow',
    deadlineMs: 60_000,
    handler: async (_args, { signal }) =>
      await new Promise<never>((_resolve, reject) => {
        begun += 1
        signal.addEventListener('abort', () => {
          ended += 1
          reject(new Error('ended'))
        })
      })
  })
  const brief = defineTool({ ...relay, name: 'brief', deadlineMs: 100 } as Tool)
  const { app } = await host(t, [slow, brief, relay])
  const call = createTestClient(app, { key: adaKey }).callTool('brief', { tool: 'slow' })
  await until(() => begun === 1)
  clock.pass(100)
  t.match(await call, { isError: true })
  await until(() => ended === 1)
  const short = defineTool({ ...slow, name: 'short', deadlineMs: 50 } as Tool)
  const { app: other } = await host(t, [short, relay])
  const relayed = createTestClient(other, { key: adaKey }).callTool('relay', { tool: 'short' })
  await until(() => begun === 2)
  clock.pass(50)
  t.match(resultOf(await relayed), { isError: true }, 'its own deadline ends only the inner call')
})

t.test('tools that call each other in a loop are stopped', async t => {
  const { app } = await host(t, [defineTool({ name: 'a', handler: async (_args, { call }) => await call('a') })])
  t.match(await createTestClient(app, { key: adaKey }).callTool('a'), { isError: true })
})

for (const era of ['modern', 'legacy'] as const) {
  t.test(`context.call sends messages and questions of the tool to the same caller (${era})`, async t => {
    const talk = defineTool({
      name: 'talk',
      handler: async (_args, { progress, elicit }) => {
        await progress(1)
        const { content } = await elicit({
          message: 'Name?',
          schema: { type: 'object', properties: { name: { type: 'string' } } }
        })
        return `Hello, ${String(content?.name)}`
      }
    })
    const { app } = await host(t, [talk, relay], { sessions: true })
    const client = createTestClient(app, {
      key: adaKey,
      era,
      onElicit: () => ({ action: 'accept', content: { name: 'Ada' } })
    })
    const result = await client.callTool('relay', { tool: 'talk' })
    t.match(resultOf(result), { content: [{ text: 'Hello, Ada' }] })
    t.ok(result.notifications.some(({ method }) => method === 'notifications/progress'))
    await client.close()
  })
}

t.test('resources can call tools', async t => {
  const resource = defineResource({
    name: 'r',
    uri: 'a://r',
    read: async (_uri, { call }) => JSON.stringify((await call('add', { a: 4 })).structuredContent)
  })
  const { app } = await host(t, [add], { resources: [resource] })
  t.match(await createTestClient(app, { key: adaKey }).readResource('a://r'), { contents: [{ text: '{"sum":5}' }] })
})

t.test('endpoint.callTool calls in process with the rights of the principal', async t => {
  const who = defineTool({
    name: 'who',
    handler: (_args, { principal, request, requestId, logger }) => {
      logger.info('here')
      return { structuredContent: { ...principal, era: request.era ?? null, requestId } }
    }
  })
  const { endpoint, log } = await host(t, [add, secret, fails, who, relay])
  t.same(await endpoint.callTool({ id: 'job' }, 'add', { a: 1 }), {
    content: [{ type: 'text', text: '{"sum":2}' }],
    structuredContent: { sum: 2 }
  })
  await t.rejects(endpoint.callTool({ id: 'job' }, 'secret'), { code: 'MCP_ERR_UNKNOWN_TOOL' })
  t.match(await endpoint.callTool({ id: 'job', role: 'admin' }, 'secret'), { content: [{ text: 'the secret' }] })
  t.match(await endpoint.callTool({ id: 'job' }, 'fails'), { isError: true })
  const { structuredContent } = await endpoint.callTool({ id: 'job', attributes: { tenant: 'acme' } }, 'who')
  t.match(structuredContent, { id: 'job', role: 'user', scopes: [], attributes: { tenant: 'acme' }, era: null })
  t.match(log.lines().filter(({ msg }) => msg === 'here'), [{ reqId: structuredContent?.requestId }])
  t.match(await endpoint.callTool({ id: 'job' }, 'relay', { tool: 'add', args: { a: 2 } }), {
    structuredContent: { result: { structuredContent: { sum: 3 } } }
  })
})

t.test('endpoint.callTool ends at the deadline of the endpoint', async t => {
  const hang = defineTool({ name: 'hang', handler: async () => await new Promise<never>(() => {}) })
  const { endpoint } = await host(t, [hang], { requestTimeoutMs: 50 })
  t.match(await endpoint.callTool({ id: 'job' }, 'hang').catch((error: unknown) => error), { isError: true })
})

t.test('beforeCall runs for each permitted call and can refuse it with a message', async t => {
  const seen: HookedCall[] = []
  const { app, endpoint } = await host(t, [add, secret, relay], { beforeCall: call => { seen.push(call) } })
  const stop = endpoint.beforeCall(async ({ name, principal }) => {
    if (name === 'add') throw new PublicToolError(`not today, ${principal.id.slice(0, 6)}`)
  })
  const client = createTestClient(app, { key: adaKey })
  t.match(await client.callTool('add', { a: 1 }), { isError: true, text: 'not today, apikey' })
  t.match(seen, [
    {
      name: 'add',
      args: { a: 1 },
      tool: { name: 'add' },
      principal: { id: /^apikey:/ },
      context: { requestId: String }
    }
  ])
  await client.callTool('secret').catch(() => {})
  await client.callTool('add', { a: 'x' })
  t.equal(seen.length, 1, 'refused calls do not reach the hook')
  t.match(
    await client.callTool('relay', { tool: 'add', args: { a: 1 } }),
    { structuredContent: { result: { isError: true } } },
    'also for calls within calls'
  )
  stop()
  t.match(await client.callTool('add', { a: 1 }), { structuredContent: { sum: 2 } })
})

t.test('a beforeCall that throws fails the call without details', async t => {
  const { app, endpoint } = await host(t, [add])
  endpoint.beforeCall(() => { throw new Error('password=hunter2') })
  const result = await createTestClient(app, { key: adaKey }).callTool('add', { a: 1 })
  t.equal(result.isError, true)
  t.notMatch(JSON.stringify(result), /hunter2/)
})

t.test(
  'afterCall gets the outcome, is not awaited, and its errors are logged',
  async t => {
    const heard: Array<[string, CallOutcome]> = []
    const { app, endpoint, log } = await host(t, [add, fails], {
      afterCall: ({ name }, outcome) => {
        heard.push([name, outcome])
      }
    })
    endpoint.afterCall(async () => {
      await sleep(5)
      throw new Error('the metrics are away')
    })
    endpoint.afterCall(async () => await new Promise<never>(() => {}))
    const client = createTestClient(app, { key: adaKey })
    t.match(await client.callTool('add', { a: 1 }), { structuredContent: { sum: 2 } })
    await client.callTool('fails')
    t.match(heard, [
      ['add', { result: { structuredContent: { sum: 2 } }, ms: Number }],
      ['fails', { error: { message: 'password=hunter2' } }]
    ])
    await until(() => log.lines().filter(({ msg }) => msg === 'afterCall failed').length === 2)
  }
)

t.test('hooks with tags run only for tools with those tags', async t => {
  // Like a class instance, because tags must work on those as well.
  const tagged = Object.assign(Object.create({}) as object, add, { name: 'tagged', tags: ['billing', 'x'] }) as Tool
  const { app, endpoint } = await host(t, [add, tagged])
  const heard: string[] = []
  endpoint.beforeCall(({ name }) => { heard.push(`before ${name}`) }, { tags: ['billing'] })
  endpoint.afterCall(({ name }) => { heard.push(`after ${name}`) }, { tags: ['billing', 'other'] })
  endpoint.afterCall(({ name }) => { heard.push(`never ${name}`) }, { tags: ['other'] })
  const client = createTestClient(app, { key: adaKey })
  await client.callTool('add', { a: 1 })
  await client.callTool('tagged', { a: 1 })
  t.same(heard, ['before tagged', 'after tagged'])
  t.throws(() => endpoint.beforeCall('x' as never), /`beforeCall` must be a function/)
  t.throws(() => endpoint.afterCall(() => {}, { tags: 'billing' as never }), /tags must be an array/)
})
