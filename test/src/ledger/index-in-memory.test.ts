/** Which credentials a revocation covers, and how long it is kept. */
import t from 'tap'
import { LedgerIndex } from '../../../src/ledger/index-in-memory.js'
import { commandLine as by, type Revocation } from '../../../src/ledger/records.js'
import { mintedRecord } from '../../support/state.js'

const second = 1_700_000_000_000
const token: Revocation = { kind: 'token-revoked', id: 't1', until: second, at: 0, by }
const key: Revocation = { kind: 'key-revoked', id: 'k1', at: 0, by }
const subject: Revocation = { kind: 'subject-revoked', id: 'jwt:ada', before: second + 500, at: 0, by }

for (const [what, credential, isRevoked] of [
  ['the token', { id: 'jwt:ada', tokenId: 't1', issuedAt: second }, true],
  ['the token of any caller', { id: 'oauth:eve', tokenId: 't1' }, true],
  ['another token', { id: 'jwt:bob', tokenId: 't2', issuedAt: second }, false],
  ['a key with the id of the token', { id: 'apikey:t1', keyId: 't1' }, false],
  ['the key', { id: 'user:ada', keyId: 'k1' }, true],
  ['a token with the id of the key', { id: 'jwt:bob', tokenId: 'k1', issuedAt: second }, false],
  ['a subject with the id of the key', { id: 'jwt:k1', issuedAt: 0 }, false],
  ['the subject, issued before', { id: 'jwt:ada', tokenId: 't3', issuedAt: second - 1000 }, true],
  ['the subject, issued in the same second', { id: 'jwt:ada', tokenId: 't3', issuedAt: second }, true],
  [
    'the subject, issued in the same second, but minted after',
    { id: 'jwt:ada', tokenId: 'late', issuedAt: second },
    false
  ],
  [
    'the subject, minted before in the same second',
    { id: 'jwt:ada', tokenId: 'early', issuedAt: second },
    true
  ],
  [
    'the subject, issued before, with the id of one minted after',
    { id: 'jwt:ada', tokenId: 'late', issuedAt: second - 1000 },
    true
  ],
  ['the subject, issued after', { id: 'jwt:ada', issuedAt: second + 1000 }, false],
  ['the subject, issued at an unknown time', { id: 'jwt:ada' }, true],
  ['the same subject of another issuer', { id: 'oauth:ada', issuedAt: 0 }, false],
  ['a name with the subject in it', { id: 'jwt:jwt:ada', issuedAt: 0 }, false],
  [
    'a name of a prototype',
    { id: '__proto__', tokenId: 'constructor', keyId: 'toString', issuedAt: 0 },
    false
  ]
] as const) {
  t.test(`${what} is ${isRevoked ? '' : 'not '}revoked`, async t => {
    const ledger = new LedgerIndex()
    for (const record of [
      token,
      key,
      subject,
      mintedRecord({ id: 'late', at: second + 501 }),
      mintedRecord({ id: 'early', at: second + 500 })
    ]) { ledger.apply(record) }
    t.equal(ledger.isRevoked(credential), isRevoked)
  })
}

t.test(
  'with a clock tolerance, records decide about tokens minted here',
  async t => {
    const ledger = new LedgerIndex(30_000)
    for (const record of [subject, mintedRecord({ id: 'late', at: second + 5000 })]) ledger.apply(record)
    t.ok(ledger.isRevoked({ id: 'jwt:ada', issuedAt: second + 30_000 }))
    t.notOk(ledger.isRevoked({ id: 'jwt:ada', issuedAt: second + 31_000 }))
    t.notOk(ledger.isRevoked({ id: 'jwt:ada', tokenId: 'late', issuedAt: second + 5000 }))
  }
)

t.test(
  'with a clock tolerance, a key created after the revocation is valid',
  async t => {
    const ledger = new LedgerIndex(30_000)
    ledger.apply({ ...subject, id: 'user:ada' })
    t.notOk(ledger.isRevoked({ id: 'user:ada', keyId: 'k2', issuedAt: second + 501 }))
    t.ok(ledger.isRevoked({ id: 'user:ada', keyId: 'k2', issuedAt: second + 500 }))
  }
)

t.test('an earlier revocation of the same subject changes nothing', async t => {
  const ledger = new LedgerIndex()
  ledger.apply(subject)
  t.notOk(ledger.apply({ ...subject, before: 0 }))
  t.ok(ledger.isRevoked({ id: 'jwt:ada', issuedAt: second }))
})

t.test('a revocation without an end is not replaced by one with an end', async t => {
  const ledger = new LedgerIndex()
  ledger.apply({ ...token, until: null })
  t.notOk(ledger.apply(token))
  ledger.sweep(Infinity)
  t.ok(ledger.isRevoked({ id: 'jwt:ada', tokenId: 't1' }))
})

const month = 30 * 86_400_000

t.test('expired tokens are dropped after an hour, revocations after a month', async t => {
  const ledger = new LedgerIndex()
  ledger.apply(token)
  ledger.apply(mintedRecord({ id: 't1', expiresAt: second, at: second + month }))
  ledger.sweep(second + 3_599_999)
  t.equal(ledger.size, 2)
  ledger.sweep(second + 3_600_000)
  t.same([...ledger.live(0)], [token])
  ledger.sweep(second + month - 1)
  t.ok(ledger.isRevoked({ id: 'jwt:ada', tokenId: 't1' }))
  ledger.sweep(second + month)
  t.equal(ledger.size, 0)
})

t.test('a wrong clock alone does not drop a revocation', async t => {
  const ledger = new LedgerIndex()
  ledger.apply({ ...token, at: second - 1000 })
  ledger.sweep(second + 100 * month)
  t.ok(ledger.isRevoked({ id: 'jwt:ada', tokenId: 't1' }))
  ledger.apply({ ...key, at: second + month })
  ledger.sweep(second + 100 * month)
  t.notOk(ledger.isRevoked({ id: 'jwt:ada', tokenId: 't1' }))
})

t.test('a clock that is set ahead drops nothing', async t => {
  const ledger = new LedgerIndex()
  const before = Date.now()
  let now = before + month
  t.intercept(Date, 'now', { value: () => now })
  t.ok(ledger.nowMs < before + 60_000)
  now = before - month
  t.equal(ledger.nowMs, now)
})

t.test('revocations of keys and subjects are kept', async t => {
  const ledger = new LedgerIndex()
  ledger.apply(key)
  ledger.apply(subject)
  ledger.sweep(Number.MAX_SAFE_INTEGER)
  t.equal(ledger.size, 2)
})

t.test('the ancestors of a valid token stay on record', async t => {
  const ledger = new LedgerIndex()
  ledger.apply(mintedRecord({ id: 'gone', expiresAt: 1 }))
  ledger.apply(mintedRecord({ id: 'first', expiresAt: 1 }))
  ledger.apply(mintedRecord({ id: 'middle', expiresAt: 1, by: { principal: 'jwt:x', tokenId: 'first' } }))
  ledger.apply(mintedRecord({ id: 'last', expiresAt: second, by: { principal: 'jwt:x', tokenId: 'middle' } }))
  ledger.sweep(second - 1)
  t.same([...ledger.minted.keys()], ['first', 'middle', 'last'])
})
