/** The ports over Redis do what those of one process do. */
import t, { type Test } from 'tap'
import { RedisBus } from '../../../src/redis/bus.js'
import { createClients } from '../../../src/redis/client.js'
import { Keys } from '../../../src/redis/keys.js'
import { RedisKnownThere } from '../../../src/redis/known-there.js'
import { RedisLimits } from '../../../src/redis/limits.js'
import { Link } from '../../../src/redis/link.js'
import { RedisOneTimeStore } from '../../../src/redis/one-time.js'
import { busContract } from '../../support/contracts/bus.js'
import { knownThereContract } from '../../support/contracts/known-there.js'
import { limitsContract } from '../../support/contracts/limits.js'
import { oneTimeContract } from '../../support/contracts/one-time.js'
import { redisServer, withoutRedis } from '../../support/redis.js'

/** One instance of a fleet. The deadline is longer than a busy machine takes. */
async function instance (t: Test, url: string): Promise<{ link: Link, keys: Keys, bus: RedisBus }> {
  const { commands, reader } = createClients(url)
  const keys = new Keys('test:')
  const link = new Link({ client: commands, keys, timeoutMs: 10_000 })
  const bus = new RedisBus({ link, keys, reader })
  t.teardown(async () => {
    await bus.close()
    await link.close()
  })
  const up = new Promise<void>(resolve => link.onUp(resolve))
  link.start()
  await up
  return { link, keys, bus }
}

t.test('ports over Redis', { skip: withoutRedis }, async (t) => {
  const { url } = await redisServer(t)
  const [a, b] = [await instance(t, url), await instance(t, url)]

  t.test('limits', async (t) => {
    const limits = [new RedisLimits(a), new RedisLimits(b)] as const
    await limitsContract(t, async () => limits)
  })

  t.test('known there', async (t) => {
    const known = [new RedisKnownThere({ ...a, ttlMs: 60_000 }), new RedisKnownThere({ ...b, ttlMs: 60_000 })] as const
    await knownThereContract(t, async () => known)
  })

  t.test('one-time things', async (t) => {
    const stores = [new RedisOneTimeStore(a), new RedisOneTimeStore(b)] as const
    await oneTimeContract(t, async () => stores)
  })

  t.test('bus', async (t) => {
    await busContract(t, async () => [a.bus, b.bus])
  })
})
