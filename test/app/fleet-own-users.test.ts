/** `endpoint.forget` reaches every instance of a fleet, even after a Redis outage. */
import { randomBytes } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { mcpAuth } from '../../src/mcp-auth.js'
import type { Endpoint } from '../../src/mcp/endpoint.js'
import { defineTool } from '../../src/tools/tool.js'
import { redisServer, withoutRedis } from '../support/redis.js'
import { callOf, post } from '../support/service.js'
import { until } from '../support/until.js'
import { secretOfTests } from '../support/witness.js'

const key = secretOfTests('crm-key-of-the-fleet-tests-0001')
const headers = { 'x-api-key': key }
const stateKey = randomBytes(32)

interface Instance {
  readonly app: FastifyInstance
  readonly endpoint: Endpoint
  /** The number of look-ups. */
  readonly asked: () => number
  readonly running: () => number
}

/** Looks up keys in `database`, and caches valid ones during the whole test. */
async function instance (t: Test, source: string, database: { isGood: boolean }): Promise<Instance> {
  const app = Fastify()
  t.teardown(() => app.close())
  let endpoint: Endpoint | undefined
  let [asked, running] = [0, 0]
  const wait = defineTool({
    name: 'wait',
    handler: async (_args, { signal }) => await new Promise<never>((_resolve, reject) => {
      running += 1
      signal.addEventListener('abort', () => { reject(new Error('ended')) })
    })
  })
  await app.register(mcpAuth, {
    stateKey,
    redis: { source, timeoutMs: 60_000 },
    tools: [wait],
    verifyKeyTtlMs: 3_600_000,
    verifyKeyTimeoutMs: 120_000,
    verifyKey: given => {
      asked += 1
      return given === key && database.isGood ? { id: 'crm:7', keyId: 'k-1' } : null
    },
    onEndpoint: made => { endpoint = made }
  })
  await app.ready()
  if (endpoint === undefined) throw new Error('there is no endpoint')
  return { app, endpoint, asked: () => asked, running: () => running }
}

async function status ({ app }: Instance): Promise<number> {
  return (await post(app, callOf('whoami'), headers)).status
}

t.test('endpoint.forget in a fleet', { skip: withoutRedis }, async t => {
  t.test('endpoint.forget refuses the key on other instances and ends its calls', async t => {
    const redis = await redisServer(t)
    const database = { isGood: true }
    const [a, b, c] = [
      await instance(t, redis.url, database), await instance(t, redis.url, database),
      await instance(t, redis.url, database)
    ]
    t.same([await status(a), await status(b), await status(c)], [200, 200, 200])
    const call = post(b.app, callOf('wait'), headers)
    await until(() => b.running() === 1)
    database.isGood = false
    t.same([await status(a), await status(b)], [200, 200], 'cached everywhere')
    a.endpoint.forget('another key')
    a.endpoint.forget('k-1')
    t.equal(await status(a), 401, 'immediately on this instance')
    for (const other of [b, c]) await until(async () => await status(other) === 401)
    t.match((await call).body, { error: { data: { code: 'MCP_ERR_UNAUTHENTICATED' } } })
    database.isGood = true
    t.same([await status(a), await status(b), await status(c)], [200, 200, 200], 'it can be valid again')
    const asked = [a, b, c].map(one => one.asked())
    t.same([await status(a), await status(b), await status(c)], [200, 200, 200])
    t.same([a, b, c].map(one => one.asked()), asked, 'it is cached again, and stays cached')
  })

  t.test('endpoint.forget reaches other instances once Redis is back', async t => {
    const redis = await redisServer(t)
    const database = { isGood: true }
    const [a, b] = [await instance(t, redis.url, database), await instance(t, redis.url, database)]
    t.same([await status(a), await status(b)], [200, 200])
    await redis.kill()
    database.isGood = false
    a.endpoint.forget('k-1')
    t.equal(await status(a), 401)
    t.equal(await status(b), 200, 'b cannot know yet')
    await redis.restart()
    await until(async () => await status(b) === 401)
  })
})
