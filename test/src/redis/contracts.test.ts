/** The ports over Redis pass the same contracts as those of one process. */
import t from 'tap'
import { RedisKeySource, RedisUsageStore } from '../../../src/redis/api-keys.js'
import { RedisKnownThere } from '../../../src/redis/known-there.js'
import { RedisLimits } from '../../../src/redis/limits.js'
import { RedisOneTimeStore } from '../../../src/redis/one-time.js'
import { busContract } from '../../support/contracts/bus.js'
import { keySourceContract, usageContract } from '../../support/contracts/key-source.js'
import { knownThereContract } from '../../support/contracts/known-there.js'
import { limitsContract } from '../../support/contracts/limits.js'
import { oneTimeContract } from '../../support/contracts/one-time.js'
import { redisInstance } from '../../support/redis-instance.js'
import { RedisKeys } from '../../../src/redis/link/keys.js'
import { RedisDocuments } from '../../../src/redis/documents.js'
import { documentsContract } from '../../support/contracts/documents.js'
import { RedisEvents } from '../../../src/redis/event-log.js'
import { RedisRecords } from '../../../src/redis/records.js'
import { RedisSessions } from '../../../src/redis/sessions.js'
import { eventLogContract } from '../../support/contracts/event-log.js'
import { openState } from '../../support/state.js'
import { sharedRecordsContract } from '../../support/contracts/shared-records.js'
import { sessionStoreContract } from '../../support/contracts/session-store.js'
import { redisServer, withoutRedis } from '../../support/redis.js'

t.test('ports over Redis', { skip: withoutRedis }, async (t) => {
  const { url } = await redisServer(t)
  const [a, b] = [await redisInstance(t, url), await redisInstance(t, url)]

  t.test('limits', async (t) => {
    const limits = [new RedisLimits(a), new RedisLimits(b)] as const
    await limitsContract(t, async () => limits)
  })

  t.test('known there', async (t) => {
    const known = [new RedisKnownThere({ ...a, ttlMs: 60_000 }), new RedisKnownThere({ ...b, ttlMs: 60_000 })] as const
    await knownThereContract(t, async () => known)
  })

  t.test('one-time items', async (t) => {
    const stores = [new RedisOneTimeStore(a), new RedisOneTimeStore(b)] as const
    await oneTimeContract(t, async () => stores)
  })

  t.test('created and revoked tokens', async (t) => {
    let count = 0
    await sharedRecordsContract(t, async t => {
      const prefix = `records-${++count}:`
      return async () => {
        const share = new RedisRecords(await redisInstance(t, url, { prefix }))
        t.teardown(() => { share.close() })
        const state = await openState(t, { share })
        await state.merged()
        return state
      }
    })
  })

  t.test('documents of the authorization server', async (t) => {
    let count = 0
    await documentsContract(t, async () => {
      const keys = new RedisKeys(`documents-${++count}:`)
      return [new RedisDocuments({ ...a, keys }), new RedisDocuments({ ...b, keys })]
    })
  })

  t.test('managed keys', async (t) => {
    let count = 0
    await keySourceContract(t, async () => {
      // The bus receives changes only under its own prefix.
      const options = { prefix: `managed-keys-${++count}:` }
      const [one, other] = [await redisInstance(t, url, options), await redisInstance(t, url, options)]
      return [new RedisKeySource(one), new RedisKeySource(other)]
    })
  })

  t.test('last uses of managed keys', async (t) => {
    let count = 0
    await usageContract(t, async () => {
      const keys = new RedisKeys(`last-uses-${++count}:`)
      return [new RedisUsageStore({ ...a, keys }), new RedisUsageStore({ ...b, keys })]
    })
  })

  t.test('bus', async (t) => {
    await busContract(t, async () => [a.bus, b.bus])
  })

  t.test('sessions', async (t) => {
    let count = 0
    await sessionStoreContract(t, async bounds => {
      const keys = new RedisKeys(`sessions-${++count}:`)
      return [new RedisSessions({ ...a, keys, bounds, useMs: 0 }), new RedisSessions({ ...b, keys, bounds, useMs: 0 })]
    })
  })

  t.test('event log', async (t) => {
    let count = 0
    await eventLogContract(t, async bounds => {
      const keys = new RedisKeys(`events-${++count}:`)
      return [new RedisEvents({ ...a, keys, ...bounds }), new RedisEvents({ ...b, keys, ...bounds })]
    })
  })

  // This happens if a script has to be sent to Redis again, or a command is repeated after an outage.
  t.test('a late event is stored in its order', async (t) => {
    const log = new RedisEvents({ ...a, keys: new RedisKeys('late-events:') })
    log.open('s', 'a-1', [1], true)
    for (const n of [1, 3, 4, 2, 5, 4]) log.append('s', 'a-1', { n, message: String(n) })
    log.finish('s', 'a-1')
    await log.read('s', 'a-1', 0)
    const kept = await log.read('s', 'a-1', 2)
    t.same(kept?.events.map(({ n }) => n), [3, 4, 5])
    t.equal(kept?.isOver, true)
  })
})
