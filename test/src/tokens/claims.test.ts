/** Valid and invalid claims of tokens, and claims at configured paths. */
import t from 'tap'
import {
  claimAt,
  claimedHeader,
  type ClaimRules,
  type Claims,
  readClaims,
  scopesOf
} from '../../../src/tokens/claims.js'

const now = 1_700_000_000
const sound = { sub: 'ada', exp: now + 60 }

const good: Array<[string, Claims, ClaimRules]> = [
  ['a name and an end', sound, {}],
  ['times that have come', { ...sound, nbf: now, iat: now }, {}],
  ['an end within the tolerance', { ...sound, exp: now - 4 }, { toleranceSeconds: 5 }],
  ['a beginning within the tolerance', { ...sound, nbf: now + 5, iat: now + 5 }, { toleranceSeconds: 5 }],
  ['a date of issue 10 seconds ahead', { ...sound, iat: now + 10 }, {}],
  ['a date of issue within a larger tolerance', { ...sound, iat: now + 20 }, { toleranceSeconds: 20 }],
  ['the configured audience', { ...sound, aud: 'us' }, { audience: ['us'] }],
  ['one of the configured audiences', { ...sound, aud: 'also us' }, { audience: ['us', 'also us'] }],
  ['the configured audience among others', { ...sound, aud: ['them', 'us'] }, { audience: ['us'] }],
  ['any audience if none is configured', { ...sound, aud: 'them' }, {}],
  ['no audience', sound, { audience: ['us'] }]
]

for (const [what, claims, rules] of good) {
  t.test(`a token with ${what} is valid`, async t => {
    t.match(readClaims(claims, rules, now * 1000), { sub: 'ada' })
  })
}

const bad: Array<[string, Claims, ClaimRules, RegExp]> = [
  ['no name', { ...sound, sub: undefined }, {}, /^sub/],
  ['an empty name', { ...sound, sub: '' }, {}, /^sub/],
  ['half of a surrogate pair in sub', { ...sound, sub: 'ada\ud83d' }, {}, /^sub/],
  ['a number for a name', { ...sound, sub: 1 }, {}, /^sub/],
  ['no end', { sub: 'ada' }, {}, /^exp/],
  ['text for an end', { ...sound, exp: String(now + 60) }, {}, /^exp/],
  ['an end that no date can hold', { ...sound, exp: 1e99 }, {}, /^exp/],
  ['an end of NaN', { ...sound, exp: Number.NaN }, {}, /^exp/],
  ['an end before all time', { ...sound, exp: -1 }, { toleranceSeconds: now * 2 }, /^exp/],
  ['an end at the current second', { ...sound, exp: now }, {}, /expired/],
  ['an end at the tolerance', { ...sound, exp: now - 5 }, { toleranceSeconds: 5 }, /expired/],
  ['a beginning in the future', { ...sound, nbf: now + 1 }, {}, /^nbf/],
  ['a beginning beyond the tolerance', { ...sound, nbf: now + 6 }, { toleranceSeconds: 5 }, /^nbf/],
  ['text for a beginning', { ...sound, nbf: '0' }, {}, /^nbf/],
  ['a date of issue 11 seconds ahead', { ...sound, iat: now + 11 }, {}, /^iat/],
  ['a date of issue beyond a smaller tolerance', { ...sound, iat: now + 11 }, { toleranceSeconds: 5 }, /^iat/],
  ['null for a date of issue', { ...sound, iat: null }, {}, /^iat/],
  ['a number for an id', { ...sound, jti: 1 }, {}, /^jti/],
  ['another audience', { ...sound, aud: 'them' }, { audience: ['us'] }, /^aud/],
  ['an audience with the configured prefix', { ...sound, aud: 'us/too' }, { audience: ['us'] }, /^aud/],
  ['only other audiences', { ...sound, aud: ['them', 'those'] }, { audience: ['us'] }, /^aud/],
  ['an empty audience', { ...sound, aud: [] }, { audience: ['us'] }, /^aud/],
  ['null as audience', { ...sound, aud: null }, { audience: ['us'] }, /^aud/],
  ['an object as audience', { ...sound, aud: { us: 'us' } }, { audience: ['us'] }, /^aud/]
]

for (const [what, claims, rules, reason] of bad) {
  t.test(`a token with ${what} is invalid, with a reason for the log`, async t => {
    t.match(readClaims(claims, rules, now * 1000), reason)
  })
}

t.test('readClaims returns milliseconds, adds the tolerance and drops other claims', async t => {
  const claims = { ...sound, exp: now + 0.0015, iat: now - 0.5, jti: 'id', role: 'admin' }
  t.strictSame(readClaims(claims, { toleranceSeconds: 5 }, now * 1000), {
    sub: 'ada',
    expiresAt: (now + 5) * 1000 + 1,
    issuedAt: (now - 1) * 1000 + 500,
    jti: 'id'
  })
})

const nested = {
  a: 1,
  'a.b': 2,
  realm_access: { roles: ['x'] },
  'https://example.com/roles': ['y'],
  c: { 'd.e': 3, d: { e: 4 } },
  'f.g': {},
  f: { g: { h: 5 } },
  list: [{ i: 6 }],
  none: null
}
const paths: Array<[string, unknown]> = [
  ['a', 1],
  ['a.b', 2],
  ['realm_access.roles', ['x']],
  ['https://example.com/roles', ['y']],
  ['c.d.e', 3],
  ['f.g.h', 5],
  ['a.c', undefined],
  ['list.0.i', undefined],
  ['none', null],
  ['none.a', undefined],
  ['', undefined],
  ['.a', undefined],
  ['a.', undefined],
  ['constructor', undefined],
  ['__proto__', undefined],
  ['realm_access.constructor.name', undefined]
]

for (const [path, found] of paths) {
  t.test(`claimAt finds ${JSON.stringify(found) ?? 'nothing'} at the path "${path}"`, async t => {
    t.strictSame(claimAt(nested, path), found)
  })
}

t.test('claimAt finds nothing in a value that is not an object', async t => {
  for (const claims of [undefined, null, 'a', 1, [nested]]) t.equal(claimAt(claims, 'a'), undefined)
})

const scopes: Array<[string, unknown, string[]]> = [
  ['a text', 'a b', ['a', 'b']],
  ['a text with too many spaces', '  a   b ', ['a', 'b']],
  ['an empty text', '', []],
  ['a text with a tab', 'a\tb', ['a\tb']],
  ['a list', ['a', 'b'], ['a', 'b']],
  ['a list with other values', ['a', 1, null, '', ['b'], 'c d'], ['a']],
  ['nothing', undefined, []],
  ['null', null, []],
  ['true', true, []],
  ['an object', { 0: 'a', length: 1 }, []]
]

for (const [what, claim, expected] of scopes) {
  t.test(`${what} gives the scopes [${expected.join(', ')}]`, async t => {
    t.strictSame(scopesOf(claim), expected)
  })
}

const encoded = (text: string): string => Buffer.from(text).toString('base64url')
const headers: Array<[string, string, object]> = [
  ['a header', `${encoded('{"kid":"1"}')}.payload.signature`, { kid: '1' }],
  ['a list', `${encoded('["kid"]')}.payload.signature`, {}],
  ['null', `${encoded('null')}.payload.signature`, {}],
  ['no JSON', `${encoded('kid')}.payload.signature`, {}],
  ['no token', 'no token', {}],
  ['nothing', '', {}]
]

for (const [what, token, header] of headers) {
  t.test(
    `claimedHeader and claimedPayload read ${Object.keys(header).length === 0 ? 'nothing' : 'the parts'} of ${what}`,
    async t => {
      t.strictSame(claimedHeader(token), header)
    }
  )
}
