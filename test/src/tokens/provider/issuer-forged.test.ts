/** Invalid tokens of an identity provider: forged, with weak keys or with wrong claims. */
import { createHmac } from 'node:crypto'
import { exportSPKI, importJWK, type JWK } from 'jose'
import t, { type Test } from 'tap'
import { isVerified, type Verdict } from '../../../../src/principal/presented.js'
import { audience, claimsOf, fakeIssuer, sign, signingKey, unsigned } from '../../../support/issuer.js'
import { encode, inSeconds } from '../../../support/tokens.js'
import { rsa, pss, ec, ed, verifierOf } from '../../../support/issuer-keys.js'

const stranger = await signingKey('RS256', 'rsa')

type Forge = (issuer: string) => string | Promise<string>
const hmacBy = (key: string, header: Record<string, unknown>): Forge => (issuer) => {
  const input = `${encode(header)}.${encode(claimsOf(issuer))}`
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`
}
const publicPem = await exportSPKI(await importJWK(rsa.jwk, 'RS256') as never)
const parts = async (issuer: string): Promise<[string, string, string]> =>
  (await sign(rsa, claimsOf(issuer))).split('.') as [string, string, string]

/** Tokens that are refused without fetching keys. */
const bad: Array<[string, Forge]> = [
  ['no token at all', () => ''],
  ['no JWT', () => 'abc'],
  ['two parts', async issuer => (await parts(issuer)).slice(0, 2).join('.')],
  ['five parts', () => 'a.b.c.d.e'],
  ['a header that is no JSON', issuer => unsigned('{', claimsOf(issuer))],
  ['a header that is a list', issuer => unsigned([], claimsOf(issuer))],
  ['a payload that is no JSON', () => unsigned({ alg: 'RS256', kid: 'rsa' }, '{')],
  ['a payload that is not an object', async () => await sign(rsa, '"ada"')],
  ['alg none', issuer => unsigned({ alg: 'none' }, claimsOf(issuer), '')],
  ['alg none with a key id', issuer => unsigned({ alg: 'none', kid: 'rsa' }, claimsOf(issuer))],
  ['alg None', issuer => unsigned({ alg: 'None' }, claimsOf(issuer))],
  ['no alg', issuer => unsigned({ kid: 'rsa' }, claimsOf(issuer))],
  ['alg in a list', issuer => unsigned({ alg: ['RS256'], kid: 'rsa' }, claimsOf(issuer))],
  ['alg rs256', issuer => unsigned({ alg: 'rs256', kid: 'rsa' }, claimsOf(issuer))],
  ['HS256 by the public key', hmacBy(publicPem, { alg: 'HS256', kid: 'rsa' })],
  ['HS256 by the modulus', hmacBy(String(rsa.jwk.n), { alg: 'HS256', kid: 'rsa' })],
  [
    'padding',
    async issuer =>
      (await parts(issuer)).map(part => part + '='.repeat((4 - (part.length % 4)) % 4)).join('.')
  ],
  ['the alphabet of base64', issuer => unsigned({ alg: 'RS256', kid: 'rsa' }, claimsOf(issuer), 'a+b/')],
  [
    'a crit header',
    issuer => unsigned({ alg: 'RS256', kid: 'rsa', crit: ['exotic'], exotic: 1 }, claimsOf(issuer))
  ],
  [
    'a crit header with b64',
    issuer => unsigned({ alg: 'RS256', kid: 'rsa', crit: ['b64'], b64: true }, claimsOf(issuer))
  ],
  ['an empty crit header', issuer => unsigned({ alg: 'RS256', kid: 'rsa', crit: [] }, claimsOf(issuer))],
  ['a kid that is a number', issuer => unsigned({ alg: 'RS256', kid: 1 }, claimsOf(issuer))],
  ['the type of a logout token', async issuer => await sign(rsa, claimsOf(issuer), { typ: 'logout+jwt' })],
  ['the type of a DPoP proof', async issuer => await sign(rsa, claimsOf(issuer), { typ: 'dpop+jwt' })],
  ['a type that is a list', issuer => unsigned({ alg: 'RS256', kid: 'rsa', typ: ['JWT'] }, claimsOf(issuer))],
  ['no issuer', async issuer => await sign(rsa, claimsOf(issuer, { iss: undefined }))],
  ['another issuer', async () => await sign(rsa, claimsOf('https://evil.example.com'))],
  ['the issuer with a slash more', async issuer => await sign(rsa, claimsOf(`${issuer}/`))],
  ['the issuer in capitals', async issuer => await sign(rsa, claimsOf(issuer.toUpperCase()))],
  ['the issuer in a list', async issuer => await sign(rsa, claimsOf(issuer, { iss: [issuer] }))],
  ['no audience', async issuer => await sign(rsa, claimsOf(issuer, { aud: undefined }))],
  [
    'another audience',
    async issuer => await sign(rsa, claimsOf(issuer, { aud: 'https://other.example.com/mcp' }))
  ],
  [
    'the base as audience',
    async issuer => await sign(rsa, claimsOf(issuer, { aud: 'https://mcp.example.com' }))
  ],
  ['a path below as audience', async issuer => await sign(rsa, claimsOf(issuer, { aud: `${audience}/x` }))],
  ['an empty list of audiences', async issuer => await sign(rsa, claimsOf(issuer, { aud: [] }))],
  ['an audience that is null', async issuer => await sign(rsa, claimsOf(issuer, { aud: null }))],
  [
    'an audience in a list in a list',
    async issuer => await sign(rsa, claimsOf(issuer, { aud: [[audience]] }))
  ],
  ['no subject', async issuer => await sign(rsa, claimsOf(issuer, { sub: undefined }))],
  ['an empty subject', async issuer => await sign(rsa, claimsOf(issuer, { sub: '' }))],
  ['a subject that is an object', async issuer => await sign(rsa, claimsOf(issuer, { sub: {} }))],
  ['no exp', async issuer => await sign(rsa, claimsOf(issuer, { exp: undefined }))],
  ['an exp in the past', async issuer => await sign(rsa, claimsOf(issuer, { exp: inSeconds(-1) }))],
  ['an exp that is text', async issuer => await sign(rsa, claimsOf(issuer, { exp: String(inSeconds(600)) }))],
  [
    'an exp of 1e999',
    async issuer => await sign(rsa, JSON.stringify(claimsOf(issuer)).replace(/"exp":\d+/, '"exp":1e999'))
  ],
  ['an nbf in the future', async issuer => await sign(rsa, claimsOf(issuer, { nbf: inSeconds(60) }))],
  ['an iat in the future', async issuer => await sign(rsa, claimsOf(issuer, { iat: inSeconds(60) }))],
  ['a jti that is an object', async issuer => await sign(rsa, claimsOf(issuer, { jti: {} }))],
  [
    'the claims of an ID token',
    async issuer => await sign(rsa, claimsOf(issuer, { nonce: 'n', at_hash: 'x' }))
  ],
  [
    'the claims of an ID token beside a code',
    async issuer => await sign(rsa, claimsOf(issuer, { nonce: 'n', c_hash: 'x' }))
  ],
  [
    'the claims of a logout token',
    async issuer =>
      await sign(
        rsa,
        claimsOf(issuer, { sid: 's', events: { 'http://schemas.openid.net/event/backchannel-logout': {} } })
      )
  ],
  ...['ID', 'Logout', 'Refresh', 'Offline'].map((typ): [string, Forge] => [
    `the kind ${typ} in its claims`,
    async issuer => await sign(rsa, claimsOf(issuer, { typ }), { typ: 'JWT' })
  ]),
  ['the token_use of an ID token', async issuer => await sign(rsa, claimsOf(issuer, { token_use: 'id' }))],
  ['a binding to a key', async issuer => await sign(rsa, claimsOf(issuer, { cnf: { jkt: 'abc' } }))]
]

for (const [what, forge] of bad) {
  t.test(`a token with ${what} is refused without asking the provider`, async (t) => {
    const { fake, verify } = await verifierOf(t)
    refuses(t, await verify(await forge(fake.issuer)))
    t.same(fake.requests, [])
  })
}

/** Tokens that are refused only with the keys. */
const forged: Array<[string, Forge]> = [
  [
    'the signature of a stranger with the same key id',
    async issuer => await sign(stranger, claimsOf(issuer))
  ],
  ['an empty signature', async issuer => unsigned({ alg: 'RS256', kid: 'rsa' }, claimsOf(issuer), '')],
  [
    'a signature of zeros',
    async issuer =>
      unsigned({ alg: 'ES256', kid: 'ec' }, claimsOf(issuer), encode(Buffer.alloc(64).toString('latin1')))
  ],
  [
    'another payload under the same signature',
    async issuer => {
      const [header, , signature] = await parts(issuer)
      return `${header}.${encode(claimsOf(issuer, { sub: 'root' }))}.${signature}`
    }
  ],
  ['PS256 by a key for RS256', async issuer => await sign({ ...pss, jwk: rsa.jwk }, claimsOf(issuer))],
  ['RS256 by a key for PS256', async issuer => await sign({ ...rsa, jwk: pss.jwk }, claimsOf(issuer))],
  [
    'ES256 by the key id of an RSA key',
    async issuer => await sign({ ...ec, jwk: rsa.jwk }, claimsOf(issuer))
  ],
  ['EdDSA by the key id of an EC key', async issuer => await sign({ ...ed, jwk: ec.jwk }, claimsOf(issuer))],
  [
    'its own key in the header',
    async issuer => await sign(stranger, claimsOf(issuer), { jwk: stranger.jwk })
  ],
  [
    'its own certificate in the header',
    async issuer => await sign(stranger, claimsOf(issuer), { x5c: ['MIIB'] })
  ],
  ['a key id that is a path', async issuer => await sign(stranger, claimsOf(issuer), { kid: '../../jwks' })],
  [
    'a key id that is an injection',
    async issuer => await sign(stranger, claimsOf(issuer), { kid: "' OR 1=1 --" })
  ],
  ['the key id __proto__', async issuer => await sign(stranger, claimsOf(issuer), { kid: '__proto__' })],
  ['an empty key id', async issuer => await sign(stranger, claimsOf(issuer), { kid: '' })],
  ['no key id, by a stranger', async issuer => await sign(stranger, claimsOf(issuer), { kid: undefined })]
]

for (const [what, forge] of forged) {
  t.test(`a token with ${what} is refused`, async (t) => {
    const { fake, verify } = await verifierOf(t)
    refuses(t, await verify(await forge(fake.issuer)))
  })
}

for (const name of ['jku', 'x5u']) {
  t.test(`a key address in the header (${name}) is not fetched`, async (t) => {
    const { fake, verify } = await verifierOf(t)
    const evil = await fakeIssuer(t, stranger)
    refuses(t, await verify(await sign(stranger, claimsOf(fake.issuer), { [name]: evil.jwksUrl })))
    t.same(evil.requests, [])
    t.ok(
      isVerified(await verify(await sign(rsa, claimsOf(fake.issuer), { [name]: evil.jwksUrl }))),
      'a valid token with this header is accepted'
    )
  })
}

const unusable: Array<[string, JWK]> = [
  ['a secret', { kty: 'oct', k: encode('a-secret-of-32-bytes-or-more-than'), kid: 'rsa', alg: 'HS256' }],
  ['a key for encryption', { ...rsa.jwk, use: 'enc' }],
  ['a key without the operation verify', { ...rsa.jwk, key_ops: ['encrypt'] }],
  ['a key of 1024 bits', { ...(await weakKey()).jwk, kid: 'rsa' }]
]

async function weakKey (): Promise<{ jwk: JWK }> {
  const { generateKeyPairSync } = await import('node:crypto')
  return { jwk: generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }) as JWK }
}

for (const [what, jwk] of unusable) {
  t.test(`${what} in the key set verifies nothing`, async (t) => {
    const { fake, verify } = await verifierOf(t, [{ ...rsa, jwk }])
    refuses(t, await verify(await sign(rsa, claimsOf(fake.issuer))))
    refuses(
      t,
      await verify(
        await hmacBy('a-secret-of-32-bytes-or-more-than', { alg: 'HS256', kid: 'rsa' })(fake.issuer)
      )
    )
  })
}

t.test('a private key in the key set verifies nothing', async (t) => {
  const { exportJWK } = await import('jose')
  const { fake, verify } = await verifierOf(t, [
    { ...ec, jwk: { ...(await exportJWK(ec.privateKey)), kid: 'ec', alg: 'ES256' } }
  ])
  refuses(t, await verify(await sign(ec, claimsOf(fake.issuer))))
})

/** Checks that the verdict is a refusal with a constant reason. */
function refuses (t: Test, verdict: Verdict): void {
  t.same(Object.keys(verdict), ['reason'])
  t.match(verdict, { reason: /^(?!.*\bada\b)[\w ()+',]{5,60}$/ })
}
