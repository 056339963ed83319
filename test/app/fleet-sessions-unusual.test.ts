/** Sessions of a fleet: abuse by a caller, commands that Redis refuses, and events that were never logged. */
import t from 'tap'
import { RedisEvents } from '../../src/redis/event-log.js'
import { redisInstance } from '../support/redis-instance.js'
import { ask, redisServer, withoutRedis } from '../support/redis.js'
import { listen, openSession, settles } from '../support/session.js'
import { sessionFleet } from '../support/session-fleet.js'
import { post, rpc } from '../support/service.js'
import { until } from '../support/until.js'

t.test('sessions of a fleet in unusual conditions', { skip: withoutRedis }, async t => {
  const redis = await redisServer(t)

  t.test('a cancellation with an oversized id is not sent to other instances', async t => {
    const [a] = await sessionFleet(t, redis, 1, 'huge:')
    if (a === undefined) throw new Error('no instance')
    const session = await openSession(a.app)
    const cancel = async (requestId: unknown): Promise<number> =>
      (await post(a.app, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } }, session)).status
    const news = 'XRANGE huge:/mcp:{bus}:news - +'
    t.equal(await cancel('x'.repeat(256)), 202)
    t.match(await ask(redis.port, news), 'x'.repeat(256))
    for (const id of ['y'.repeat(257), 'y'.repeat(500_000), 1.5, Number.MAX_VALUE]) t.equal(await cancel(id), 202)
    const text = await ask(redis.port, news)
    t.notMatch(text, /y{257}/)
    t.equal(text.match(/session-cancel/g)?.length, 1)
  })

  t.test('a GET stream that cannot begin gives its place back', async t => {
    const [a] = await sessionFleet(t, redis, 1, 'place:', { env: { STREAM_MAX_PER_CALLER: '1' } })
    if (a === undefined) throw new Error('no instance')
    const [one, other] = [await openSession(a.app), await openSession(a.app)]
    const whenUp = async (): Promise<void> => {
      await until(async () => (await post(a.app, rpc('ping'), other)).status === 200)
    }
    // Reads the missed changes.
    await ask(redis.port, 'ACL SETUSER default -xrange')
    t.teardown(async () => { await ask(redis.port, 'ACL SETUSER default +xrange') })
    await whenUp()
    const { response } = await listen(a.url, one, 'c.1-1')
    t.equal(response.status, 503)
    t.equal(response.headers.get('retry-after'), '1')
    await ask(redis.port, 'ACL SETUSER default +xrange')
    await whenUp()
    const second = await listen(a.url, other)
    t.equal(second.response.status, 200, 'its place is free')
  })

  t.test('a call whose killed instance had sent more than it had logged gets an error', async t => {
    const [a] = await sessionFleet(t, redis, 1, 'unlogged:')
    if (a === undefined) throw new Error('no instance')
    const session = await openSession(a.app)
    const { 'mcp-session-id': id = '' } = session
    // An instance that is killed: it wrote two events, and its client received more.
    const killed = await redisInstance(t, redis.url, { prefix: 'unlogged:/mcp:' })
    const log = new RedisEvents(killed)
    const [running, ended] = ['1', '2'].map(place => `${killed.bus.id}-${place}`)
    if (running === undefined || ended === undefined) throw new Error('no names')
    for (const name of [running, ended]) {
      log.open(id, name, [7], true)
      for (const n of [1, 2]) log.append(id, name, { n, message: JSON.stringify({ method: 'said', params: { n } }) })
    }
    log.finish(id, ended)
    await until(async () => (await log.read(id, ended, 0))?.isOver)
    await killed.link.close()
    const rest = await listen(a.url, session, `${running}.3`)
    t.equal(rest.response.status, 200)
    t.ok(await settles(rest.ended))
    t.match(rest.messages(), [{ id: 7, error: { data: { code: 'MCP_ERR_UNAVAILABLE' } } }])
    t.equal(rest.messages().length, 1)
    const stored = await listen(a.url, session, `${running}.1`)
    t.ok(await settles(stored.ended))
    t.match(stored.messages(), [{ params: { n: 2 } }, { id: 7, error: {} }])
    for (const unknown of [`${ended}.3`, `${killed.bus.id}-3.0`]) {
      t.equal((await listen(a.url, session, unknown)).response.status, 400, unknown)
    }
  })
})
