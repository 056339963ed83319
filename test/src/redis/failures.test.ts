/** Limits, records, messages and links while Redis fails, and afterwards. */
import t, { type Test } from 'tap'
import type { LedgerRecord } from '../../../src/ledger/records.js'
import { LedgerIndex } from '../../../src/ledger/index-in-memory.js'
import { type Ask, bucketOf, type Limits } from '../../../src/limits/limits.js'
import { RedisLimits } from '../../../src/redis/limits.js'
import { RedisOneTimeStore } from '../../../src/redis/one-time.js'
import { RedisRecords } from '../../../src/redis/records.js'
import { type Instance, redisInstance } from '../../support/redis-instance.js'
import { ask, redisServer, withoutRedis } from '../../support/redis.js'
import { tcpRelay } from '../../support/tcp-relay.js'
import { until } from '../../support/until.js'

function hit (owner: string, max: number, cost = 1): Ask {
  return { bucket: bucketOf('caller', owner), cost, max, windowMs: 600_000 }
}

/** Takes `hits` times and returns how many were accepted. */
async function letIn (limits: Limits, hits: number, owner: string, max: number): Promise<number> {
  let count = 0
  for (let n = 0; n < hits; n++) if ((await limits.take([hit(owner, max)]))[0]?.fits === true) count += 1
  return count
}

function revoked (id: string): LedgerRecord {
  return { kind: 'token-revoked', id, until: null, at: Date.now(), by: { principal: 'cli' } }
}

/** Opens the ledger of an instance as a server does. */
async function ledgerOf (
  instance: Instance
): Promise<{ ledger: LedgerIndex; records: RedisRecords; merged: Promise<void> }> {
  const ledger = new LedgerIndex()
  const records = new RedisRecords(instance)
  const merged = records.follow(
    record => {
      ledger.apply(record)
    },
    () => ledger.live(Date.now())
  )
  return { ledger, records, merged }
}

t.test('while Redis fails', { skip: withoutRedis }, async (t) => {
  // These tests mostly wait.
  t.jobs = 4
  for (const fault of ['killed', 'frozen', 'silent', 'out of memory', 'read only'] as const) {
    t.test(
      `${fault}: I3 and I4, limits continue within the bound and are shared again`,
      async t => {
        const redis = await redisServer(t)
        const relay = await tcpRelay(t, redis.port)
        const url = `redis://127.0.0.1:${relay.port}`
        // A frozen or silent Redis needs a deadline that passes. In the other cases no command may time out.
        const options = fault === 'frozen' || fault === 'silent' ? { timeoutMs: 10_000 } : {}
        const instances = [await redisInstance(t, url, options), await redisInstance(t, url, options)]
        const limits = instances.map(one => new RedisLimits(one))
        const [a, b] = limits as [RedisLimits, RedisLimits]
        t.equal(await letIn(a, 10, 'spent', 10), 10)
        await b.take([hit('spent', 10)])
        t.equal(await letIn(a, 4, 'half', 10), 4)
        await b.take([hit('half', 10, 0)])

        if (fault === 'killed') await redis.kill()
        if (fault === 'frozen') redis.freeze()
        if (fault === 'silent') relay.isSilent = true
        if (fault === 'out of memory') await ask(redis.port, 'CONFIG SET maxmemory 1')
        if (fault === 'read only') await ask(redis.port, 'REPLICAOF 127.0.0.1 1')
        // Half the window is used. Each of the two instances may accept the other half.
        const more = (await letIn(a, 20, 'half', 10)) + (await letIn(b, 20, 'half', 10))
        t.ok(more >= 6 && more <= 12, `${more} more`)
        t.equal(
          (await letIn(a, 5, 'spent', 10)) + (await letIn(b, 5, 'spent', 10)),
          0,
          'a used-up limit stays used up'
        )
        const fresh = (await letIn(a, 20, 'fresh', 10)) + (await letIn(b, 20, 'fresh', 10))
        t.ok(fresh >= 10 && fresh <= 20, `${fresh} of a fresh bucket`)

        if (fault === 'killed') await redis.restart()
        if (fault === 'frozen') redis.thaw()
        if (fault === 'silent') {
          relay.isSilent = false
          relay.cut()
        }
        if (fault === 'out of memory') await ask(redis.port, 'CONFIG SET maxmemory 0')
        if (fault === 'read only') await ask(redis.port, 'REPLICAOF NO ONE')
        await until(() => instances.every(({ link }) => link.isUp))
        const [x, y] = await Promise.all([letIn(a, 30, 'later', 40), letIn(b, 30, 'later', 40)])
        t.equal(x + y, 40, 'exact again')
      }
    )
  }

  t.test('I5: no revocation is lost, even if Redis is emptied and an instance added', async (t) => {
    const redis = await redisServer(t)
    const [a, b] = [await redisInstance(t, redis.url), await redisInstance(t, redis.url)]
    const [one, two] = [await ledgerOf(a), await ledgerOf(b)]
    await Promise.all([one.merged, two.merged])
    const ids: string[] = []
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 50; n++) {
        const id = `${round}-${n}`
        const record = revoked(id);
        (n % 2 === 0 ? one : two).ledger.apply(record)
        const outcome = await (n % 2 === 0 ? one : two).records.add([record]).catch(() => 'later')
        if (outcome === 'added') ids.push(id)
        if (round < 2 && n === 25) await redis.restart()
      }
      await until(() => a.link.isUp && b.link.isUp)
      const all = Array.from({ length: 50 * (round + 1) }, (_, n) => `${Math.floor(n / 50)}-${n % 50}`)
      await until(() => [one, two].every(({ ledger }) => all.every(id => ledger.isRevoked({ id: 'x', tokenId: id }))))
    }
    t.ok(ids.length > 0)
    const late = await ledgerOf(await redisInstance(t, redis.url))
    await late.merged
    t.ok(
      Array.from({ length: 150 }, (_, n) => `${Math.floor(n / 50)}-${n % 50}`).every(id =>
        late.ledger.isRevoked({ id: 'x', tokenId: id })
      )
    )
  })

  t.test('I6: a credential revoked by another instance cannot mint', async (t) => {
    const redis = await redisServer(t)
    const [one, two] = [
      await ledgerOf(await redisInstance(t, redis.url)),
      await ledgerOf(await redisInstance(t, redis.url))
    ]
    await Promise.all([one.merged, two.merged])
    const minted = (id: string, minter: string): LedgerRecord => ({
      kind: 'minted',
      id,
      subject: 'ada',
      role: 'user',
      scopes: [],
      at: Date.now(),
      expiresAt: Date.now() + 60_000,
      by: { principal: 'jwt:root', tokenId: minter }
    })
    t.equal(await one.records.add([minted('first', 'root')], { id: 'jwt:root', tokenId: 'root', issuedAt: 1 }), 'added')
    const [revocation, ...mints] = await Promise.all([
      one.records.add([revoked('root')]),
      ...Array.from(
        { length: 20 },
        async (_, n) =>
          await two.records.add([minted(`m${n}`, 'root')], { id: 'jwt:root', tokenId: 'root', issuedAt: 1 })
      )
    ])
    t.equal(revocation, 'added')
    t.equal(
      await two.records.add([minted('late', 'root')], { id: 'jwt:root', tokenId: 'root', issuedAt: 1 }),
      'refused'
    )
    await one.records.merge()
    t.equal(
      [...one.ledger.minted.keys()].filter(id => id.startsWith('m')).length,
      mints.filter(outcome => outcome === 'added').length
    )
    t.notOk(one.ledger.minted.has('late'))
    await one.records.add([{ kind: 'subject-revoked', id: 'jwt:bob', before: 1000, at: 1, by: { principal: 'cli' } }])
    const bob = async (issuedAt?: number): Promise<string> =>
      await two.records.add([minted(`b${issuedAt ?? ''}`, 'bob')], {
        id: 'jwt:bob',
        ...(issuedAt === undefined ? {} : { issuedAt })
      })
    t.same([await bob(1000), await bob(1001), await bob()], ['refused', 'added', 'refused'])
  })

  t.test('I7: a link claimed while Redis is suspended is delivered once', async (t) => {
    const redis = await redisServer(t)
    const [a, b] = [await redisInstance(t, redis.url, { timeoutMs: 300 }), await redisInstance(t, redis.url)]
    const [one, two] = [new RedisOneTimeStore(a), new RedisOneTimeStore(b)]
    for (let round = 0; round < 5; round++) {
      const id = `link ${round}`
      await until(() => a.link.isUp && b.link.isUp)
      await two.put(id, 'sealed', 600_000)
      const claim = one.take(id).catch(() => 'refused')
      if (round === 4) redis.freeze()
      else setImmediate(() => { setTimeout(() => { redis.freeze() }, round) })
      const outcome = await claim
      await new Promise(resolve => setTimeout(resolve, 20))
      redis.thaw()
      await until(() => a.link.isUp && b.link.isUp)
      // A refused take is undone when the link is up again.
      const later = outcome === 'refused' ? await until(() => two.take(id)) : await two.take(id)
      t.equal([outcome, later].filter(text => text === 'sealed').length, 1, String(outcome))
    }
  })

  t.test(
    'I9: no message is lost or reordered by lost connections',
    async t => {
      const redis = await redisServer(t)
      const [a, b] = [await redisInstance(t, redis.url), await redisInstance(t, redis.url)]
      const heard: unknown[] = []
      b.bus.on('count', message => {
        heard.push(message)
      })
      for (let n = 0; n < 1000; n++) {
        // A message that failed is sent again.
        await until(async () => a.link.isUp && await a.bus.tellAll('count', n).then(() => true, () => false))
        if (n % 200 === 100) await ask(redis.port, 'CLIENT KILL TYPE normal SKIPME yes')
      }
      await until(() => heard.at(-1) === 999)
      t.same(
        [...new Set(heard)],
        Array.from({ length: 1000 }, (_, n) => n)
      )
      let gaps = 0
      b.bus.onGap(() => {
        gaps += 1
      })
      await redis.restart()
      await until(() => gaps === 1 && a.link.isUp)
      await a.bus.tellAll('count', 'after')
      await until(() => heard.at(-1) === 'after')
    }
  )

  t.test('I11: a busy process is not mistaken for a slow Redis', async (t) => {
    const redis = await redisServer(t)
    const timeoutMs = 6000
    const instance = await redisInstance(t, redis.url, { timeoutMs })
    let downs = 0
    instance.link.onDown(() => { downs += 1 })
    const pending = instance.link.call('PING')
    await new Promise(resolve => setImmediate(resolve))
    // Blocks the event loop like a long computation, but without using CPU time.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, timeoutMs + 500)
    t.equal(await pending, 'PONG')
    t.equal(downs, 0)
  })

  t.test('I13: records of a later version are ignored', async (t) => {
    const redis = await redisServer(t)
    const a = await redisInstance(t, redis.url)
    await ask(redis.port, `HSET ${a.keys.shared('state')} later:1 0|{} bad:1 nonsense bad:2 0|{{{`)
    await ask(redis.port, `XADD ${a.keys.shared('news')} * x y`)
    await ask(redis.port, `XADD ${a.keys.shared('news')} * t record m {"kind":"later"} f z`)
    const { ledger, records, merged } = await ledgerOf(a)
    await merged
    await records.add([revoked('x')])
    await until(() => ledger.isRevoked({ id: 'x', tokenId: 'x' }))
    t.equal((await ask(redis.port, `HLEN ${a.keys.shared('state')}`)).includes(':4'), true)
  })

  await policies(t)
})

async function policies (t: Test): Promise<void> {
  t.test('share divides the rest among instances, and refuse answers 503', async (t) => {
    const redis = await redisServer(t)
    const instances = [await redisInstance(t, redis.url), await redisInstance(t, redis.url)]
    await until(() => instances.every(({ link }) => link.instances === 2))
    const [a, b] = instances.map(one => new RedisLimits({ ...one, whenDown: 'share' })) as [RedisLimits, RedisLimits]
    const refusing = new RedisLimits({ ...instances[0] as Instance, whenDown: 'refuse' })
    t.equal(await letIn(a, 4, 'half', 10), 4)
    await b.take([hit('half', 10, 0)])
    await redis.kill()
    t.equal(await letIn(a, 20, 'half', 10), 3)
    t.equal(await letIn(b, 20, 'half', 10), 3)
    t.equal(await letIn(a, 20, 'one', 1), 1, 'no caller is refused completely')
    await t.rejects(
      async () => {
        await refusing.take([hit('half', 10)])
      },
      { code: 'MCP_ERR_UNAVAILABLE', statusCode: 503 }
    )
  })
}
