/** Sessions of a fleet, used by a caller who wants to harm it, and while Redis refuses single commands. */
import t from 'tap'
import { ask, redisServer, withoutRedis } from '../support/redis.js'
import { listen, openSession } from '../support/session.js'
import { sessionFleet } from '../support/session-fleet.js'
import { post, rpc } from '../support/service.js'
import { until } from '../support/until.js'

t.test('sessions of a fleet under abuse and refused commands', { skip: withoutRedis }, async t => {
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
})
