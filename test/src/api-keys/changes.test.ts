/** Each change of the key records: create, import, rotate, revoke. */
import t from 'tap'
import { sha256 } from '../../../src/lib/sha256.js'
import {
  createKey,
  importKeys,
  KeyChangeError,
  type KeyOptions,
  revokeKey,
  rotateKey,
  setDisabled,
  statusOf
} from '../../../src/api-keys/changes.js'
import { formatKeyFile, parseKeyFile } from '../../../src/api-keys/record.js'
import type { KeyRecord } from '../../../src/api-keys/record.js'
import type { Verdict } from '../../../src/principal/presented.js'
import { keysFromAnywhere } from '../../../src/api-keys/ring.js'
import { keyIdOf, shapeOf } from '../../../src/api-keys/format.js'
import { newKey } from '../../support/keys.js'

const now = Date.parse('2026-01-01T00:00:00Z')
const hour = 3_600_000

function verifyOnce (records: readonly KeyRecord[], key: string): Verdict {
  return keysFromAnywhere(records).verify({ key, digest: sha256(key) }, '')
}

t.test('createKey with only a name: a user without scopes or expiry', async t => {
  const { result: { record, key }, records } = createKey([], { name: 'laptop' }, now)
  const digest = sha256(key)
  t.same(records, [record])
  t.same(record, {
    id: record.id,
    owner: `apikey:${record.id}`,
    name: 'laptop',
    role: 'user',
    scopes: [],
    createdAt: '2026-01-01T00:00:00.000Z',
    cidrs: [],
    disabled: false,
    secrets: [{ digest, createdAt: '2026-01-01T00:00:00.000Z' }]
  })
  t.equal(shapeOf(key), 'managed')
})

t.test('createKey removes repeated scopes and networks', async t => {
  const { record } = newKey(
    {
      owner: 'ada',
      role: 'admin',
      scopes: ['a', 'b', 'a'],
      lifetimeSeconds: 60,
      cidrs: ['10.0.0.0/8', '10.0.0.0/8'],
      rateLimitMax: 7
    },
    now
  )
  t.match(record, {
    owner: 'user:ada',
    role: 'admin',
    scopes: ['a', 'b'],
    expiresAt: '2026-01-01T00:01:00.000Z',
    cidrs: ['10.0.0.0/8'],
    rateLimitMax: 7
  })
})

t.test('createKey separates owners from tokens and keys', async t => {
  t.equal(newKey({ owner: 'jwt:ada' }).record.owner, 'user:jwt:ada')
  t.equal(newKey({ owner: 'apikey:000000000000' }).record.owner, 'user:apikey:000000000000')
  t.equal(newKey({ owner: 'user:ada' }).record.owner, 'user:ada')
})

t.test('created records can be parsed', async t => {
  const first = createKey([], { name: 'ä "quoted" \\ name', owner: 'Ada Lovelace', scopes: ['*'] })
  const second = rotateKey(first.records, first.result.record.id, 60)
  const third = importKeys(second.records, ['an-old-key-of-20-chars', 'another-key-that-is-old'], { name: 'old' })
  t.match(parseKeyFile(formatKeyFile(third.records)), { records: third.records })
})

const senseless: Array<[string, KeyOptions]> = [
  ['no name', { name: '' }],
  ['white space for a name', { name: ' \t' }],
  ['a name of two lines', { name: 'a\nb' }],
  ['a name of 257 characters', { name: 'a'.repeat(257) }],
  ['an empty owner', { name: 'a', owner: '' }],
  ['an owner with an escape', { name: 'a', owner: 'a\u001b' }],
  ['a scope with a space', { name: 'a', scopes: ['a b'] }],
  ['an empty scope', { name: 'a', scopes: [''] }],
  ['an invalid network', { name: 'a', cidrs: ['10.0.0.0/40'] }],
  ['a limit of zero', { name: 'a', rateLimitMax: 0 }],
  ['no number for a limit', { name: 'a', rateLimitMax: Number.NaN }]
]

for (const [what, options] of senseless) {
  t.test(`createKey refuses ${what}`, async t => {
    t.throws(() => createKey([], options), KeyChangeError)
  })
}

for (const [what, text] of [
  ['a key', newKey().key],
  ['a key in other text', `key ${newKey().key}`],
  ['a key that is cut off', newKey().key.slice(0, 40)],
  ['a token', 'eyJhbGciOiJIUzI1NiJ9.e30.c2ln']
] as const) {
  t.test(`createKey refuses ${what} as name and owner without repeating it`, async t => {
    const attempts = [
      { name: text },
      { name: 'a', owner: text },
      { name: 'a', owner: `user:${text}` }
    ].flatMap(options => [
      () => createKey([], options),
      () => importKeys([], ['an-old-key-of-20-chars'], options)
    ])
    for (const attempt of attempts) {
      t.throws(attempt, {
        name: 'KeyChangeError',
        message: /^(?!.*(mcp_|eyJ))A name or an owner contains a credential/
      })
    }
  })
}

t.test('importKeys refuses a key as its own name or owner', async t => {
  const key = 'an-old-key-of-20-chars'
  for (const options of [{ name: `my ${key}` }, { name: 'a', owner: key }]) {
    t.throws(() => importKeys([], [key], options), {
      name: 'KeyChangeError',
      message: /^A name or an owner contains/
    })
  }
})

t.test('rotateKey keeps the old secret for its grace period', async t => {
  const made = createKey([], { name: 'ci', owner: 'ada', scopes: ['a'] }, now)
  const { result: { record, key } } = rotateKey(made.records, made.result.record.id, 3600, now + hour)
  t.same({ ...record, secrets: [] }, { ...made.result.record, secrets: [] })
  t.not(key, made.result.key)
  t.same(record.secrets, [
    { digest: sha256(key), createdAt: new Date(now + hour).toISOString() },
    { ...made.result.record.secrets[0], endsAt: new Date(now + 2 * hour).toISOString() }
  ])
})

t.test('a second rotation can only shorten the first grace period', async t => {
  const made = createKey([], { name: 'ci' }, now)
  const { id } = made.result.record
  const ends = (graceSeconds: number): Array<string | undefined> =>
    rotateKey(
      rotateKey(made.records, id, 3600, now).records,
      id,
      graceSeconds,
      now + 60_000
    ).result.record.secrets.map(({ endsAt }) => endsAt)
  t.same(ends(0), [undefined, new Date(now + 60_000).toISOString(), new Date(now + 60_000).toISOString()])
  t.same(ends(86_400), [
    undefined,
    new Date(now + 60_000 + 24 * hour).toISOString(),
    new Date(now + hour).toISOString()
  ])
})

t.test('rotateKey keeps grace within the expiry, and refuses an expired key', async t => {
  const made = createKey([], { name: 'ci', lifetimeSeconds: 3600 }, now)
  const { id, expiresAt } = made.result.record
  t.equal(rotateKey(made.records, id, 86_400, now).result.record.secrets[1]?.endsAt, expiresAt)
  for (const records of [made.records, setDisabled(made.records, id, true).records]) {
    t.ok(rotateKey(records, id, 0, now + hour - 1))
    t.throws(() => rotateKey(records, id, 0, now + hour), { name: 'KeyChangeError', message: /has expired/ })
  }
})

t.test('rotateKey removes secrets whose grace period is over', async t => {
  const made = createKey([], { name: 'ci' }, now)
  const { id } = made.result.record
  let { records } = made
  for (let i = 0; i < 10; i++) records = rotateKey(records, id, 60, now + i * hour).records
  t.equal(records[0]?.secrets.length, 2)
})

t.test('revokeKey keeps the first time, and the key gets no other secret', async t => {
  const made = createKey([], { name: 'ci' }, now)
  const { id } = made.result.record
  const once = revokeKey(made.records, id, now)
  const twice = revokeKey(once.records, id, now + hour)
  t.equal(twice.result.revokedAt, '2026-01-01T00:00:00.000Z')
  t.throws(() => rotateKey(twice.records, id, 0), KeyChangeError)
  t.throws(() => setDisabled(twice.records, id, false), KeyChangeError)
})

t.test('a change affects no other key', async t => {
  const [a, b] = [newKey().record, newKey().record]
  const all = [a, b]
  for (const change of [
    revokeKey,
    (records: typeof all, id: string) => rotateKey(records, id, 0),
    (records: typeof all, id: string) => setDisabled(records, id, true)
  ]) {
    const { records } = change(all, a.id)
    t.equal(records[1], b)
    t.not(records[0], a)
  }
})

t.test('an unknown id is refused without being repeated', async t => {
  const all = [newKey().record]
  for (const change of [revokeKey, (records: typeof all, id: string) => rotateKey(records, id, 0)]) {
    t.throws(() => change(all, 'mcp_secret'), { name: 'KeyChangeError', message: /^(?!.*mcp_secret)/ })
  }
})

t.test('statusOf returns the state of a key', async t => {
  const { record } = newKey({ lifetimeSeconds: 3600 }, now)
  t.equal(statusOf(record, now), 'active')
  t.equal(statusOf(record, now + hour), 'expired')
  t.equal(statusOf({ ...record, disabled: true }, now), 'disabled')
  t.equal(statusOf({ ...record, disabled: true, revokedAt: record.createdAt }, now + hour), 'revoked')
})

t.test('importKeys keeps the ids of API_KEYS', async t => {
  const { result } = importKeys([], ['an-old-key-of-20-chars', 'another-key-that-is-old'], { name: 'old' }, now)
  t.same(
    result.map(({ id, owner, name }) => [id, owner, name]),
    ['an-old-key-of-20-chars', 'another-key-that-is-old'].map((key, index) => {
      const id = sha256(key).slice(0, 12)
      return [id, `apikey:${id}`, `old ${index + 1}`]
    })
  )
})

t.test(
  'importKeys keeps the API_KEYS id of a managed key',
  async t => {
    const { key } = newKey()
    const id = sha256(key).slice(0, 12)
    const { records, result } = importKeys([], [key], { name: 'moved' })
    t.match(result, [{ id, owner: `apikey:${id}` }])
    t.match(verifyOnce(records, key), { principal: { id: `apikey:${id}`, keyId: id } })
    const rotated = rotateKey(records, id, 60)
    t.equal(keyIdOf(rotated.result.key), id)
    for (const good of [key, rotated.result.key]) {
      t.match(verifyOnce(rotated.records, good), { principal: { keyId: id } })
    }
  }
)

t.test('importKeys refuses a former secret of an existing key', async t => {
  const { key, record } = newKey()
  const replaced = {
    ...record,
    secrets: [{ ...record.secrets[0], digest: sha256('another'), createdAt: record.createdAt }]
  }
  t.throws(() => importKeys([replaced], [key], { name: 'old' }), {
    name: 'KeyChangeError',
    message: /already in the file/
  })
})

const there = newKey()
const unimportable: Array<[string, string[]]> = [
  ['nothing', []],
  ['a short key', ['fifteen-letters']],
  ['a key beyond ASCII', ['ein-schl\u00fcssel-von-fr\u00fcher']],
  ['a mistyped key', [`${newKey().key}x`]],
  ['a placeholder', ['change-me-api-key']],
  ['a placeholder of a template', ['<put-your-key-here>']],
  ['a key twice', ['an-old-key-of-20-chars', 'an-old-key-of-20-chars']],
  ['a key that is there', [there.key]]
]

for (const [what, keys] of unimportable) {
  t.test(`importKeys refuses ${what} without repeating it`, async t => {
    t.throws(() => importKeys([there.record], keys, { name: 'old' }), {
      name: 'KeyChangeError',
      message: /^(?!.*(old-key|fifteen|mcp_|change-me|put-your))/
    })
  })
}
