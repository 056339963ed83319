/** Verifies tokens of an identity provider, and reads their rights. */
import t from 'tap'
import { isVerified } from '../../../../src/principal/presented.js'
import { createIssuerVerifier, type IssuerOptions } from '../../../../src/tokens/provider/issuer.js'
import { audience, claimsOf, fakeIssuer, jwksTimeoutMs, sign, signingKey } from '../../../support/issuer.js'
import { inSeconds } from '../../../support/tokens.js'
import { rsa, ec, all, verifierOf } from '../../../support/issuer-keys.js'

for (const key of all) {
  t.test(`a token signed with ${key.alg} is valid until it expires`, async (t) => {
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

  t.test(`a key without alg verifies ${key.alg} by its type`, async (t) => {
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

t.test('jwksUrl is the only address that is fetched', async (t) => {
  const elsewhere = await fakeIssuer(t, rsa)
  const verifier = createIssuerVerifier({
    issuer: 'https://id.example.com/',
    jwksUrl: elsewhere.jwksUrl,
    audience: [audience],
    cache: { timeoutMs: jwksTimeoutMs }
  })
  t.ok(isVerified(await verifier.verify(await sign(rsa, claimsOf('https://id.example.com/')))))
  t.same(elsewhere.requests, ['/jwks'])
})

t.test('the principal of an issuer is frozen', async (t) => {
  const { fake, verify } = await verifierOf(t)
  const verdict = await verify(await sign(ec, claimsOf(fake.issuer)))
  if (!isVerified(verdict)) return t.fail('the token is invalid')
  t.throws(() => Object.assign(verdict.principal, { role: 'admin' }), TypeError)
  t.throws(() => Object.assign(verdict.principal.scopes, ['*']), TypeError)
})

for (const typ of [undefined, 'JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'application/jwt']) {
  t.test(`the typ ${String(typ)} is accepted for access tokens`, async (t) => {
    const { fake, verify } = await verifierOf(t)
    t.ok(isVerified(await verify(await sign(ec, claimsOf(fake.issuer), { typ }))))
  })
}

const mapped: Array<
  [string, Record<string, unknown>, Partial<IssuerOptions>, { role: string; scopes: string[] }]
> = [
  [
    'roles without rolesClaim',
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
    'an admin role with another name',
    { roles: ['mcp-admins'] },
    { rolesClaim: 'roles', adminRole: 'mcp-admins' },
    { role: 'admin', scopes: [] }
  ],
  [
    'admin if the admin role has another name',
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
    'a path to a member of every object',
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
  ['invalid scopes', { scope: ['a b', 1, null, ['c'], '', 'd'] }, {}, { role: 'user', scopes: ['d'] }],
  ['scopes in an object', { scope: { files: true } }, {}, { role: 'user', scopes: [] }]
]

for (const [what, claims, options, rights] of mapped) {
  t.test(`${what} give exactly their rights`, async (t) => {
    const { fake, verify } = await verifierOf(t, [ec], options)
    t.match(await verify(await sign(ec, claimsOf(fake.issuer, claims))), { principal: rights })
  })
}

for (const [what, claims] of [
  ['Keycloak', { typ: 'Bearer', azp: 'cli', nonce: 'n', sid: 's', acr: '1' }],
  ['Entra ID', { ver: '2.0', azp: 'cid', uti: 'u', aio: 'a', rh: 'r', nonce: 'n' }],
  ['Auth0', { azp: 'cli', gty: 'client-credentials', permissions: ['files:read'] }],
  ['Okta', { ver: 1, cid: 'cli', uid: 'u', scp: ['openid'] }],
  ['Dex', { at_hash: 'x', email: 'ada@example.com' }]
] as const) {
  t.test(`an access token as issued by ${what} is accepted`, async (t) => {
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
  t.test(`requireAt ${isGood ? 'accepts' : 'refuses'} a token with ${what}`, async (t) => {
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
  t.test(`audienceClaim client_id ${isGood ? 'accepts' : 'refuses'} a token with ${what}`, async (t) => {
    const { fake, verify } = await verifierOf(t, [ec], { audienceClaim: 'client_id', audience: ['mcp'] })
    t.equal(isVerified(await verify(await sign(ec, claimsOf(fake.issuer, claims)))), isGood)
  })
}

t.test('the log names an expired token only if a key verifies it', async (t) => {
  const { fake, verify } = await verifierOf(t, [ec])
  const old = claimsOf(fake.issuer, { exp: inSeconds(-1), jti: 'j-1' })
  t.same(await verify(await sign(ec, old)), { reason: 'the token has expired' })
  t.same(fake.requests, [], 'the provider is not asked')
  await verify(await sign(ec, claimsOf(fake.issuer)))
  t.same(await verify(await sign(ec, old)), {
    reason: 'the token has expired',
    about: { subject: 'oauth:ada', tokenId: 'j-1' }
  })
  t.same(await verify(await sign({ ...ec, privateKey: (await signingKey('ES256', 'ec')).privateKey }, old)), {
    reason: 'the token has expired'
  })
})

t.test('a tolerance moves every time limit by exactly as much', async (t) => {
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
