/** Verifies tokens signed with JWT_SECRET. */
import { generateKeyPairSync } from 'node:crypto'
import { createSigner, createVerifier } from 'fast-jwt'
import t from 'tap'
import { createTokenVerifier, kidOf, type TokenSecret } from '../../../src/tokens/verify.js'
import { encode, forge, forgeClaims, goodClaims, inSeconds, otherTails, secret } from '../../support/tokens.js'

const verify = createTokenVerifier([secretOf(secret)])

function secretOf (key: string, clockTolerance = 0): TokenSecret {
  return {
    kid: kidOf(key),
    verify: createVerifier({ key, algorithms: ['HS256'], complete: true, cache: false, clockTolerance })
  }
}

const rsa = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
})

t.test('a token authenticates its subject until it expires', async (t) => {
  const exp = inSeconds(600)
  t.same(verify(forge({ payload: { sub: 'ada', exp } })), {
    principal: { id: 'jwt:ada', role: 'user', scopes: [], method: 'jwt', attributes: {}, expiresAt: exp * 1000 }
  })
})

t.test('the principal of a token is frozen', async (t) => {
  const verdict = verify(forge())
  if (!('principal' in verdict)) return t.fail('the token is invalid')
  t.throws(() => Object.assign(verdict.principal, { role: 'admin' }), TypeError)
  t.throws(() => Object.assign(verdict.principal.scopes, ['*']), TypeError)
})

t.test('the jti of a token is kept for revocation', async (t) => {
  t.match(verify(forgeClaims({ jti: 'token-1' })), { principal: { tokenId: 'token-1' } })
})

t.test('a subject that looks like a key has a separate id', async (t) => {
  t.match(verify(forgeClaims({ sub: 'apikey:0123456789ab' })), { principal: { id: 'jwt:apikey:0123456789ab' } })
})

const roles: Array<[string, unknown, string]> = [
  ['admin', 'admin', 'admin'],
  ['user', 'user', 'user'],
  ['none', undefined, 'user'],
  ['ADMIN', 'ADMIN', 'user'],
  ['admin with a space', 'admin ', 'user'],
  ['a list with admin', ['admin'], 'user'],
  ['an object', { admin: true }, 'user'],
  ['true', true, 'user'],
  ['null', null, 'user'],
  ['root', 'root', 'user']
]

for (const [what, role, expected] of roles) {
  t.test(`the claimed role ${what} makes a ${expected}`, async (t) => {
    t.match(verify(forgeClaims({ role })), { principal: { role: expected } })
  })
}

const scoped: Array<[string, unknown, string[]]> = [
  ['a text', 'a b', ['a', 'b']],
  ['a list', ['a', 'b'], ['a', 'b']],
  ['a list with invalid scopes', ['a b', 1, null, ['c'], '', 'd'], ['d']],
  ['an object', { a: true }, []],
  ['null', null, []]
]

for (const [what, scope, expected] of scoped) {
  t.test(`scopes in ${what} are read as from a provider`, async (t) => {
    t.match(verify(forgeClaims({ scope })), { principal: { scopes: expected } })
  })
}

t.test('an expired token with a valid signature is named for the log', async (t) => {
  const claims = { sub: 'ada', exp: inSeconds(-1), jti: 'j-1' }
  t.same(verify(forgeClaims(claims)), {
    reason: 'the token does not verify (FAST_JWT_EXPIRED)',
    about: { subject: 'jwt:ada', tokenId: 'j-1' }
  })
  t.notOk('about' in verify(forge({ payload: claims, key: 'another secret of 32 bytes or more' })))
})

const good: Array<[string, string]> = [
  [
    'times with fractions',
    forgeClaims({ exp: inSeconds(600) + 0.5, iat: inSeconds(-5) + 0.25, nbf: inSeconds(-5) + 0.75 })
  ],
  ['an expiry in the year 9999', forgeClaims({ exp: 253_402_300_799 })],
  ['an unknown kid', forge({ header: { alg: 'HS256', kid: '../../dev/null' } })],
  ['a subject of one space', forgeClaims({ sub: ' ' })],
  ['claims nobody knows', forgeClaims({ aud: 'elsewhere', __proto__: { role: 'admin' } })]
]

for (const [what, token] of good) {
  t.test(`a token with ${what} is accepted`, async (t) => {
    t.match(verify(token), { principal: { role: 'user' } })
  })
}

const [header = '', payload = '', signature = ''] = forge().split('.')
const bad: Array<[string, string]> = [
  ['no token at all', ''],
  ['no JWT', 'abc'],
  ['two parts', `${header}.${payload}`],
  ['four parts', `${header}.${payload}.${signature}.${signature}`],
  ['no signature', `${header}.${payload}.`],
  ['no payload', `${header}..${signature}`],
  ['no header', `.${payload}.${signature}`],
  ['another secret', forge({ key: 'another-secret-of-the-tests-of-32-bytes' })],
  ['an empty secret', forge({ key: '' })],
  ['another payload under the same signature', `${header}.${encode({ ...goodClaims(), role: 'admin' })}.${signature}`],
  ['alg none', `${encode({ alg: 'none' })}.${payload}.`],
  ['alg none with a signature', forge({ header: { alg: 'none' } })],
  ['alg NONE', forge({ header: { alg: 'NONE' } })],
  ['alg hs256', forge({ header: { alg: 'hs256' } })],
  ['alg in a list', forge({ header: { alg: ['HS256'] } })],
  ['no alg', forge({ header: { typ: 'JWT' } })],
  ['HS384', forge({ header: { alg: 'HS384' }, hash: 'sha384' })],
  ['HS512', forge({ header: { alg: 'HS512' }, hash: 'sha512' })],
  ['RS256 by a stranger', createSigner({ key: rsa.privateKey, algorithm: 'RS256' })(goodClaims())],
  ['RS256, but an HMAC with the public key', forge({ header: { alg: 'RS256' }, key: rsa.publicKey })],
  ['HMAC with a public key', forge({ key: rsa.publicKey })],
  ['an embedded jwk', forge({ header: { alg: 'HS256', jwk: { kty: 'oct', k: encode('mine') } }, key: 'mine' })],
  ['a jku', forge({ header: { alg: 'HS256', jku: 'http://127.0.0.1/keys' }, key: 'mine' })],
  ['a kid that is a path to an empty file', forge({ header: { alg: 'HS256', kid: '/dev/null' }, key: '' })],
  ['a kid that is SQL', forge({ header: { alg: 'HS256', kid: "' UNION SELECT 'mine" }, key: 'mine' })],
  ['an unknown crit', forge({ header: { alg: 'HS256', crit: ['exotic'], exotic: 1 } })],
  ['crit b64', forge({ header: { alg: 'HS256', crit: ['b64'], b64: false } })],
  ['an empty crit', forge({ header: { alg: 'HS256', crit: [] } })],
  ['crit null', forge({ header: { alg: 'HS256', crit: null } })],
  ['crit false', forge({ header: { alg: 'HS256', crit: false } })],
  ['a header that is a list', forge({ header: ['HS256'] })],
  ['a header that is null', forge({ header: 'null' })],
  ['a header that is not JSON', forge({ header: '{"alg":"HS256"' })],
  ['a payload that is text', forge({ payload: '"ada"' })],
  ['a payload that is a number', forge({ payload: '1' })],
  ['a payload that is null', forge({ payload: 'null' })],
  ['a payload that is a list', forge({ payload: [goodClaims()] })],
  ['a payload that is not JSON', forge({ payload: 'ada' })],
  ['an empty payload object', forge({ payload: {} })],
  ['no sub', forgeClaims({ sub: undefined })],
  ['an empty sub', forgeClaims({ sub: '' })],
  ['a sub that is null', forgeClaims({ sub: null })],
  ['a sub that is a number', forgeClaims({ sub: 1 })],
  ['a sub that is an object', forgeClaims({ sub: { toString: 'ada' } })],
  ['a sub that is a list', forgeClaims({ sub: ['ada'] })],
  ['a sub hidden in a prototype', forge({ payload: `{"__proto__":{"sub":"ada"},"exp":${inSeconds(600)}}` })],
  ['no exp', forgeClaims({ exp: undefined })],
  ['an exp just over', forgeClaims({ exp: inSeconds(0) })],
  ['an exp long over', forgeClaims({ exp: inSeconds(-3600) })],
  ['an exp of zero', forgeClaims({ exp: 0 })],
  ['a negative exp', forgeClaims({ exp: -1 })],
  ['an exp that is text', forgeClaims({ exp: String(inSeconds(600)) })],
  ['an exp that is a date', forgeClaims({ exp: new Date(Date.now() + 600_000).toISOString() })],
  ['an exp that is NaN', forge({ payload: '{"sub":"ada","exp":NaN}' })],
  ['an exp that is null', forgeClaims({ exp: Number.NaN })],
  ['an exp of 1e99', forge({ payload: '{"sub":"ada","exp":1e99}' })],
  ['an exp of 1e999', forge({ payload: '{"sub":"ada","exp":1e999}' })],
  ['an exp in a list', forgeClaims({ exp: [inSeconds(600)] })],
  ['an exp in milliseconds beyond all dates', forgeClaims({ exp: 8.64e15 })],
  ['an exp that is true', forgeClaims({ exp: true })],
  ['an nbf in the future', forgeClaims({ nbf: inSeconds(60) })],
  ['an nbf that is text', forgeClaims({ nbf: '0' })],
  ['an nbf of 1e99', forge({ payload: `{"sub":"ada","exp":${inSeconds(600)},"nbf":1e99}` })],
  ['a negative nbf', forgeClaims({ nbf: -1 })],
  ['an nbf that is null', forgeClaims({ nbf: null })],
  ['an iat in the future', forgeClaims({ iat: inSeconds(60) })],
  ['an iat that is text', forgeClaims({ iat: 'now' })],
  ['a jti that is an object', forgeClaims({ jti: {} })],
  ['padding', `${forge()}=`],
  ['a space at the end', `${forge()} `],
  ['a line break in the payload', `${header}.${payload.slice(0, 4)}\n${payload.slice(4)}.${signature}`],
  ['standard base64 in the signature', `${header}.${payload}.${signature.slice(0, -2)}+A`],
  ['a longer signature', `${forge()}A`],
  ['a shorter signature', forge().slice(0, -1)],
  ['100 KB of subject', forgeClaims({ sub: 'a'.repeat(100_000) })],
  ['100 KB of dots', '.'.repeat(100_000)],
  ...otherTails(forge()).map((token, i): [string, string] => [`the ${i + 2}. spelling of the same signature`, token])
]

for (const [what, token] of bad) {
  t.test(`a token with ${what} is refused with a constant reason`, async (t) => {
    const verdict = verify(token)
    t.ok(!('principal' in verdict))
    t.match(verdict, { reason: /^(?!.*\bada\b)[\w (),]{5,80}$/ })
  })
}

const oldSecret = 'a-secret-of-before-with-more-than-32-bytes'
const olderSecret = 'a-secret-of-long-ago-with-more-than-32-bytes'
const rotated = createTokenVerifier([secret, oldSecret, olderSecret].map(key => secretOf(key)))

for (const [what, key] of [
  ['the secret', secret],
  ['the previous secret', oldSecret],
  ['the secret before that', olderSecret]
] as const) {
  for (const [how, header] of [
    ['names its secret', { alg: 'HS256', kid: kidOf(key) }],
    ['names no secret', { alg: 'HS256' }],
    ['names an unknown secret', { alg: 'HS256', kid: 'k1' }],
    ['names a number', { alg: 'HS256', kid: 1 }]
  ] as const) {
    t.test(`after a rotation a token by ${what} that ${how} is accepted`, async t => {
      t.match(rotated(forge({ header, key })), { principal: { id: 'jwt:ada' } })
    })
  }
}

for (const [what, token] of [
  ['by a removed secret', forge({ key: 'a-secret-that-is-not-listed-any-more-32' })],
  ['that names another secret', forge({ header: { alg: 'HS256', kid: kidOf(oldSecret) } })],
  ['by an empty secret', forge({ key: '' })],
  ['by the name of a secret', forge({ key: kidOf(secret) })],
  ['by alg none', forge({ header: { alg: 'none', kid: kidOf(secret) } })],
  ['with a header that is not JSON', forge({ header: '{' })]
] as const) {
  t.test(`after a rotation a token ${what} is refused`, async (t) => {
    t.same(Object.keys(rotated(token)), ['reason'])
  })
}

t.test('a token with a kid is verified only with that secret', async (t) => {
  const asked: string[] = []
  const spied = createTokenVerifier(
    ['a', 'b', 'c'].map(kid => ({
      kid,
      verify: () => {
        asked.push(kid)
        throw new Error('no')
      }
    }))
  )
  spied(forge({ header: { alg: 'HS256', kid: 'b' } }))
  t.same(asked, ['b'])
  spied(forge({ header: { alg: 'HS256' } }))
  t.same(asked, ['b', 'a', 'b', 'c'])
})

t.test('a tolerance moves every time limit by exactly as much', async (t) => {
  const tolerant = createTokenVerifier([secretOf(secret, 5000)], { toleranceSeconds: 5 })
  const now = inSeconds(0)
  t.intercept(Date, 'now', { value: () => now * 1000 })
  for (const [claims, isGood] of [
    [{ exp: now - 4 }, true],
    [{ exp: now - 5 }, false],
    [{ nbf: now + 5 }, true],
    [{ nbf: now + 6 }, false],
    [{ iat: now + 10 }, true],
    [{ iat: now + 11 }, false]
  ] as const) { t.equal('principal' in tolerant(forgeClaims(claims)), isGood, JSON.stringify(claims)) }
  t.match(tolerant(forgeClaims({ exp: now + 60 })), { principal: { expiresAt: (now + 65) * 1000 } })
})

const named = createTokenVerifier([secretOf(secret)], { audience: ['https://mcp.example.com/mcp', 'team'] })
for (const [what, aud, isGood] of [
  ['no audience', undefined, true],
  ['our audience', 'team', true],
  ['ours among others', ['else', 'team'], true],
  ['another', 'https://mcp.example.com', false],
  ['none of ours', ['else'], false],
  ['an empty list', [], false],
  ['null', null, false],
  ['a list in a list', [['team']], false],
  ['the beginning of ours', 'tea', false]
] as const) {
  t.test(`with configured names, a token with ${what} is ${isGood ? 'accepted' : 'refused'}`, async t => {
    t.equal('principal' in named(forgeClaims({ aud })), isGood)
  })
}
