/** An overloaded process refuses calls before any work, and serves everything else. */
import { setTimeout as sleep } from 'node:timers/promises'
import underPressure from '@fastify/under-pressure'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import overload from '../../plugins/overload.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import { defineTool } from '../../src/tools/tool.js'
import { adaKey, callOf, eventsOf, listening, post, rpc, service, withKey } from '../support/service.js'

/** Polls until a call gets this status. */
async function turned (
  app: FastifyInstance,
  status: number,
  busy = (): void => {}
): Promise<Awaited<ReturnType<typeof post>>> {
  for (;;) {
    busy()
    const answer = await post(app, rpc('ping'))
    if (answer.status === status) return answer
    await sleep(5)
  }
}

function beLate (): void {
  for (const until = performance.now() + 700; performance.now() < until;);
}

/** The heap is always larger than a byte, so the process is overloaded from the first sample on. */
const always = { maxHeapUsedBytes: 1, sampleIntervalMs: 10 }

t.test('an overloaded process refuses calls with 503 and charges nobody', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(mcpAuth, { apiKeys: [adaKey], overload: { ...always, retryAfterSeconds: 7 } })
  const { headers, body } = await turned(app, 503)
  t.equal(headers['retry-after'], '7')
  t.match(body, {
    jsonrpc: '2.0',
    error: { code: 503, data: { code: 'MCP_ERR_UNAVAILABLE', retryAfterMs: 7000, requestId: String } }
  })
  t.notOk('x-ratelimit-remaining' in headers)
  t.equal(
    (await post(app, rpc('ping'), { 'x-api-key': 'a-wrong-key-of-nobody' })).status,
    503,
    'credentials are not checked'
  )
})

t.test('a refusal keeps its CORS headers', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const origin = 'https://app.example.com'
  await app.register(mcpAuth, { apiKeys: [adaKey], origins: [origin], overload: always })
  await turned(app, 503)
  t.equal((await post(app, rpc('ping'), { ...withKey, origin })).headers['access-control-allow-origin'], origin)
})

t.test('an overloaded process answers on public routes', async t => {
  const app = await service(t, { env: { OVERLOAD_HEAP_MB: '1' } })
  await turned(app, 503)
  t.equal((await app.inject('/health')).statusCode, 200)
  t.equal((await app.inject('/ready')).statusCode, 200)
})

t.test('a delayed event loop refuses calls until it recovers', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(mcpAuth, {
    apiKeys: [adaKey],
    rateLimit: { max: 1_000_000 },
    overload: { maxEventLoopDelayMs: 500, sampleIntervalMs: 20 }
  })
  await turned(app, 200)
  await turned(app, 503, beLate)
  await turned(app, 200)
})

t.test('running streams continue during an overload', async t => {
  let finish = (): void => {}
  const wait = defineTool({
    name: 'wait',
    handler: async (_args, { log }) => {
      await log('info', 'begun')
      await new Promise<void>(resolve => { finish = resolve })
      return 'done'
    }
  })
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(mcpAuth, {
    apiKeys: [adaKey],
    tools: [wait],
    rateLimit: { max: 1_000_000 },
    overload: { maxEventLoopDelayMs: 500, sampleIntervalMs: 20 }
  })
  const url = await listening(app)
  const headers = { ...withKey, 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const open = async (): Promise<Response> =>
    await fetch(`${url}/mcp`, { method: 'POST', headers, body: JSON.stringify(callOf('wait')) })
  let stream = await open()
  // A busy machine may be overloaded before the test begins.
  for (let tries = 0; tries < 100 && stream.status === 503; tries++) stream = await open()
  t.equal(stream.status, 200)
  await turned(app, 503, beLate)
  finish()
  t.match(eventsOf(await stream.text()).at(-1), { result: { content: [{ text: 'done' }] } })
})

t.test('without overload options nothing is measured', async t => {
  const app = await service(t)
  t.equal((await post(app, rpc('ping'))).status, 200)
  t.equal(Object.hasOwn(app, 'isUnderPressure'), false)
})

for (const order of ['before', 'after'] as const) {
  t.test(`a host with the same library, registered ${order} ours, keeps its own bounds`, async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    const host = async (): Promise<void> => { await app.register(underPressure, { maxHeapUsedBytes: 1024 ** 4 }) }
    if (order === 'before') await host()
    await app.register(async (scope: FastifyInstance) => {
      await scope.register(overload, always)
      scope.get('/ours', async () => 'fine')
    })
    if (order === 'after') await host()
    app.get('/theirs', async () => 'fine')
    while ((await app.inject('/ours')).statusCode !== 503) await sleep(5)
    t.equal((await app.inject('/theirs')).statusCode, 200)
    t.equal(app.isUnderPressure(), false)
  })
}

for (const options of [
  { maxHeapUsedBytes: 0 },
  { maxEventLoopDelayMs: -1 },
  { maxEventLoopDelayMs: 1.5 },
  { maxHeapUsedBytes: 1, retryAfterSeconds: NaN },
  { sampleIntervalMs: 0 }
]) {
  t.test(`${JSON.stringify(options)} stops the start`, async (t: Test) => {
    await t.rejects(async () => await Fastify().register(overload, options), RangeError)
  })
}

t.test('an unknown option stops the start', async t => {
  await t.rejects(
    async () => await Fastify().register(mcpAuth, { apiKeys: [adaKey], overload: { maxRss: 1 } as object }),
    { message: /overload.*maxRss/ }
  )
})
