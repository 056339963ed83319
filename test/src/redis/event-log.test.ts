/** Events of a stream stay in order, even if Redis has lost the scripts. */
import t from 'tap'
import { RedisEvents } from '../../../src/redis/event-log.js'
import { ask, redisServer, withoutRedis } from '../../support/redis.js'
import { redisInstance } from '../../support/redis-instance.js'
import { until } from '../../support/until.js'

t.test('events stay in order while Redis loses its scripts', { skip: withoutRedis }, async t => {
  const { url, port } = await redisServer(t)
  const a = await redisInstance(t, url)
  const events = new RedisEvents(a)
  for (let round = 0; round < 20; round++) {
    const name = `stream-${round}`
    await ask(port, 'SCRIPT FLUSH')
    events.open('session', name, [1], true)
    for (let n = 1; n <= 30; n++) {
      events.append('session', name, { n, message: String(n) })
      // Some events share a batch, others have their own.
      if (n % 3 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    events.finish('session', name)
    await until(async () => (await ask(port, `ZCARD ${a.keys.of('s', 'session', `:e:${name}`)}`)).startsWith(':31'))
    const kept = await events.read('session', name, 0)
    t.same(kept?.events.map(({ n }) => n), Array.from({ length: 30 }, (_, n) => n + 1))
  }
})
