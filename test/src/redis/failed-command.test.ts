/** Commands that fail while Redis stays available, as when one node of a Cluster is slow, are repeated. */
import t, { type Test } from 'tap'
import { createKey } from '../../../src/api-keys/changes.js'
import { formatKeyFile } from '../../../src/api-keys/record.js'
import { SharedKeyStore } from '../../../src/api-keys/followed-source.js'
import { RedisBus } from '../../../src/redis/bus.js'
import { RedisKeySource } from '../../../src/redis/api-keys.js'
import { createClients } from '../../../src/redis/link/client.js'
import { RedisRecords } from '../../../src/redis/records.js'
import { ask, redisServer, withoutRedis } from '../../support/redis.js'
import { redisInstance, type Instance } from '../../support/redis-instance.js'
import { until } from '../../support/until.js'

const silent = { info: () => {}, warn: () => {}, error: () => {} }

t.test('commands that fail while Redis stays available', { skip: withoutRedis }, async t => {
  const { url, port } = await redisServer(t)
  /** Replaces the value of a key, so that its commands fail. Returns a function that restores it. */
  const spoil = async ({ keys }: Instance, name: string): Promise<() => Promise<void>> => {
    const key = keys.shared(name)
    await ask(port, `RENAME ${key} ${key}:kept`)
    await ask(port, `SET ${key} spoilt`)
    return async () => {
      await ask(port, `DEL ${key}`)
      await ask(port, `RENAME ${key}:kept ${key}`)
    }
  }
  const two = async (t: Test, prefix: string): Promise<[Instance, Instance]> =>
    [await redisInstance(t, url, { prefix }), await redisInstance(t, url, { prefix })]

  t.test('the bus reads messages although it could not find its position at first', async t => {
    const [a, b] = await two(t, 'bus:')
    await a.bus.tellAll('count', 0)
    const restore = await spoil(a, 'news')
    const { reader } = createClients(url, 60_000)
    const late = new RedisBus({ link: b.link, keys: b.keys, reader })
    t.teardown(async () => { await late.close() })
    const heard: unknown[] = []
    late.on('count', message => { heard.push(message) })
    await b.link.call('PING')
    await restore()
    await until(async () => {
      await a.bus.tellAll('count', 1)
      return heard.length > 0
    })
    t.equal(b.link.isUp, true)
    t.equal(heard[0], 1)
  })

  t.test('records are merged although a merge failed', async t => {
    const a = await redisInstance(t, url, { prefix: 'records:' })
    await new RedisRecords(a).add([{ kind: 'key-revoked', id: 'one', at: 1, by: { principal: 'cli' } }])
    const restore = await spoil(a, 'state')
    const b = await redisInstance(t, url, { prefix: 'records:' })
    const records = new RedisRecords(b)
    t.teardown(() => { records.close() })
    const known: string[] = []
    let isMerged = false
    records.follow(({ id }) => { known.push(id) }, () => []).then(() => { isMerged = true }, () => {})
    await b.link.call('PING')
    t.same(known, [])
    await restore()
    await until(() => isMerged)
    t.same(known, ['one'])
  })

  t.test('a change of the keys applies although a read of them failed', async t => {
    const [a, b] = await two(t, 'keys:')
    const source = new RedisKeySource(a)
    await source.change(records => ({ records: createKey(records, { name: 'one' }).records, result: undefined }))
    // Reads the keys, and again after each change.
    const store = await SharedKeyStore.open({
      source: new RedisKeySource(b),
      usage: { read: async () => undefined, write: async () => {} },
      log: silent
    })
    t.teardown(async () => { await store.close() })
    await until(() => store.records.length === 1)
    const restore = await spoil(a, 'keys')
    await a.bus.tellAll('keys', 0)
    await until(() => store.problems().length === 1)
    await restore()
    // No message announces this change.
    await a.link.call('HSET', a.keys.shared('keys'), 'version', 9, 'text', formatKeyFile([]))
    await until(() => store.records.length === 0)
    t.same(store.problems(), [])
  })
})
