/** Tools with `once`: a request state is accepted a single time, across all instances. */
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { defineTool } from '../../src/tools/tool.js'
import { redisServer, withoutRedis } from '../support/redis.js'
import { modern, post, service, withKey } from '../support/service.js'
import { sessionFleet } from '../support/session-fleet.js'
import { until } from '../support/until.js'

const yes = { action: 'accept', content: { sure: true } }
const schema = { type: 'object', properties: { sure: { type: 'boolean' } }, required: ['sure'] }

async function call (app: FastifyInstance, params: Record<string, unknown>): Promise<ReturnType<typeof JSON.parse>> {
  const { headers, payload } = modern('tools/call', { name: 'pay', arguments: {}, ...params })
  const meta = { ...payload.params?._meta as object, 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } }
  return (await post(app, { ...payload, params: { ...payload.params, _meta: meta } }, { ...withKey, ...headers })).body
}

/** Counts how often it continues after the question. */
function pay (once: boolean, paid: { count: number }): ReturnType<typeof defineTool> {
  return defineTool({
    name: 'pay',
    once,
    handler: async (_args, { elicit }) => {
      await elicit({ message: 'Pay 5?', schema }, 'pay')
      return `paid ${++paid.count}`
    }
  })
}

t.test('a once tool accepts its request state a single time', async t => {
  const paid = { count: 0 }
  const app = await service(t, { tools: [pay(true, paid)] })
  const { requestState } = (await call(app, {})).result
  t.match(await call(app, { requestState, inputResponses: { pay: yes } }), {
    result: { content: [{ text: 'paid 1' }] }
  })
  t.match(await call(app, { requestState, inputResponses: { pay: yes } }), {
    error: { data: { code: 'MCP_ERR_REQUEST_STATE' } }
  })
  const rush = (await call(app, {})).result.requestState
  const both = await Promise.all(
    [1, 2].map(async () => await call(app, { requestState: rush, inputResponses: { pay: yes } }))
  )
  t.equal(both.filter(({ result }) => result !== undefined).length, 1)
  t.equal(paid.count, 2)
})

t.test('a once tool ignores an answer that was not asked for', async t => {
  const paid = { count: 0 }
  const app = await service(t, { tools: [pay(true, paid)] })
  for (let i = 0; i < 2; i++) {
    t.match(await call(app, { inputResponses: { pay: yes } }), { result: { resultType: 'input_required' } })
  }
  t.equal(paid.count, 0)
})

t.test('a tool without once accepts its request state again', async t => {
  const paid = { count: 0 }
  const app = await service(t, { tools: [pay(false, paid)] })
  const { requestState } = (await call(app, {})).result
  for (let i = 0; i < 2; i++) {
    t.match(await call(app, { requestState, inputResponses: { pay: yes } }), { result: { content: Array } })
  }
  t.equal(paid.count, 2)
})

t.test('an altered request state is refused and does not use up the original', async t => {
  const paid = { count: 0 }
  const app = await service(t, { tools: [pay(true, paid)] })
  const { requestState } = (await call(app, {})).result
  t.match(await call(app, { requestState: `${String(requestState)}x`, inputResponses: { pay: yes } }), {
    error: { data: { code: 'MCP_ERR_REQUEST_STATE' } }
  })
  t.match(await call(app, { requestState, inputResponses: { pay: yes } }), {
    result: { content: [{ text: 'paid 1' }] }
  })
})

t.test('a request state is spent once in a fleet, and not at all while Redis is down', {
  skip: withoutRedis
}, async t => {
  const redis = await redisServer(t)
  const paid = { count: 0 }
  const [a, b] = await sessionFleet(t, redis, 2, 'once:', { tools: [pay(true, paid)] })
  if (a === undefined || b === undefined) throw new Error('not two')
  const { requestState } = (await call(a.app, {})).result
  const round = async (app: FastifyInstance) => await call(app, { requestState, inputResponses: { pay: yes } })
  await redis.kill()
  for (const { app } of [a, b]) {
    t.match(await round(app), { error: { code: 503, data: { code: 'MCP_ERR_UNAVAILABLE' } } })
  }
  t.equal(paid.count, 0)
  await redis.restart()
  const answer = await until(async () => {
    const body = await round(b.app)
    return body.error?.code !== 503 && body
  })
  t.match(answer, { result: { content: [{ text: 'paid 1' }] } })
  t.match(await round(a.app), { error: { data: { code: 'MCP_ERR_REQUEST_STATE' } } })
  t.equal(paid.count, 1)
})
