/** Verifies managed keys: their principals, and how long they are valid. */
import t from 'tap'
import { sha256 } from '../../../src/lib/sha256.js'
import { createKeyJudge } from '../../../src/api-keys/listed-keys.js'
import { isVerified, type Verdict } from '../../../src/principal/presented.js'
import { importKeys, type KeyOptions, revokeKey, rotateKey, setDisabled } from '../../../src/api-keys/changes.js'
import type { KeyRecord } from '../../../src/api-keys/record.js'
import { ManagedKeys } from '../../../src/api-keys/ring.js'
import type { Principal } from '../../../src/principal/principal.js'
import { newKey } from '../../support/keys.js'

const here = '192.0.2.1'
const minute = 60_000

function verify (ring: ManagedKeys, key: string, address = here): Verdict {
  return ring.verify({ key, digest: sha256(key) }, address)
}

function principalOf (verdict: Verdict): Principal {
  if (!isVerified(verdict)) throw new Error(verdict.reason)
  return verdict.principal
}

/** Returns a ring with one key, and a function that verifies the key. */
function ringWith (
  options: Partial<KeyOptions> = {},
  change = (record: KeyRecord): KeyRecord => record
): { ring: ManagedKeys; key: string; record: KeyRecord } {
  const { record, key } = newKey(options)
  const changed = change(record)
  return { ring: new ManagedKeys([changed]), key, record: changed }
}

t.test('a key proves its owner with role and scopes', async t => {
  const { ring, key, record } = ringWith({ owner: 'ada', role: 'admin', scopes: ['files:*'], lifetimeSeconds: 60 })
  t.same(verify(ring, key), {
    principal: {
      id: 'user:ada',
      role: 'admin',
      scopes: ['files:*'],
      method: 'api-key',
      attributes: {},
      keyId: record.id,
      issuedAt: Date.parse(record.createdAt),
      expiresAt: Date.parse(record.expiresAt ?? '')
    }
  })
})

t.test('a key without an owner is its own principal, with its own limit', async t => {
  const { ring, key, record } = ringWith({ rateLimitMax: 5 })
  t.match(verify(ring, key), { principal: { id: `apikey:${record.id}`, role: 'user', scopes: [] }, rateLimitMax: 5 })
})

t.test('the principal is frozen', async t => {
  const { ring, key } = ringWith({ scopes: ['a'] })
  const principal = principalOf(verify(ring, key))
  t.throws(() => Object.assign(principal, { role: 'admin' }), TypeError)
  t.throws(() => Object.assign(principal.scopes, ['*']), TypeError)
})

const past = new Date(Date.now() - 1000).toISOString()
const refused: Array<[string, Partial<KeyOptions>, (record: KeyRecord) => KeyRecord, RegExp]> = [
  ['revoked', {}, record => revokeKey([record], record.id).result, /revoked/],
  ['disabled', {}, record => setDisabled([record], record.id, true).result, /disabled/],
  ['expired', {}, record => ({ ...record, expiresAt: past }), /expired/],
  ['replaced without grace', {}, record => rotateKey([record], record.id, 0).result.record, /replaced/],
  ['for another network', { cidrs: ['10.0.0.0/8'] }, record => record, /network/],
  [
    'revoked, and for another network',
    { cidrs: ['10.0.0.0/8'] },
    record => revokeKey([record], record.id).result,
    /revoked/
  ]
]

for (const [what, options, change, reason] of refused) {
  t.test(`a key that is ${what} is refused with its reason for the log`, async t => {
    const { ring, key } = ringWith(options, change)
    const verdict = verify(ring, key)
    t.notOk(isVerified(verdict))
    t.match('reason' in verdict && verdict.reason, reason)
  })
}

t.test('other texts are refused', async t => {
  const { ring, key } = ringWith()
  const other = newKey().key
  for (const text of [
    other,
    key.slice(0, -1),
    `${key} `,
    key.toLowerCase(),
    sha256(key),
    '',
    'constructor',
    '__proto__'
  ]) {
    t.notOk(isVerified(verify(ring, text)), text)
  }
  t.ok(isVerified(verify(ring, key)))
})

t.test("a key with another key's id is refused", async t => {
  const { ring, record } = ringWith()
  const { result: { key } } = rotateKey([record], record.id, 0)
  t.notOk(isVerified(verify(ring, key)))
})

t.test('both secrets are valid during the grace period, then only the new one', async t => {
  const { record, key: old } = newKey()
  const { result } = rotateKey([record], record.id, 60)
  const ring = new ManagedKeys([result.record])
  const end = Date.parse(result.record.secrets[1]?.endsAt ?? '')
  t.equal(principalOf(verify(ring, old)).expiresAt, end)
  t.equal(principalOf(verify(ring, result.key)).expiresAt, undefined)
  t.intercept(Date, 'now', { value: () => end })
  t.notOk(isVerified(verify(ring, old)))
  t.ok(isVerified(verify(ring, result.key)))
})

t.test('a key expires on the millisecond', async t => {
  const { ring, key, record } = ringWith({ lifetimeSeconds: 60 })
  const end = Date.parse(record.expiresAt ?? '')
  let now = end - 1
  t.intercept(Date, 'now', { value: () => now })
  t.ok(isVerified(verify(ring, key)))
  now = end
  t.notOk(isVerified(verify(ring, key)))
})

t.test('replacing the records removes all previous keys', async t => {
  const { ring, key } = ringWith()
  const next = newKey()
  ring.replace([next.record])
  t.notOk(isVerified(verify(ring, key)))
  t.ok(isVerified(verify(ring, next.key)))
})

t.test('an unchanged record keeps its principal valid', async t => {
  const { ring, key, record } = ringWith()
  const principal = principalOf(verify(ring, key))
  ring.replace([newKey().record, record])
  t.equal(principalOf(verify(ring, key)), principal)
  ring.replace([])
  t.notOk(ring.stillGood(principal))
  ring.replace([record])
  t.ok(ring.stillGood(principal))
})

t.test('stillGood is true until the key changes', async t => {
  const { record, key } = newKey({ owner: 'ada', scopes: ['a', 'b'] })
  const changes: Array<[string, KeyRecord[], boolean]> = [
    ['nothing', [record], true],
    ['another name', [{ ...record, name: 'new' }], true],
    ['another secret, in grace', [rotateKey([record], record.id, 60).result.record], true],
    ['another secret, without grace', [rotateKey([record], record.id, 0).result.record], false],
    ['revoked', [revokeKey([record], record.id).result], false],
    ['disabled', [{ ...record, disabled: true }], false],
    ['expired', [{ ...record, expiresAt: past }], false],
    ['removed from the file', [], false],
    ['another owner', [{ ...record, owner: 'user:bob' }], false],
    ['another role', [{ ...record, role: 'admin' }], false],
    ['fewer scopes', [{ ...record, scopes: ['a'] }], false],
    ['one other scope', [{ ...record, scopes: ['a', 'c'] }], false],
    ['another network', [{ ...record, cidrs: ['10.0.0.0/8'] }], false]
  ]
  for (const [what, records, good] of changes) {
    const ring = new ManagedKeys([record])
    const principal = principalOf(verify(ring, key))
    ring.replace(records)
    t.equal(ring.stillGood(principal, here), good, what)
  }
})

t.test('stillGood without an address ignores networks and other principals', async t => {
  const { ring, key } = ringWith({ cidrs: ['192.0.2.0/24'] })
  const principal = principalOf(verify(ring, key))
  t.ok(ring.stillGood(principal))
  t.notOk(ring.stillGood(principal, '10.0.0.1'))
  for (const other of [{ id: 'jwt:ada', tokenId: 'j' }, { id: 'crm:7', keyId: principal.keyId ?? '' }]) {
    t.ok(
      ring.stillGood({ ...other, role: 'user', scopes: [], method: 'api-key', attributes: {} }, '10.0.0.1'),
      other.id
    )
  }
})

t.test('a copy of a principal ends with its key, secret and rights', async t => {
  const now = Date.now()
  const { record, key } = newKey({ owner: 'ada', scopes: ['a'] }, now - minute)
  const ring = new ManagedKeys([record])
  const copy = { ...principalOf(verify(ring, key)), tenant: 'acme' }
  const changes: Array<[string, KeyRecord[], boolean]> = [
    ['nothing', [record], true],
    ['rotated with grace', [rotateKey([record], record.id, 60).result.record], true],
    ['rotated without grace', [rotateKey([record], record.id, 0).result.record], false],
    ['revoked', [revokeKey([record], record.id).result], false],
    ['disabled', [{ ...record, disabled: true }], false],
    ['removed from the file', [], false],
    ['another role', [{ ...record, role: 'admin' }], false],
    ['other metadata', [{ ...record, metadata: { tenant: 'other' } }], false],
    ['another network', [{ ...record, cidrs: ['10.0.0.0/8'] }], false]
  ]
  for (const [what, records, good] of changes) {
    ring.replace(records)
    t.equal(ring.stillGood(copy, here), good, what)
    t.equal(ring.stillGood(structuredClone(copy), here), good, `${what}, with a clone`)
  }
})

t.test("a copy of a listed key's principal ends with the listed secret", async t => {
  const key = 'an-old-key-of-20-chars'
  const { result: [record] } = importKeys([], [key], { name: 'old' }, Date.now() - minute)
  if (record === undefined) return t.fail('nothing was imported')
  const ring = new ManagedKeys([])
  const copy = {
    ...principalOf(
      createKeyJudge([key], ring)?.({ digest: sha256(key), key, address: here }) ?? { reason: 'none' }
    )
  }
  for (const [what, records, good] of [
    ['not imported', [], true],
    ['imported', [record], true],
    ['imported and rotated', [rotateKey([record], record.id, 0).result.record], false],
    ['revoked', [revokeKey([record], record.id).result], false]
  ] as Array<[string, KeyRecord[], boolean]>) {
    ring.replace(records)
    t.equal(ring.stillGood(copy, here), good, what)
  }
})

t.test('a refused key is named for the log, an unknown one is not', async t => {
  const { ring, key, record } = ringWith({ owner: 'ada' }, record => revokeKey([record], record.id).result)
  t.match(verify(ring, key), { about: { subject: 'user:ada', keyId: record.id } })
  t.notOk('about' in verify(ring, newKey().key))
})

t.test('keyIdOf returns the id for principals of the ring only', async t => {
  const { ring, key, record } = ringWith()
  const principal = principalOf(verify(ring, key))
  t.equal(ring.keyIdOf(principal), record.id)
  t.equal(ring.keyIdOf({ ...principal }), undefined)
})

t.test('nextEnd is the first expiry of a key or secret', async t => {
  const now = Date.now()
  const soon = newKey({ lifetimeSeconds: 300 }, now).record
  const rotated = newKey({}, now).record
  const ring = new ManagedKeys([newKey().record, soon, rotateKey([rotated], rotated.id, 60, now).result.record])
  t.equal(ring.nextEnd(), now + minute)
  t.intercept(Date, 'now', { value: () => now + minute })
  t.equal(ring.nextEnd(), now + 5 * minute)
  ring.replace([newKey().record])
  t.equal(ring.nextEnd(), Infinity)
})

t.test('the ring decides about a key that is also listed', async t => {
  const key = 'an-old-key-of-20-chars'
  const { result: [record] } = importKeys([], [key], { name: 'old', owner: 'ada' })
  if (record === undefined) return t.fail('nothing was imported')
  const judge = createKeyJudge([key, 'another-key-in-the-list'], new ManagedKeys([record]))
  t.match(judge?.({ digest: sha256(key), key, address: here }), { principal: { id: 'user:ada' } })
  const revoked = createKeyJudge([key], new ManagedKeys([revokeKey([record], record.id).result]))
  t.match(revoked?.({ digest: sha256(key), key, address: here }), { reason: /revoked/ })
})

t.test("a listed key's principal stays valid until the ring says otherwise", async t => {
  const key = 'an-old-key-of-20-chars'
  const { result: [record] } = importKeys([], [key], { name: 'old' })
  if (record === undefined) return t.fail('nothing was imported')
  const changes: Array<[string, KeyRecord[], boolean]> = [
    ['not in the ring', [newKey().record], true],
    ['imported', [record], true],
    ['revoked', [revokeKey([record], record.id).result], false],
    ['disabled', [{ ...record, disabled: true }], false],
    ['another owner', [{ ...record, owner: 'user:bob' }], false],
    ['another network', [{ ...record, cidrs: ['10.0.0.0/8'] }], false]
  ]
  for (const [what, records, good] of changes) {
    const ring = new ManagedKeys([])
    const verdict = createKeyJudge([key], ring)?.({ digest: sha256(key), key, address: here }) ?? { reason: 'none' }
    ring.replace(records)
    t.equal(ring.stillGood(principalOf(verdict), here), good, what)
    t.equal(ring.keyIdOf(principalOf(verdict)), undefined, 'the ring notes no use')
  }
})

t.test('a listed key works with a ring, even if it looks mistyped', async t => {
  for (const key of ['a-key-in-the-list', 'mcp_abcdefghijkl_of-another-kind']) {
    const judge = createKeyJudge([key], new ManagedKeys([newKey().record]))
    t.match(judge?.({ digest: sha256(key), key, address: here }), { principal: { method: 'api-key', role: 'user' } })
  }
})

t.test('without list and ring there is no judge', async t => {
  t.equal(createKeyJudge([], undefined), undefined)
})
