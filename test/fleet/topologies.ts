/** Limits, records, messages and links with a Redis Cluster and Sentinel, before and after a failover. */
import t, { type Test } from 'tap'
import { LedgerIndex } from '../../src/ledger/index-in-memory.js'
import type { LedgerRecord } from '../../src/ledger/records.js'
import { type Ask, type BucketKind, bucketOf, type Limits } from '../../src/limits/limits.js'
import { RedisLimits } from '../../src/redis/limits.js'
import { RedisOneTimeStore } from '../../src/redis/one-time.js'
import { RedisRecords } from '../../src/redis/records.js'
import { RedisSessions } from '../../src/redis/sessions.js'
import { type Instance, redisInstance } from '../support/redis-instance.js'
import { redisCluster, redisWithSentinel } from '../support/redis-topologies.js'
import { says, withoutRedis } from '../support/redis.js'
import { until } from '../support/until.js'

function hit (owner: string, max: number, kind: BucketKind = 'caller'): Ask {
  return { bucket: bucketOf(kind, owner), cost: 1, max, windowMs: 600_000 }
}

/** Sends `hits` concurrent hits. Returns how many were within the limit. */
async function letIn (limits: readonly Limits[], hits: number, owner: string, max: number): Promise<number> {
  const taken = await Promise.all(Array.from({ length: hits }, async (_, n) => await limits[n % limits.length]
    ?.take([{ ...hit('192.0.2.1', 100, 'address'), cost: 0 }, hit(owner, max)])))
  return taken.filter(answer => answer?.length === 2 && answer[1]?.fits === true).length
}

function revoked (id: string): LedgerRecord {
  return { kind: 'token-revoked', id, until: null, at: Date.now(), by: { principal: 'cli' } }
}

interface Records { readonly ledger: LedgerIndex, readonly records: RedisRecords }

async function recordsOf (instance: Instance): Promise<Records> {
  const ledger = new LedgerIndex()
  const records = new RedisRecords(instance)
  await records.follow(record => { ledger.apply(record) }, () => ledger.live(Date.now()))
  return { ledger, records }
}

/** Retries until the record is shared, because writes are refused during a failover. */
async function share ({ ledger, records }: Records, id: string): Promise<void> {
  ledger.apply(revoked(id))
  await until(async () => await records.add([revoked(id)]).then(outcome => outcome === 'added', () => false))
}

/** Checks that two instances share limits, records, messages, links and sessions. */
async function behaveAsOne (t: Test, instances: readonly [Instance, Instance], both: readonly Records[], name: string) {
  const [a, b] = instances
  const [one, two] = both as [Records, Records]
  await until(() => a.link.isUp && b.link.isUp)
  const limits = instances.map(instance => new RedisLimits(instance))
  for (const owner of ['ada', 'bob', 'eve', 'joe']) {
    t.equal(await letIn(limits, 60, `${name} ${owner}`, 25), 25, 'a limit is exact')
  }
  await share(one, `${name} of a`)
  await share(two, `${name} of b`)
  const isIn = ({ ledger }: Records): boolean =>
    ['a', 'b'].every(from => ledger.isRevoked({ id: 'x', tokenId: `${name} of ${from}` }))
  await until(() => both.every(isIn))
  const heard: unknown[] = []
  const stops = [b.bus.on(name, message => { heard.push(message) })]
  for (let n = 0; n < 20; n++) await a.bus.tellAll(name, n)
  await until(() => heard.length === 20)
  t.same(heard, Array.from({ length: 20 }, (_, n) => n), 'messages arrive in order')
  t.equal(await b.bus.tell(a.bus.id, 'letter', name), true)
  t.equal(await b.bus.isAlive(a.bus.id), true)
  for (const stop of stops) stop()
  const links = instances.map(instance => new RedisOneTimeStore(instance)) as [RedisOneTimeStore, RedisOneTimeStore]
  await links[0].put(name, 'sealed', 60_000)
  const claims = await Promise.all(links.map(async store => await store.take(name)))
  t.equal(claims.filter(text => text === 'sealed').length, 1, 'a link is claimed once')
  const bounds = { max: 10, maxPerPrincipal: 2, idleMs: 60_000, lifetimeMs: 60_000 }
  const stores = instances.map(instance => new RedisSessions({ ...instance, bounds })) as [RedisSessions, RedisSessions]
  const rights = { admin: false, roles: ['user'], scopes: [], kinds: [] }
  for (let n = 0; n < 3; n++) {
    const client = { name: 't', version: '1' }
    await stores[0].create(`${name} ${n}`, { owner: 'ada', revision: '2025-11-25', capabilities: {}, client, rights })
  }
  t.same(await Promise.all([0, 1, 2].map(async n => (await stores[1].use(`${name} ${n}`, 'ada')) !== undefined)),
    [false, true, true], 'the session limit applies')
}

async function two (t: Test, url: string): Promise<readonly [Instance, Instance]> {
  return [await redisInstance(t, url, { timeoutMs: 2000 }), await redisInstance(t, url, { timeoutMs: 2000 })]
}

t.test('instances with a Redis Cluster or Sentinel', { skip: withoutRedis, timeout: 120_000 }, async t => {
  for (const fault of ['killed', 'frozen'] as const) {
    t.test(`I15: instances with Sentinel behave as one, also after the primary was ${fault}`, async t => {
      const { url, primary, replica, isPromoted } = await redisWithSentinel(t)
      const instances = await two(t, url)
      const both = [await recordsOf(instances[0]), await recordsOf(instances[1])]
      await behaveAsOne(t, instances, both, 'before')
      await says(replica.port, 'INFO replication', /master_link_status:up/)
      const limits = instances.map(instance => new RedisLimits(instance))
      // The refused hits tell both instances that the limit is used up.
      t.equal(await letIn(limits, 8, 'spent', 4), 4)
      if (fault === 'killed') await primary.kill()
      else primary.freeze()
      await until(() => instances.every(({ link }) => !link.isUp))
      t.ok(await letIn(limits, 20, 'away', 5) <= 10, 'each instance applies the limit on its own')
      await isPromoted()
      await until(() => instances.every(({ link }) => link.isUp))
      t.equal(await letIn(limits, 10, 'spent', 4), 0, 'a used-up limit stays used up')
      await behaveAsOne(t, instances, both, 'after')
      primary.thaw()
      await isKnown(await recordsOf(await redisInstance(t, url)), t)
    })
  }

  t.test('I15: instances leave a primary that Sentinel has demoted', async t => {
    const { url, replica, sentinelPort, isPromoted } = await redisWithSentinel(t)
    const instances = await two(t, url)
    const both = [await recordsOf(instances[0]), await recordsOf(instances[1])]
    await share(both[0] as Records, 'before')
    await says(sentinelPort, 'SENTINEL FAILOVER main', /OK/)
    await isPromoted()
    await says(replica.port, 'INFO replication', /role:master/)
    await behaveAsOne(t, instances, both, 'after')
    // The instances restore the records that were lost with the demoted primary.
    await says(replica.port, 'HLEN test:{bus}:state', /:3/)
  })

  for (const fault of ['killed', 'frozen'] as const) {
    t.test(`I15: instances with a Cluster behave as one, also after a primary was ${fault}`, async t => {
      const { url, nodes, replica } = await redisCluster(t, 'test:{bus}:news')
      const instances = await two(t, url)
      const both = [await recordsOf(instances[0]), await recordsOf(instances[1])]
      await behaveAsOne(t, instances, both, 'before')
      if (fault === 'killed') await nodes[0]?.kill()
      else nodes[0]?.freeze()
      await until(() => instances.every(({ link }) => !link.isUp))
      await says(replica.port, 'INFO replication', /role:master/)
      await says(replica.port, 'CLUSTER INFO', /cluster_state:ok/)
      await until(() => instances.every(({ link }) => link.isUp))
      await behaveAsOne(t, instances, both, 'after')
      nodes[0]?.thaw()
      await isKnown(await recordsOf(await redisInstance(t, url)), t)
    })
  }
})

/** Checks that a new instance knows the revocations from before and after the failover. */
async function isKnown ({ ledger }: Records, t: Test): Promise<void> {
  const ids = ['before of a', 'before of b', 'after of a', 'after of b']
  t.same(ids.filter(id => !ledger.isRevoked({ id: 'x', tokenId: id })), [])
}
