/** Sessions of a fleet of processes, when an instance is killed and when Redis fails. */
import t, { type Test } from 'tap'
import { type FleetProcess, fleetProcesses } from '../support/fleet-processes.js'
import { type RedisServer, redisServer, withoutRedis } from '../support/redis.js'
import { ask, begin, listen, openSessionAt, settles } from '../support/session.js'
import { callOf, initialize, rpc, withKey } from '../support/service.js'
import { until } from '../support/until.js'

async function two (t: Test, redis: RedisServer, env?: Record<string, string>): Promise<[FleetProcess, FleetProcess]> {
  const [a, b] = await fleetProcesses(t, redis.url, 2, env)
  if (a === undefined || b === undefined) throw new Error('not two')
  return [a, b]
}

/** Pings until the status is not 503, and resolves to it. */
async function statusAfterOutage (url: string, session: Record<string, string>): Promise<number> {
  return await until(async () => {
    const { status } = await ask(url, rpc('ping'), session)
    return status !== 503 && status
  })
}

t.test('I8: sessions when an instance or Redis fails', { skip: withoutRedis, timeout: 240_000 }, async t => {
  t.test(
    'a session survives the kill of its instance and resumes elsewhere',
    async t => {
      const redis = await redisServer(t)
      const [a, b] = await two(t, redis)
      const session = await openSessionAt(a.at)
      await ask(a.at, rpc('resources/subscribe', { uri: 'test://note' }), session)
      const given = await begin(a.at, callOf('count', { to: 5, leave: 2 }, 1), session)
      await given.ended
      const whole = await listen(b.at, session, given.lastId())
      t.ok(await settles(whole.ended))
      t.match(whole.messages().at(-1), { id: 1, result: { content: [{ text: 'counted to 5' }] } })
      // Slowly, because only 256 events are stored, and the client may fall far behind on a busy machine.
      const running = await begin(a.at, callOf('count', { to: 100_000, everyMs: 50 }, 2), session)
      await until(() => running.messages().length >= 5)
      const lastId = running.lastId()
      a.child.kill('SIGKILL')
      await a.ended
      await running.ended.catch(() => {})

      const again = await listen(b.at, session, given.lastId())
      t.ok(await settles(again.ended))
      t.same(again.messages(), whole.messages(), 'a finished call is replayed from the event store')
      const rest = await listen(b.at, session, lastId)
      t.ok(await settles(rest.ended))
      t.match(rest.messages().at(-1), { id: 2, error: { code: 503, data: { code: 'MCP_ERR_UNAVAILABLE' } } })
      const said = rest
        .messages()
        .slice(0, -1)
        .map(({ params }) => params.data)
      const first = Number(lastId.slice(lastId.lastIndexOf('.') + 1)) + 1
      t.same(
        said,
        said.map((_, n) => first + n),
        'all messages in order, without repeats'
      )
      t.match(await ask(b.at, callOf('whoami'), session), {
        status: 200,
        body: { result: { structuredContent: { role: 'user' } } }
      })
      t.equal(
        (await ask(b.at, { jsonrpc: '2.0', id: `${lastId.slice(0, 36)}.1`, result: {} }, session)).status,
        202,
        'an answer for an instance that was killed'
      )
    }
  )

  t.test('sessions get 503 while Redis is down, and continue afterwards', async t => {
    const redis = await redisServer(t)
    const [a, b] = await two(t, redis, { REDIS_TIMEOUT_MS: '8000' })
    const session = await openSessionAt(a.at)
    const running = await begin(b.at, callOf('count', { to: 300, everyMs: 10 }, 7), session)
    await until(() => running.messages().length >= 3)
    redis.freeze()
    const frozen = await begin(a.at, rpc('ping'), session)
    t.equal(frozen.response.status, 503)
    t.equal(frozen.response.headers.get('retry-after'), '1')
    for (const { at } of [a, b]) t.equal((await begin(at, rpc('ping'), session)).response.status, 503)
    t.equal((await begin(a.at, rpc('tools/list'), withKey)).response.status, 200, 'calls without a session go on')
    t.equal((await listen(a.at, session)).response.status, 503)
    t.equal(
      (
        await begin(
          a.at,
          initialize()
        )
      ).response.status,
      503
    )
    redis.thaw()
    t.ok(await settles(running.ended))
    t.match(
      running.messages().at(-1),
      { id: 7, result: { content: [{ text: 'counted to 300' }] } },
      'a running call is unaffected'
    )
    t.equal(await statusAfterOutage(a.at, session), 200)
    const rest = await listen(a.at, session, running.lastId().replace(/\.\d+$/, '.0'))
    t.ok(await settles(rest.ended))
    t.equal(rest.messages().length, 301, 'messages from the outage are stored afterwards')
  })

  t.test('an emptied Redis ends sessions with 404 and stops their calls', async t => {
    const redis = await redisServer(t)
    const [a, b] = await two(t, redis, { REDIS_TIMEOUT_MS: '8000' })
    const session = await openSessionAt(a.at)
    const standing = await listen(b.at, session)
    const other = await listen(a.at, await openSessionAt(a.at))
    await redis.restart()
    t.equal(await statusAfterOutage(a.at, session), 404)
    t.ok(await settles(standing.ended))
    t.ok(await settles(other.ended))
    const next = await openSessionAt(b.at)
    t.equal((await ask(a.at, rpc('ping'), next)).status, 200)
  })
})
