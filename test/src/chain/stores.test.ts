/** The stores that `openStores` selects, and their health. */
import t from 'tap'
import { openStores, type StoresOptions } from '../../../src/chain/stores.js'
import { healthContract } from '../../support/contracts/health.js'
import { redisServer, withoutRedis } from '../../support/redis.js'
import { twoChannels } from '../../support/worker-channel.js'

const options: StoresOptions = {
  knownTtlMs: 60_000,
  endpoint: '/mcp',
  log: { info: () => {}, warn: () => {} }
}

t.test('the memory of one process', async t => {
  await healthContract(t, async t => {
    const stores = openStores(options)
    t.teardown(async () => { await stores.close() })
    await stores.ready(Promise.resolve())
    t.equal(stores.health().state, 'alone')
    return stores
  })
})

t.test('the stores of a worker', async t => {
  await healthContract(t, async t => {
    const [channel] = twoChannels()
    const stores = openStores({ ...options, channel })
    t.teardown(async () => { await stores.close() })
    // The first answer contains the number of workers.
    await channel.call('once', 'isFull')
    t.equal(stores.health().instances, 2)
    return stores
  })
})

t.test('the stores in Redis', { skip: withoutRedis }, async t => {
  await healthContract(t, async t => {
    const { url, freeze, thaw } = await redisServer(t)
    t.teardown(thaw)
    const stores = openStores({ ...options, redis: { source: url, timeoutMs: 1000 } })
    t.teardown(async () => { await stores.close() })
    await stores.ready(stores.records?.follow(() => {}, () => []) ?? Promise.resolve())
    t.equal(stores.health().state, 'ok')
    return { health: stores.health, fail: freeze, recover: thaw }
  })
})
