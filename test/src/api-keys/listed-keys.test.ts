/** Keys listed in API_KEYS, and their principals. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { createKeyVerifier } from '../../../src/api-keys/listed-keys.js'

const digest = (key: string): string => createHash('sha256').update(key).digest('hex')

t.test("a listed key's principal is named after its digest", async (t) => {
  const verify = createKeyVerifier(['first-key', 'second-key'])
  const keyId = digest('second-key').slice(0, 12)
  t.same(verify(digest('second-key')), {
    principal: { id: `apikey:${keyId}`, role: 'user', scopes: [], method: 'api-key', keyId, attributes: {} }
  })
})

t.test('each key has its own principal', async (t) => {
  const keys = Array.from({ length: 50 }, (_, i) => `key-${i}`)
  const verify = createKeyVerifier(keys)
  const verdicts = keys.map((key) => verify(digest(key)))
  t.equal(new Set(verdicts.map((verdict) => 'principal' in verdict && verdict.principal.id)).size, 50)
})

t.test('the principal is frozen', async (t) => {
  const verdict = createKeyVerifier(['first-key'])(digest('first-key'))
  if (!('principal' in verdict)) return t.fail('the key is invalid')
  t.throws(() => Object.assign(verdict.principal, { role: 'admin' }), TypeError)
  t.throws(() => Object.assign(verdict.principal.scopes, ['*']), TypeError)
})

for (const key of [
  '',
  'first',
  'first-key2',
  'FIRST-KEY',
  ' first-key',
  'first-key,second-key',
  'first-key, first-key',
  digest('first-key')
]) {
  t.test(`the key ${JSON.stringify(key)} is not listed`, async t => {
    const verdict = createKeyVerifier(['first-key', 'second-key'])(digest(key))
    t.same(Object.keys(verdict), ['reason'])
  })
}

const unusable: Array<[string, string[]]> = [
  ['an empty key', ['good-key', '']],
  ['white space around a key', [' good-key']],
  ['only white space', ['   ']],
  ['a line break', ['good\nkey']],
  ['a key beyond ASCII', ['cl\u00e9-de-test']],
  ['a key longer than a header may be', ['k'.repeat(8193)]],
  ['a key listed twice', ['good-key', 'other-key', 'good-key']]
]

for (const [what, keys] of unusable) {
  t.test(`${what} stops the start and is not repeated`, async (t) => {
    t.throws(() => createKeyVerifier(keys), /^(?!.*good)/)
  })
}
