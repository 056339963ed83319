/** Whose tokens of an identity provider are good, what they prove, and a table of those that are not. */
import { createHmac } from 'node:crypto'
import { exportSPKI, importJWK, type JWK } from 'jose'
import t, { type Test } from 'tap'
import { isVerified, type Verdict } from '../../../../src/principal/presented.js'
import { createIssuerVerifier, type IssuerOptions } from '../../../../src/tokens/provider/issuer.js'
import { audience, claimsOf, fakeIssuer, sign, signingKey, unsigned, type SigningKey } from '../../../support/issuer.js'
import { encode, inSeconds } from '../../../support/tokens.js'

const rsa = await signingKey('RS256', 'rsa')
const pss = await signingKey('PS256', 'pss')
const ec = await signingKey('ES256', 'ec')
const ed = await signingKey('EdDSA', 'ed')
const stranger = await signingKey('RS256', 'rsa')
const others = await Promise.all(
  ['RS384', 'RS512', 'PS384', 'PS512', 'ES384', 'ES512', 'Ed25519'].map(alg => signingKey(alg, alg))
)
const all = [rsa, pss, ec, ed, ...others]

async function verifierOf (t: Test, keys: readonly SigningKey[] = all, options: Partial<IssuerOptions> = {}) {
  const fake = await fakeIssuer(t, ...keys)
  return { fake, ...createIssuerVerifier({ issuer: fake.issuer, audience: [audience], ...options }) }
}

for (const key of all) {
  t.test(`a token by ${key.alg} proves its subject until it expires`, async (t) => {
    const { fake, verify } = await verifierOf(t)
    const exp = inSeconds(60)
    const iat = inSeconds(-1)
    t.same(await verify(await sign(key, claimsOf(fake.issuer, { exp, iat, jti: 'j', scope: 'a b' }))), {
      principal: {
        id: 'oauth:ada',
        role: 'user',
        scopes: ['a', 'b'],
        method: 'jwt',
        attributes: {},
        issuer: fake.issuer,
        expiresAt: exp * 1000,
        tokenId: 'j',
        issuedAt: iat * 1000
      }
    })
  })

  t.test(`a key that names no algorithm is good for ${key.alg}, as its type has it`, async (t) => {
    const { alg, ...jwk } = key.jwk
    const { fake, verify } = await verifierOf(t, [{ ...key, jwk }])
    t.ok(isVerified(await verify(await sign(key, claimsOf(fake.issuer)))))
  })
}

t.test('the keys are fetched once for many tokens', async (t) => {
  const { fake, verify } = await verifierOf(t)
  const tokens = await Promise.all(all.map(key => sign(key, claimsOf(fake.issuer))))
  const verdicts = await Promise.all([...tokens, ...tokens].map(verify))
  t.ok(verdicts.every(isVerified))
  t.same(fake.requests, ['/.well-known/openid-configuration', '/jwks'])
})

t.test('a key set with an address of its own is read there alone', async (t) => {
  const elsewhere = await fakeIssuer(t, rsa)
  const verifier = createIssuerVerifier({
    issuer: 'https://id.example.com/',
    jwksUrl: elsewhere.jwksUrl,
    audience: [audience]
  })
  t.ok(isVerified(await verifier.verify(await sign(rsa, claimsOf('https://id.example.com/')))))
  t.same(elsewhere.requests, ['/jwks'])
})

t.test('a principal of an issuer cannot be changed by who holds it', async (t) => {
  const { fake, verify } = await verifierOf(t)
  const verdict = await verify(await sign(ec, claimsOf(fake.issuer)))
  if (!isVerified(verdict)) return t.fail('the token is not good')
  t.throws(() => Object.assign(verdict.principal, { role: 'admin' }), TypeError)
  t.throws(() => Object.assign(verdict.principal.scopes, ['*']), TypeError)
})

for (const typ of [undefined, 'JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'application/jwt']) {
  t.test(`the type ${String(typ)} is that of an access token`, async (t) => {
    const { fake, verify } = await verifierOf(t)
    t.ok(isVerified(await verify(await sign(ec, claimsOf(fake.issuer), { typ }))))
  })
}

const mapped: Array<
  [string, Record<string, unknown>, Partial<IssuerOptions>, { role: string; scopes: string[] }]
> = [
  [
    'roles nobody asked for',
    { role: 'admin', roles: ['admin'], realm_access: { roles: ['admin'] } },
    {},
    { role: 'user', scopes: [] }
  ],
  ['the roles of a list', { roles: ['x', 'admin'] }, { rolesClaim: 'roles' }, { role: 'admin', scopes: [] }],
  ['a role in a text', { role: 'admin' }, { rolesClaim: 'role' }, { role: 'admin', scopes: [] }],
  [
    'roles at a path',
    { realm_access: { roles: ['admin'] } },
    { rolesClaim: 'realm_access.roles' },
    { role: 'admin', scopes: [] }
  ],
  [
    'roles at a path with dots in a name',
    { resource_access: { 'my.app': { roles: ['admin'] } } },
    { rolesClaim: 'resource_access.my.app.roles' },
    { role: 'admin', scopes: [] }
  ],
  [
    'roles under the name of a page',
    { 'https://example.com/roles': ['admin'] },
    { rolesClaim: 'https://example.com/roles' },
    { role: 'admin', scopes: [] }
  ],
  [
    'an admin of another name',
    { roles: ['mcp-admins'] },
    { rolesClaim: 'roles', adminRole: 'mcp-admins' },
    { role: 'admin', scopes: [] }
  ],
  [
    'admin, where an admin has another name',
    { roles: ['admin'] },
    { rolesClaim: 'roles', adminRole: 'mcp-admins' },
    { role: 'user', scopes: [] }
  ],
  ['ADMIN', { roles: ['ADMIN'] }, { rolesClaim: 'roles' }, { role: 'user', scopes: [] }],
  ['admin with a space', { roles: ['admin '] }, { rolesClaim: 'roles' }, { role: 'user', scopes: [] }],
  ['admin within a text', { roles: 'user admin' }, { rolesClaim: 'roles' }, { role: 'user', scopes: [] }],
  [
    'admin in a list in a list',
    { roles: [['admin']] },
    { rolesClaim: 'roles' },
    { role: 'user', scopes: [] }
  ],
  ['admin as a name', { roles: { admin: true } }, { rolesClaim: 'roles' }, { role: 'user', scopes: [] }],
  [
    'a path to what every object has',
    { roles: {} },
    { rolesClaim: 'roles.constructor.name', adminRole: 'Object' },
    { role: 'user', scopes: [] }
  ],
  [
    'a path through a text',
    { roles: 'admin' },
    { rolesClaim: 'roles.length', adminRole: '5' },
    { role: 'user', scopes: [] }
  ],
  ['scopes in a text', { scope: 'files:read  tools' }, {}, { role: 'user', scopes: ['files:read', 'tools'] }],
  [
    'scopes in a list',
    { scp: ['files:read', 'tools'] },
    {},
    { role: 'user', scopes: ['files:read', 'tools'] }
  ],
  ['scp in a text', { scp: 'files:read tools' }, {}, { role: 'user', scopes: ['files:read', 'tools'] }],
  ['scope before scp', { scope: '', scp: ['tools'] }, {}, { role: 'user', scopes: [] }],
  [
    'scopes at a path',
    { scope: 'openid', permissions: { mcp: ['tools'] } },
    { scopesClaim: 'permissions.mcp' },
    { role: 'user', scopes: ['tools'] }
  ],
  ['scopes that are none', { scope: ['a b', 1, null, ['c'], '', 'd'] }, {}, { role: 'user', scopes: ['d'] }],
  ['scopes in an object', { scope: { files: true } }, {}, { role: 'user', scopes: [] }]
]

for (const [what, claims, options, rights] of mapped) {
  t.test(`${what} give their rights and no more`, async (t) => {
    const { fake, verify } = await verifierOf(t, [ec], options)
    t.match(await verify(await sign(ec, claimsOf(fake.issuer, claims))), { principal: rights })
  })
}

type Forge = (issuer: string) => string | Promise<string>
const hmacBy = (key: string, header: Record<string, unknown>): Forge => (issuer) => {
  const input = `${encode(header)}.${encode(claimsOf(issuer))}`
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`
}
const publicPem = await exportSPKI(await importJWK(rsa.jwk, 'RS256') as never)
const parts = async (issuer: string): Promise<[string, string, string]> =>
  (await sign(rsa, claimsOf(issuer))).split('.') as [string, string, string]

/** Those that say no without a look at the keys. */
const bad: Array<[string, Forge]> = [
  ['no token at all', () => ''],
  ['no JWT', () => 'abc'],
  ['two parts', async issuer => (await parts(issuer)).slice(0, 2).join('.')],
  ['five parts', () => 'a.b.c.d.e'],
  ['a header that is no JSON', issuer => unsigned('{', claimsOf(issuer))],
  ['a header that is a list', issuer => unsigned([], claimsOf(issuer))],
  ['a payload that is no JSON', () => unsigned({ alg: 'RS256', kid: 'rsa' }, '{')],
  ['a payload that is no claims set', async () => await sign(rsa, '"ada"')],
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
  t.test(`a token with ${what} is not good, and the provider is not asked`, async (t) => {
    const { fake, verify } = await verifierOf(t)
    refuses(t, await verify(await forge(fake.issuer)))
    t.same(fake.requests, [])
  })
}

/** Those that only the keys tell from good ones. */
const forged: Array<[string, Forge]> = [
  [
    'the signature of a stranger with the same key id',
    async issuer => await sign(stranger, claimsOf(issuer))
  ],
  ['a signature of nothing', async issuer => unsigned({ alg: 'RS256', kid: 'rsa' }, claimsOf(issuer), '')],
  [
    'a signature that is none',
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
    'a certificate of its own in the header',
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
  t.test(`a token with ${what} is not good`, async (t) => {
    const { fake, verify } = await verifierOf(t)
    refuses(t, await verify(await forge(fake.issuer)))
  })
}

for (const name of ['jku', 'x5u']) {
  t.test(`an address of keys in the header (${name}) is not asked`, async (t) => {
    const { fake, verify } = await verifierOf(t)
    const evil = await fakeIssuer(t, stranger)
    refuses(t, await verify(await sign(stranger, claimsOf(fake.issuer), { [name]: evil.jwksUrl })))
    t.same(evil.requests, [])
    t.ok(
      isVerified(await verify(await sign(rsa, claimsOf(fake.issuer), { [name]: evil.jwksUrl }))),
      'nor does it spoil a good token'
    )
  })
}

const unusable: Array<[string, JWK]> = [
  ['a secret', { kty: 'oct', k: encode('a-secret-of-32-bytes-or-more-than'), kid: 'rsa', alg: 'HS256' }],
  ['a key for encryption', { ...rsa.jwk, use: 'enc' }],
  ['a key that may not verify', { ...rsa.jwk, key_ops: ['encrypt'] }],
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

for (const [what, claims] of [
  ['Keycloak', { typ: 'Bearer', azp: 'cli', nonce: 'n', sid: 's', acr: '1' }],
  ['Entra ID', { ver: '2.0', azp: 'cid', uti: 'u', aio: 'a', rh: 'r', nonce: 'n' }],
  ['Auth0', { azp: 'cli', gty: 'client-credentials', permissions: ['files:read'] }],
  ['Okta', { ver: 1, cid: 'cli', uid: 'u', scp: ['openid'] }],
  ['Dex', { at_hash: 'x', email: 'ada@example.com' }]
] as const) {
  t.test(`an access token as ${what} writes it is good`, async (t) => {
    const { fake, verify } = await verifierOf(t)
    t.ok(isVerified(await verify(await sign(rsa, claimsOf(fake.issuer, claims), { typ: 'JWT' }))))
  })
}

const strict: Array<[string, Record<string, unknown>, Record<string, unknown>, boolean]> = [
  ['at+jwt', {}, { typ: 'at+jwt' }, true],
  ['application/AT+JWT', {}, { typ: 'application/AT+JWT' }, true],
  ['JWT', {}, { typ: 'JWT' }, false],
  ['no type', {}, { typ: undefined }, false],
  ['at+jwt and a nonce', { nonce: 'n' }, { typ: 'at+jwt' }, false],
  ['at+jwt and an at_hash', { at_hash: 'x' }, { typ: 'at+jwt' }, false],
  ['at+jwt and a c_hash', { c_hash: 'x' }, { typ: 'at+jwt' }, false],
  ['at+jwt and the token_use of an ID token', { token_use: 'id' }, { typ: 'at+jwt' }, false],
  ['at+jwt and the token_use of an access token', { token_use: 'access' }, { typ: 'at+jwt' }, true]
]

for (const [what, claims, header, isGood] of strict) {
  t.test(`requireAt ${isGood ? 'takes' : 'refuses'} a token with ${what}`, async (t) => {
    const { fake, verify } = await verifierOf(t, [ec], { requireAt: true })
    t.equal(isVerified(await verify(await sign(ec, claimsOf(fake.issuer, claims), header))), isGood)
  })
}

const named: Array<[string, Record<string, unknown>, boolean]> = [
  ['client_id and no aud', { aud: undefined, client_id: 'mcp' }, true],
  ['client_id and our aud', { client_id: 'mcp', aud: 'mcp' }, true],
  ['client_id and another aud', { client_id: 'mcp', aud: 'other' }, false],
  ['another client_id', { aud: undefined, client_id: 'other' }, false],
  ['our aud and no client_id', { aud: 'mcp' }, false]
]

for (const [what, claims, isGood] of named) {
  t.test(`audienceClaim client_id ${isGood ? 'takes' : 'refuses'} a token with ${what}`, async (t) => {
    const { fake, verify } = await verifierOf(t, [ec], { audienceClaim: 'client_id', audience: ['mcp'] })
    t.equal(isVerified(await verify(await sign(ec, claimsOf(fake.issuer, claims)))), isGood)
  })
}

t.test('an expired token is named for the log by a key at hand alone', async (t) => {
  const { fake, verify } = await verifierOf(t, [ec])
  const old = claimsOf(fake.issuer, { exp: inSeconds(-1), jti: 'j-1' })
  t.same(await verify(await sign(ec, old)), { reason: 'the token has expired' })
  t.same(fake.requests, [], 'nobody is asked for it')
  await verify(await sign(ec, claimsOf(fake.issuer)))
  t.same(await verify(await sign(ec, old)), {
    reason: 'the token has expired',
    about: { subject: 'oauth:ada', tokenId: 'j-1' }
  })
  t.same(await verify(await sign({ ...ec, privateKey: (await signingKey('ES256', 'ec')).privateKey }, old)), {
    reason: 'the token has expired'
  })
})

t.test('a tolerance moves the limits of an issuer by as much, and no further', async (t) => {
  const { fake, verify } = await verifierOf(t, [ec], { toleranceSeconds: 5 })
  const now = inSeconds(0)
  t.intercept(Date, 'now', { value: () => now * 1000 })
  for (const [claims, isGood] of [
    [{ exp: now - 4 }, true],
    [{ exp: now - 5 }, false],
    [{ iat: now + 10 }, true],
    [{ iat: now + 11 }, false]
  ] as const) {
    t.equal(
      isVerified(await verify(await sign(ec, claimsOf(fake.issuer, { iat: now, ...claims })))),
      isGood,
      JSON.stringify(claims)
    )
  }
})

for (const [what, options] of [
  ['http beyond loopback', { issuer: 'http://id.example.com' }],
  ['a key set by http beyond loopback', { jwksUrl: 'http://id.example.com/jwks' }],
  ['a key set in a file', { jwksUrl: 'file:///etc/passwd' }],
  ['a host that only begins like loopback', { issuer: 'http://127.0.0.1.evil.example.com' }],
  ['a password in the address', { issuer: 'https://user:password@id.example.com' }],
  ['no audience', { audience: [] }]
] as Array<[string, Partial<IssuerOptions>]>) {
  t.test(`an issuer with ${what} is refused at the start`, async (t) => {
    t.throws(() => createIssuerVerifier({ issuer: 'https://id.example.com', audience: [audience], ...options }), Error)
  })
}

/** Refused, and the reason is a constant. */
function refuses (t: Test, verdict: Verdict): void {
  t.same(Object.keys(verdict), ['reason'])
  t.match(verdict, { reason: /^(?!.*\bada\b)[\w ()+',]{5,60}$/ })
}
