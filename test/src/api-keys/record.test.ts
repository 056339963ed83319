/** Parses key files, and reports invalid ones. */
import t from 'tap'
import { formatKeyFile, type KeyRecord, parseKeyFile } from '../../../src/api-keys/record.js'
import { newKey } from '../../support/keys.js'

const good = newKey({
  owner: 'ada',
  scopes: ['files:read'],
  lifetimeSeconds: 60,
  cidrs: ['10.0.0.0/8'],
  rateLimitMax: 5
}).record

t.test('formatKeyFile and parseKeyFile are inverse', async t => {
  const records = [good, newKey().record]
  t.match(parseKeyFile(formatKeyFile(records)), { records })
  t.match(parseKeyFile(formatKeyFile([])), { records: [] })
  t.equal(formatKeyFile([]), '{\n  "version": 1,\n  "keys": [\n  ]\n}\n')
})

t.test('an unchanged line keeps its record, and other lines are validated', async t => {
  const [one, two] = [newKey().record, newKey().record]
  const before = parseKeyFile(formatKeyFile([one, two]))
  if ('wrong' in before) return t.fail(before.wrong)
  const after = parseKeyFile(formatKeyFile([two, { ...one, disabled: true }, good]), before.lines)
  if ('wrong' in after) return t.fail(after.wrong)
  t.equal(after.records[0], before.records[1])
  t.same(after.records, [two, { ...one, disabled: true }, good])
  t.match(parseKeyFile(formatKeyFile([two, { ...one, role: 'no role' as 'user' }]), before.lines), {
    wrong: /keys\[1\]\.role/
  })
  t.match(parseKeyFile(formatKeyFile([two, two]), before.lines), { wrong: /keys\[1\].id is repeated/ })
  t.match(parseKeyFile(formatKeyFile([two, { ...two, name: 'other' }]), before.lines), {
    wrong: /keys\[1\].id is repeated/
  })
})

t.test('a file in another layout is parsed', async t => {
  const records = [good, newKey().record]
  for (const text of [
    JSON.stringify({ version: 1, keys: records }),
    JSON.stringify({ keys: records, version: 1 }, null, 2),
    formatKeyFile(records).replaceAll('\n', '\r\n'),
    `\uFEFF${formatKeyFile(records)}`,
    formatKeyFile(records).replace(',"owner"', ',\n    "owner"')
  ]) {
    t.match(parseKeyFile(text), { records })
  }
})

t.test('formatKeyFile writes one key per line', async t => {
  t.equal(formatKeyFile([good, newKey().record]).trim().split('\n').length, 7)
})

function fileWith (change: Record<string, unknown>): string {
  return JSON.stringify({ version: 1, keys: [{ ...good, ...change }] })
}

const faults: Array<[string, string, RegExp]> = [
  ['an empty file', '', /^is empty$/],
  ['white space', ' \n', /^is empty$/],
  ['half a file', formatKeyFile([good]).slice(0, -20), /^is not JSON$/],
  ['bytes of anything', '\u0000\uffff{', /^is not JSON$/],
  ['a list', '[]', /^is not a key file: it is not a JSON object$/],
  ['null', 'null', /^is not a key file: it is not a JSON object$/],
  ['no version', '{"keys":[]}', /^cannot be used: version/],
  ['a later version', '{"version":2,"keys":[]}', /^is from a later version of this program$/],
  ['a version before the first', '{"version":0,"keys":[]}', /^cannot be used: version is not 1/],
  ['keys that are not a list', '{"version":1,"keys":{}}', /^cannot be used: keys has/],
  ['another field', '{"version":1,"keys":[],"more":1}', /unknown field/],
  ['a prototype', '{"version":1,"keys":[],"__proto__":{"a":1}}', /unknown field/],
  ['an unknown field of a key', fileWith({ admin: true }), /keys\[0\] has an unknown field/],
  [
    'an unknown role',
    fileWith({ role: 'Admin' }),
    /keys\[0\]\.role must be admin, user or your own name/
  ],
  ['a role in a list', fileWith({ role: ['admin'] }), /keys\[0\]\.role/],
  ['an id with capitals', fileWith({ id: 'ABCDEFGHIJKL' }), /keys\[0\]\.id is not twelve/],
  ['a long id', fileWith({ id: 'a'.repeat(13) }), /keys\[0\]\.id/],
  ['an owner in the name space of tokens', fileWith({ owner: 'jwt:ada' }), /keys\[0\]\.owner is neither/],
  ['an owner that is another key', fileWith({ owner: 'apikey:000000000000' }), /keys\[0\]\.owner is neither/],
  ['an owner without a name', fileWith({ owner: 'user:' }), /keys\[0\]\.owner is neither/],
  ['a name that moves the cursor', fileWith({ name: 'a\u001b[2Jb' }), /keys\[0\]\.name is not plain text/],
  [
    'a name that turns the reading direction',
    fileWith({ name: 'a\u202eb' }),
    /keys\[0\]\.name is not plain text/
  ],
  ['a scope with a space', fileWith({ scopes: ['a b'] }), /keys\[0\]\.scopes\[0\] is not a scope/],
  ['scopes in one text', fileWith({ scopes: 'a b' }), /keys\[0\]\.scopes has/],
  ['an invalid time', fileWith({ expiresAt: '2026-02-31' }), /keys\[0\]\.expiresAt is not a time/],
  [
    'an invalid day',
    fileWith({ expiresAt: '2026-02-31T00:00:00Z' }),
    /keys\[0\]\.expiresAt is not a time/
  ],
  ['a time in milliseconds', fileWith({ expiresAt: 1 }), /keys\[0\]\.expiresAt/],
  [
    'a time in another zone',
    fileWith({ createdAt: '2026-01-01T00:00:00+02:00' }),
    /keys\[0\]\.createdAt is not a time/
  ],
  ['an invalid network', fileWith({ cidrs: ['10.0.0.0/99'] }), /keys\[0\]\.cidrs\[0\] is not an address/],
  ['a limit of zero', fileWith({ rateLimitMax: 0 }), /keys\[0\]\.rateLimitMax is below 1/],
  ['half a request', fileWith({ rateLimitMax: 1.5 }), /keys\[0\]\.rateLimitMax is not a whole/],
  ['disabled in words', fileWith({ disabled: 'no' }), /keys\[0\]\.disabled/],
  ['no secret', fileWith({ secrets: [] }), /keys\[0\]\.secrets is empty/],
  [
    'a digest in base64',
    fileWith({ secrets: [{ digest: 'A'.repeat(44), createdAt: good.createdAt }] }),
    /keys\[0\]\.secrets\[0\]\.digest is not a SHA-256/
  ],
  ['a secret in clear', fileWith({ secret: 'mcp_clear' }), /^(?!.*clear)/],
  ['the same id twice', formatKeyFile([good, good]), /keys\[1\].id is repeated/],
  [
    'the same secret twice',
    formatKeyFile([good, { ...newKey().record, secrets: good.secrets } satisfies KeyRecord]),
    /a secret of keys\[1\] is repeated/
  ]
]

for (const [what, text, sentence] of faults) {
  t.test(`a file with ${what} is refused with its reason and not quoted`, async t => {
    const parsed = parseKeyFile(text)
    if (!('wrong' in parsed)) return t.fail('the file was accepted')
    t.match(parsed.wrong, sentence)
    t.notMatch(parsed.wrong, /Admin|jwt:|mcp_|ABCDEF/)
  })
}
