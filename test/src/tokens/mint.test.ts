/** `generateToken`: the content of tokens, and its errors. */
import { createHash } from 'node:crypto'
import { createVerifier } from 'fast-jwt'
import t, { type Test } from 'tap'
import { createTokenVerifier, kidOf } from '../../../src/tokens/verify.js'
import { generateToken } from '../../../src/tokens/generate.js'
import { checkUserId } from '../../../src/tokens/mint.js'
import { parseLifetime } from '../../../src/tokens/lifetime.js'
import { inSeconds, secret } from '../../support/tokens.js'

const decode = createVerifier({ key: secret, algorithms: ['HS256'] })

/** Sets or deletes `JWT_SECRET` until the test's end. */
function setSecret (t: Test, value: string | undefined): void {
  const before = process.env.JWT_SECRET
  t.teardown(() => { if (before === undefined) delete process.env.JWT_SECRET; else process.env.JWT_SECRET = before })
  if (value === undefined) delete process.env.JWT_SECRET
  else process.env.JWT_SECRET = value
}

t.test('generateToken creates a token for its user', async (t) => {
  const verify = createTokenVerifier([
    { kid: kidOf(secret), verify: createVerifier({ key: secret, algorithms: ['HS256'], complete: true }) }
  ])
  t.match(verify(generateToken('ada', 'admin', '1h', { secret })), { principal: { id: 'jwt:ada', role: 'admin' } })
})

t.test('kid identifies the secret without revealing it', async (t) => {
  const [header = ''] = generateToken('ada', 'user', '1h', { secret }).split('.')
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString())
  t.match(kid, /^[\w-]{11}$/)
  t.notOk(secret.includes(kid))
  for (const encoding of ['hex', 'base64url'] as const) {
    t.notOk(createHash('sha256').update(secret).digest(encoding).includes(kid))
  }
})

t.test('generateToken defaults to the role user and one day', async (t) => {
  const before = inSeconds(0)
  const claims = decode(generateToken('ada', undefined, undefined, { secret }))
  t.match(claims, { sub: 'ada', role: 'user', jti: /^[0-9a-f-]{36}$/ })
  t.equal(claims.exp - claims.iat, 86_400)
  t.ok(claims.iat >= before && claims.iat <= inSeconds(0))
})

t.test('two tokens have different ids', async (t) => {
  const [first, second] = [
    generateToken('ada', 'user', '1h', { secret }),
    generateToken('ada', 'user', '1h', { secret })
  ]
  t.not(decode(first).jti, decode(second).jti)
})

t.test('the secret defaults to JWT_SECRET of the environment', async (t) => {
  setSecret(t, secret)
  t.equal(decode(generateToken('ada')).sub, 'ada')
})

for (const given of [undefined, '', '   ']) {
  t.test(`a JWT_SECRET of ${JSON.stringify(given)} counts as missing`, async (t) => {
    setSecret(t, given)
    t.throws(() => generateToken('ada'), /JWT_SECRET/)
  })
}

t.test('an empty secret option is not replaced by the environment', async (t) => {
  setSecret(t, secret)
  t.throws(() => generateToken('ada', 'user', '1h', { secret: '' }), /secret/)
})

for (const role of ['Admin', 'root', '', 'admin ']) {
  t.test(`generateToken refuses the role ${JSON.stringify(role)}`, async (t) => {
    t.throws(() => Reflect.apply(generateToken, undefined, ['ada', role, '1h', { secret }]), RangeError)
  })
}

const lifetimes: Array<[string, number]> = [
  ['90s', 90],
  ['15m', 900],
  ['1h', 3600],
  ['24h', 86_400],
  ['7d', 604_800],
  ['30d', 2_592_000],
  ['3600', 3600],
  ['1', 1],
  ['3650d', 315_360_000]
]

for (const [text, seconds] of lifetimes) {
  t.test(`parseLifetime reads ${text} as ${seconds} seconds`, async (t) => {
    t.equal(parseLifetime(text), seconds)
  })
}

const noLifetimes: unknown[] = [
  '',
  '0',
  '0s',
  '000',
  '-1',
  '-1h',
  '+1h',
  '1.5h',
  '1e3',
  '0x10',
  '1H',
  '1w',
  '1y',
  '1ms',
  '1h30m',
  '1 h',
  ' 1h',
  '1h ',
  '1h\n',
  'h',
  'one hour',
  '3651d',
  '999999999',
  '1000000000',
  '9'.repeat(400),
  'Infinity',
  'NaN',
  '١',
  3600,
  null,
  undefined,
  ['1h'],
  {}
]

for (const text of noLifetimes) {
  t.test(`parseLifetime refuses ${JSON.stringify(text)?.slice(0, 40)}`, async (t) => {
    t.throws(() => Reflect.apply(parseLifetime, undefined, [text]), RangeError)
  })
}

const userIds: Array<[string, string]> = [
  ['one character', 'a'],
  ['256 characters', 'a'.repeat(256)],
  ['an address', 'ada@example.com'],
  ['words', 'Ada Lovelace'],
  ['other scripts', 'Ада 爱达 🙂'],
  ['a name of a prefix', 'jwt'],
  ['a URI', 'https://id.example.com/ada'],
  ['a prefix in capitals', 'USER:ada']
]

for (const [what, userId] of userIds) {
  t.test(`a user id may be ${what}`, async (t) => {
    checkUserId(userId)
    t.equal(decode(generateToken(userId, 'user', '1h', { secret })).sub, userId)
  })
}

const noUserIds: Array<[string, unknown]> = [
  ['empty', ''],
  ['white space', ' \t '],
  ['white space of other scripts', '\u00a0\u2003\u3000'],
  ['257 characters', 'a'.repeat(257)],
  ['with a credential in it', `ada mcp_${'a'.repeat(12)}_${'Z'.repeat(16)}`],
  ['with a line break', 'ada\n'],
  ['with a NUL', 'ada\u0000'],
  ['with DEL', 'ada\u007f'],
  ['with a C1 control', 'ada\u0085x'],
  ['with half a character', 'ada\ud800'],
  ["like the id of a token's caller", 'jwt:ada'],
  ['like that of a key', 'apikey:0123456789ab'],
  ["like that of a key's owner", 'user:ada'],
  ["like that of an identity provider's user", 'oauth:ada'],
  ['a number', 1],
  ['null', null],
  ['missing', undefined],
  ['an object', { toString: () => 'ada' }]
]

for (const [what, userId] of noUserIds) {
  t.test(`a user id must not be ${what}`, async (t) => {
    t.throws(() => Reflect.apply(checkUserId, undefined, [userId]), RangeError)
    t.throws(() => Reflect.apply(generateToken, undefined, [userId, 'user', '1h', { secret }]), RangeError)
  })
}

for (const scope of [
  `mcp_${'a'.repeat(12)}_${'Z'.repeat(16)}`,
  'eyJhbGciOiJIUzI1NiJ9.e30',
  `files:mcp_${'A-'.repeat(21)}A`
]) {
  t.test(`a credential as a scope is refused and not repeated: ${scope.slice(0, 12)}`, async t => {
    const error = t.throws(
      () => generateToken('ada', 'user', '1h', { secret, scopes: ['files:read', scope] }),
      RangeError
    )
    t.notMatch(String(error), scope)
  })
}
