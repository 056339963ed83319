/** Records that expired long ago are removed from Redis. Records that still have an effect stay. */
import t from 'tap'
import { LedgerIndex } from '../../../src/ledger/index-in-memory.js'
import type { Minted, LedgerRecord } from '../../../src/ledger/records.js'
import { Ledger } from '../../../src/ledger/ledger.js'
import { RedisRecords } from '../../../src/redis/records.js'
import { ask, redisServer, withoutRedis } from '../../support/redis.js'
import { redisInstance } from '../../support/redis-instance.js'
import { until } from '../../support/until.js'

const day = 24 * 60 * 60_000

function minted (id: string, expiresAt: number, tokenId?: string): Minted {
  const by = { principal: 'cli', ...(tokenId === undefined ? {} : { tokenId }) }
  return { kind: 'minted', id, subject: 'ada', role: 'user', scopes: [], at: expiresAt - 1000, expiresAt, by }
}

t.test('records in Redis', { skip: withoutRedis }, async t => {
  const { url, port } = await redisServer(t)
  const follow = async (prefix: string) => {
    const instance = await redisInstance(t, url, { prefix })
    const ledger = new LedgerIndex()
    const records = new RedisRecords(instance)
    t.teardown(() => { records.close() })
    await records.follow(record => { ledger.apply(record) }, () => ledger.live(Date.now()))
    return { ...instance, ledger, records }
  }

  t.test('sweep removes only what expired long ago', async t => {
    const { keys, records } = await follow('swept:')
    const now = Date.now()
    const by = { principal: 'cli' }
    await records.add([
      minted('old', now - 2 * day),
      minted('root', now - 2 * day),
      minted('of root', now + day, 'root'),
      minted('expired today', now - day / 2),
      { kind: 'token-revoked', id: 'old', until: now - 40 * day, at: 1, by },
      { kind: 'token-revoked', id: 'this month', until: now - 2 * day, at: 1, by },
      { kind: 'token-revoked', id: 'good', until: now + day, at: 1, by },
      { kind: 'token-revoked', id: 'for ever', until: null, at: 1, by },
      { kind: 'key-revoked', id: 'key', at: 1, by },
      { kind: 'subject-revoked', id: 'jwt:ada', before: 1, at: 1, by },
      { kind: 'frozen', id: 'all', at: 1, by }
    ])
    await ask(port, `HSET ${keys.shared('state')} later:1 '0|{"kind":"later"}' bad:1 nonsense`)
    await records.merge()
    await records.sweep()
    const names = (await ask(port, `HKEYS ${keys.shared('state')}`)).split('\r\n').filter(line => line.includes(':'))
    t.same(names.sort(), [
      'bad:1', 'frozen:all', 'key-revoked:key', 'later:1', 'minted:expired today', 'minted:of root', 'minted:root',
      'subject-revoked:jwt:ada', 'token-revoked:for ever', 'token-revoked:good', 'token-revoked:this month'
    ])
  })

  t.test('merging records in any order revokes a whole chain and lists in order', async t => {
    const { records } = await follow('chain:')
    const ids = Array.from({ length: 12 }, (_, n) => `token ${n}`)
    const end = Date.now() + day
    await records.add(ids.map((id, n) => minted(id, end + n, n === 0 ? undefined : `token ${n - 1}`)).reverse())
    const instance = await redisInstance(t, url, { prefix: 'chain:' })
    const share = new RedisRecords(instance)
    t.teardown(() => { share.close() })
    const state = await Ledger.open({ share })
    t.teardown(async () => { await state.close() })
    await state.merged()
    t.same(state.list()?.tokens.map(({ id }) => id), ids)
    t.same(new Set(await state.revokeToken('token 0', { principal: 'cli' }, true)), new Set(ids))
    const last = { id: 'jwt:ada', tokenId: 'token 11', issuedAt: 1 }
    t.equal(await state.mint(minted('new', end), last), false)
  })

  t.test('an emptied Redis is filled again over open connections', async t => {
    const [a, b] = [await follow('flushed:'), await follow('flushed:')]
    const by = { principal: 'cli' }
    for (const [n, one] of [a, b].entries()) {
      const record: LedgerRecord = { kind: 'key-revoked', id: `key ${n}`, at: 1, by }
      one.ledger.apply(record)
      await one.records.add([record])
    }
    await ask(port, 'FLUSHALL')
    await until(async () => (await ask(port, `HLEN ${a.keys.shared('state')}`)).startsWith(':2'))
    const late = await follow('flushed:')
    t.ok(['key 0', 'key 1'].every(keyId => late.ledger.isRevoked({ id: 'x', keyId })))
  })
})
