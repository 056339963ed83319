/** The ledger stores, lists, shares and revokes records. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { commandLine } from '../../../src/ledger/records.js'
import { Ledger } from '../../../src/ledger/ledger.js'
import { sharedRecordsContract } from '../../support/contracts/shared-records.js'
import { mintedRecord, openState, statePath } from '../../support/state.js'

const withToken = (tokenId: string) => ({ id: 'jwt:ada', tokenId, issuedAt: Date.now() })

t.test('a directory that servers share', async t => {
  await sharedRecordsContract(t, async t => {
    const directory = await statePath(t)
    return async () => await openState(t, { directory })
  })
})

t.test('without a directory the state is in memory', async t => {
  const state = await openState(t)
  const minted = mintedRecord()
  t.ok(await state.mint(minted))
  await state.revokeToken(minted.id, commandLine)
  t.same(state.list()?.tokens, [minted])
  t.ok(state.isRevoked(withToken(minted.id)))
  t.same(state.problems(), [])
})

t.test('acknowledged records survive a restart', async t => {
  const directory = await statePath(t)
  const minted = mintedRecord({ subject: 'Ада 愛\n', scopes: ['files:read'] })
  const first = await Ledger.open({ directory })
  await first.mint(minted)
  await first.revokeToken(minted.id, commandLine)
  await first.revokeKey('k1', commandLine)
  await first.revokeSubject('jwt:bob', Date.now(), commandLine)
  await first.close()
  const second = await openState(t, { directory })
  t.same(second.list()?.tokens, [minted])
  t.ok(second.isRevoked(withToken(minted.id)))
  t.ok(second.isRevoked({ id: 'x', keyId: 'k1' }))
  t.ok(second.isRevoked({ id: 'jwt:bob', issuedAt: Date.now() - 5000 }))
})

t.test('revokeToken with withMinted revokes all descendants', async t => {
  const state = await openState(t)
  const by = (tokenId: string) => ({ principal: 'jwt:x', tokenId })
  for (const [id, minter] of [
    ['child', 'root'],
    ['grandchild', 'child'],
    ['other', 'elsewhere']
  ] as const) { await state.mint(mintedRecord({ id, by: by(minter) })) }
  t.same(await state.revokeToken('root', commandLine, true), ['root', 'child', 'grandchild'])
  t.notOk(state.isRevoked(withToken('other')))
})

t.test('revokeSubject and revokeKey with withMinted revoke minted tokens', async t => {
  const state = await openState(t)
  await state.mint(mintedRecord({ id: 'a', subject: 'bob', by: { principal: 'jwt:root', tokenId: 'r' } }))
  await state.mint(mintedRecord({ id: 'b', subject: 'bob', by: { principal: 'user:ops', keyId: 'k' } }))
  t.same(await state.revokeSubject('jwt:root', Date.now(), commandLine, true), ['a'])
  t.same(await state.revokeKey('k', commandLine, true), ['b'])
})

t.test('list returns pages and filters by subject', async t => {
  const state = await openState(t)
  for (const id of ['1', '2', '3', '4', '5']) {
    await state.mint(mintedRecord({ id, subject: id === '4' ? 'bob' : 'ada' }))
  }
  const ids = (page: ReturnType<Ledger['list']>): string[] | undefined => page?.tokens.map(({ id }) => id)
  t.same(ids(state.list({ limit: 2 })), ['1', '2'])
  t.same(ids(state.list({ limit: 2, after: '2', subject: 'ada' })), ['3', '5'])
  t.equal(state.list({ limit: 2, after: '3' })?.next, undefined)
  t.same(ids(state.list({ subject: 'bob' })), ['4'])
  t.equal(state.list({ after: 'unknown' }), undefined)
})

t.test('list omits expired tokens', async t => {
  const state = await openState(t)
  await state.mint(mintedRecord({ expiresAt: Date.now() - 1 }))
  t.same(state.list()?.tokens, [])
})

t.test('a closed state refuses writes and calls no listeners', async t => {
  const directory = await statePath(t)
  const state = await Ledger.open({ directory, pollMs: 5 })
  state.onChange(() => t.fail('told'))
  await state.close()
  const other = await openState(t, { directory })
  await other.revokeKey('k', commandLine)
  await sleep(50)
  t.notOk(state.isRevoked({ id: 'x', keyId: 'k' }))
})
