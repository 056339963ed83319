/**
 * Tests that every store of created and revoked tokens must pass. `open` returns a function that opens
 * another server on the same store.
 */
import type { Test } from 'tap'
import type { Ledger } from '../../../src/ledger/ledger.js'
import { commandLine, readRecord } from '../../../src/ledger/records.js'
import { mintedRecord } from '../state.js'
import { until } from '../until.js'

export type OpenServers = (t: Test) => Promise<() => Promise<Ledger>>

const withToken = (tokenId: string) => ({ id: 'jwt:ada', tokenId, issuedAt: Date.now() })

export async function sharedRecordsContract (t: Test, open: OpenServers): Promise<void> {
  t.test('a created token is listed unchanged on another server', async t => {
    const next = await open(t)
    const [a, b] = [await next(), await next()]
    const minted = mintedRecord({ subject: 'Ада 愛\n"{}', scopes: ['files:read'] })
    t.ok(await a.mint(minted))
    await until(() => b.find(minted.id))
    t.same(b.list()?.tokens, [minted])
    t.same(readRecord(JSON.parse(JSON.stringify(minted))), b.find(minted.id))
  })

  t.test('each kind of revocation takes effect on another server and is announced there', async t => {
    const next = await open(t)
    const [a, b] = [await next(), await next()]
    let told = 0
    b.onChange(() => { told += 1 })
    const now = Date.now()
    await a.revokeToken('t', commandLine)
    await a.revokeKey('k', commandLine)
    await a.revokeSubject('jwt:bob', now, commandLine)
    await until(() => b.isRevoked(withToken('t')))
    await until(() => b.isRevoked({ id: 'user:ops', keyId: 'k' }))
    await until(() => b.isRevoked({ id: 'jwt:bob', issuedAt: now - 5000 }))
    await until(() => told > 0)
    t.notOk(b.isRevoked(withToken('other')))
    t.notOk(b.isRevoked({ id: 'jwt:bob', issuedAt: now + 60_000 }))
  })

  t.test('a server that opens later knows all records', async t => {
    const next = await open(t)
    const a = await next()
    const minted = mintedRecord()
    await a.mint(minted)
    await a.revokeToken(minted.id, commandLine)
    await a.switch('frozen', 'tool:search', commandLine)
    const late = await next()
    await late.merged()
    t.same(late.list()?.tokens, [minted])
    t.ok(late.isRevoked(withToken(minted.id)))
    t.same(late.frozen(), ['tool:search'])
  })

  t.test('a credential revoked on another server cannot create a token', async t => {
    const next = await open(t)
    const [a, b] = [await next(), await next()]
    await a.revokeToken('minter', commandLine)
    t.equal(await b.mint(mintedRecord(), withToken('minter')), false)
    t.same(b.list()?.tokens, [])
  })

  t.test('revoking a token revokes the tokens another server created with it', async t => {
    const next = await open(t)
    const [a, b] = [await next(), await next()]
    await a.mint(mintedRecord({ id: 'child', by: { principal: 'jwt:x', tokenId: 'root' } }))
    await b.mint(mintedRecord({ id: 'grandchild', by: { principal: 'jwt:x', tokenId: 'child' } }))
    const revoked = await a.revokeToken('root', commandLine, true)
    t.same(new Set(revoked), new Set(['root', 'child', 'grandchild']))
    await until(() => revoked.every(id => b.isRevoked(withToken(id))))
  })

  t.test('the later of freeze and thaw counts on every server', async t => {
    const next = await open(t)
    const [a, b] = [await next(), await next()]
    await a.switch('frozen', 'all', commandLine)
    await until(() => b.frozen().length === 1)
    t.equal(b.frozenFor({ id: 'jwt:ada' }), 'all')
    await b.switch('thawed', 'all', commandLine)
    await until(() => a.frozen().length === 0)
    t.equal(a.frozenFor({ id: 'jwt:ada' }), undefined)
  })

  t.test('an unlocked address is announced on another server', async t => {
    const next = await open(t)
    const [a, b] = [await next(), await next()]
    const heard: string[] = []
    b.onUnlock(address => { heard.push(address) })
    await a.unlockAddress('192.0.2.1', commandLine)
    await until(() => heard.length > 0)
    t.same(heard, ['192.0.2.1'])
  })

  t.test('tokens created concurrently on two servers are all recorded', async t => {
    const next = await open(t)
    const states = [await next(), await next()] as const
    const all = Array.from({ length: 200 }, () => mintedRecord())
    await Promise.all(all.map(async (minted, index) => await states[index % 2 === 0 ? 0 : 1].mint(minted)))
    const late = await next()
    await late.merged()
    t.same(late.list({ limit: 1000 })?.tokens.map(({ id }) => id).sort(), all.map(({ id }) => id).sort())
  })
}
