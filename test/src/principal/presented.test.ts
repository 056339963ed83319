/** Credentials in request headers. */
import t from 'tap'
import { maxCredentialLength, maxTokenLength, readCredentials } from '../../../src/principal/presented.js'

const token = 'aaa.bbb.ccc'
const readable: Array<[string, string[], object]> = [
  ['a key', ['X-API-Key', 'k1'], { key: 'k1' }],
  ['a key under a lower-case name', ['x-api-key', 'k1'], { key: 'k1' }],
  ['a token', ['Authorization', `Bearer ${token}`], { token }],
  ['a token with the scheme in capitals', ['authorization', `BEARER ${token}`], { token }],
  ['a token with the scheme in mixed case', ['AUTHORIZATION', `bEaReR ${token}`], { token }],
  ['a token after several spaces', ['authorization', `Bearer   ${token}`], { token }],
  [
    'a key and a token',
    ['authorization', `Bearer ${token}`, 'host', 'x', 'x-api-key', 'k1'],
    { key: 'k1', token }
  ],
  ["a key beside a proxy's Basic", ['authorization', 'Basic dTpw', 'x-api-key', 'k1'], { key: 'k1' }],
  ['only Basic, which is another scheme', ['authorization', 'Basic dTpw'], { otherScheme: true }],
  ['a scheme that only begins like ours', ['authorization', `Bearerish ${token}`], { otherScheme: true }],
  ['a token without a scheme', ['authorization', token], { otherScheme: true }],
  ['an empty Authorization', ['authorization', ''], { otherScheme: true }],
  ['no headers', [], {}],
  ['other headers of the same length', ['x-api-kez', 'k1', 'authorizatiom', `Bearer ${token}`], {}],
  [
    'the longest key',
    ['x-api-key', 'k'.repeat(maxCredentialLength)],
    { key: 'k'.repeat(maxCredentialLength) }
  ],
  [
    'the longest token',
    ['authorization', `Bearer ${'a'.repeat(maxTokenLength)}`],
    { token: 'a'.repeat(maxTokenLength) }
  ]
]

for (const [what, headers, expected] of readable) {
  t.test(`${what} is read unchanged`, async (t) => {
    t.same(readCredentials(headers), expected)
  })
}

const malformed: Array<[string, string[]]> = [
  ['two keys', ['x-api-key', 'k1', 'X-API-KEY', 'k1']],
  ['two Authorization headers', ['authorization', `Bearer ${token}`, 'Authorization', `Bearer ${token}`]],
  ['a Bearer and a Basic', ['authorization', `Bearer ${token}`, 'Authorization', 'Basic dTpw']],
  [
    'two Authorization headers beside a key',
    ['x-api-key', 'k1', 'authorization', 'Basic a', 'authorization', 'Basic b']
  ],
  ['an empty key', ['x-api-key', '']],
  ['an empty key beside a token', ['x-api-key', '', 'authorization', `Bearer ${token}`]],
  ['a key of 100 KB', ['x-api-key', 'k'.repeat(100_000)]],
  ['Bearer without a token', ['authorization', 'Bearer']],
  ['Bearer and a space', ['authorization', 'Bearer ']],
  ['Bearer and two tokens', ['authorization', 'Bearer abc def']],
  ['Bearer and a tab', ['authorization', `Bearer\t${token}`]],
  ['a tab after the space', ['authorization', `Bearer \t${token}`]],
  ['a space after the token', ['authorization', `Bearer ${token} `]],
  ['a comma-joined pair', ['authorization', `Bearer ${token}, Bearer ${token}`]],
  ['Bearer with parameters', ['authorization', 'Bearer realm="mcp"']],
  ['Bearer and a comma', ['authorization', `Bearer,${token}`]],
  ['a token in quotes', ['authorization', `Bearer "${token}"`]],
  ['a token with a byte beyond ASCII', ['authorization', `Bearer ${token}\u00e9`]],
  ['a token that is too long by one', ['authorization', `Bearer ${'a'.repeat(maxTokenLength + 1)}`]],
  ['a token of 100 KB', ['authorization', `Bearer ${'a'.repeat(100_000)}`]],
  ['a bad token beside a key', ['x-api-key', 'k1', 'authorization', 'Bearer']]
]

for (const [what, headers] of malformed) {
  t.test(`${what} is not a credential, with a reason for the log`, async (t) => {
    const { malformed, ...rest } = readCredentials(headers)
    t.type(malformed, 'string')
    t.same(rest, {})
    t.notMatch(malformed, /aaa|k1/)
  })
}
