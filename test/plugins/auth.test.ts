/** The auth plugin on a bare Fastify: which credentials are accepted, and the answers to the others. */
import { createHash } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import auth, { type AuthOptions } from '../../plugins/auth.js'
import { createKnownCredentials } from '../../src/principal/known-credentials.js'
import { audience, claimsOf, fakeIssuer, jwksTimeoutMs, sign, signingKey } from '../support/issuer.js'
import { encode, forge, forgeClaims, inSeconds, otherTails, secret } from '../support/tokens.js'

const key = 'a-key-of-the-tests'
const both: AuthOptions = { apiKeys: [key, 'another-key-of-the-tests'], jwt: { secret } }

/** The plugin alone. `/private` returns the principal; `/public` is a public route. */
async function authApp (t: Test, options: AuthOptions = both): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(auth, options)
  app.get('/private', async (request) => ({ frozen: Object.isFrozen(request.principal), ...request.principal }))
  app.get('/public', { config: { public: true } }, async (request) => ({ principal: request.principal }))
  return app
}

t.test('a key authenticates its caller', async (t) => {
  const app = await authApp(t)
  const response = await app.inject({ url: '/private', headers: { 'x-api-key': key } })
  const keyId = createHash('sha256').update(key).digest('hex').slice(0, 12)
  t.equal(response.statusCode, 200)
  t.same(response.json(), {
    frozen: true,
    id: `apikey:${keyId}`,
    role: 'user',
    scopes: [],
    method: 'api-key',
    keyId,
    attributes: {}
  })
})

t.test('a token authenticates its caller', async (t) => {
  const app = await authApp(t)
  const exp = inSeconds(600)
  const response = await app.inject({
    url: '/private',
    headers: { authorization: `bearer ${forgeClaims({ exp, role: 'admin' })}` }
  })
  t.equal(response.statusCode, 200)
  t.same(response.json(), {
    frozen: true,
    id: 'jwt:ada',
    role: 'admin',
    scopes: [],
    method: 'jwt',
    expiresAt: exp * 1000,
    attributes: {}
  })
})

t.test('a valid key and a valid token authenticate the caller of the key', async (t) => {
  const app = await authApp(t)
  const response = await app.inject({
    url: '/private',
    headers: { 'x-api-key': key, authorization: `Bearer ${forge()}` }
  })
  t.match(response.json(), { method: 'api-key' })
})

t.test('a revoked key or token is refused, even if cached', async (t) => {
  const known = createKnownCredentials({ ttlMs: 60_000 })
  let revoked = ''
  const app = await authApp(t, { ...both, known, isRevoked: ({ method }) => method === revoked })
  const status = async (headers: Record<string, string>): Promise<number> =>
    (await app.inject({ url: '/private', headers })).statusCode
  const [byKey, byToken] = [{ 'x-api-key': key }, { authorization: `Bearer ${forge()}` }]
  t.same([await status(byKey), await status(byToken)], [200, 200])
  revoked = 'api-key'
  t.same([await status(byKey), await status(byToken), await status({ ...byKey, ...byToken })], [401, 200, 401])
  revoked = 'jwt'
  t.same([await status(byKey), await status(byToken), await status({ ...byKey, ...byToken })], [200, 401, 401])
})

t.test('a Basic header of a proxy is ignored with a key', async (t) => {
  const app = await authApp(t)
  const response = await app.inject({ url: '/private', headers: { 'x-api-key': key, authorization: 'Basic dTpw' } })
  t.equal(response.statusCode, 200)
})

t.test('a public route needs no credential', async (t) => {
  const app = await authApp(t)
  const response = await app.inject({ url: '/public', headers: { 'x-api-key': key } })
  t.same(response.json(), { principal: null })
})

t.test('a token is valid until the moment it expires', async (t) => {
  const app = await authApp(t)
  const exp = inSeconds(600)
  const headers = { authorization: `Bearer ${forgeClaims({ exp })}` }
  t.intercept(Date, 'now', { value: () => exp * 1000 - 1 })
  t.equal((await app.inject({ url: '/private', headers })).statusCode, 200)
  t.intercept(Date, 'now', { value: () => exp * 1000 })
  t.equal((await app.inject({ url: '/private', headers })).statusCode, 401)
})

const refused: Array<[string, Record<string, string | string[]>]> = [
  ['a wrong key', { 'x-api-key': 'wrong' }],
  ['an empty key', { 'x-api-key': '' }],
  ['a prefix of a key', { 'x-api-key': key.slice(0, -1) }],
  ['a key with an extra character', { 'x-api-key': key + 'x' }],
  ['a key in upper case', { 'x-api-key': key.toUpperCase() }],
  ['a key with a space', { 'x-api-key': `${key} ` }],
  ['two keys joined', { 'x-api-key': `${key}, ${key}` }],
  ['a key sent twice', { 'x-api-key': [key, key] }],
  ['the digest of a key', { 'x-api-key': createHash('sha256').update(key).digest('hex') }],
  ['a key as a token', { authorization: `Bearer ${key}` }],
  ['a token as a key', { 'x-api-key': forge() }],
  ['a good key with a bad token', { 'x-api-key': key, authorization: 'Bearer abc' }],
  ['a good token with a bad key', { 'x-api-key': 'wrong', authorization: `Bearer ${forge()}` }],
  ['a token sent twice', { authorization: [`Bearer ${forge()}`, `Bearer ${forge()}`] }],
  ['Bearer without a token', { authorization: 'Bearer' }],
  ['two words after Bearer', { authorization: 'Bearer abc def' }],
  ['a token of 100 KB', { authorization: `Bearer ${'a'.repeat(100_000)}` }],
  ['an expired token', { authorization: `Bearer ${forgeClaims({ exp: inSeconds(-1) })}` }],
  ['a token without exp', { authorization: `Bearer ${forgeClaims({ exp: undefined })}` }],
  ['a token without sub', { authorization: `Bearer ${forgeClaims({ sub: undefined })}` }],
  ['a token that is not valid yet', { authorization: `Bearer ${forgeClaims({ nbf: inSeconds(60) })}` }],
  ['a token with alg none', { authorization: `Bearer ${encode({ alg: 'none' })}.${encode({ sub: 'ada' })}.` }],
  ['a token with HS512', { authorization: `Bearer ${forge({ header: { alg: 'HS512' }, hash: 'sha512' })}` }],
  ['a token with crit', { authorization: `Bearer ${forge({ header: { alg: 'HS256', crit: ['exotic'] } })}` }],
  ['a token whose payload is not an object', { authorization: `Bearer ${forge({ payload: '"ada"' })}` }],
  ['a token with another spelling of its signature', { authorization: `Bearer ${otherTails(forge())[0]}` }]
]

for (const [what, headers] of refused) {
  t.test(`${what} gets the usual 401`, async (t) => {
    const app = await authApp(t)
    const one = await app.inject({ url: '/private', headers: { 'x-api-key': 'some other wrong key' } })
    const other = await app.inject({ url: '/private', headers })
    t.equal(other.statusCode, 401)
    t.equal(other.headers['www-authenticate'], 'Bearer realm="mcp", error="invalid_token"')
    t.equal(other.body, one.body)
    t.same({ ...other.headers, date: '' }, { ...one.headers, date: '' })
  })
}

const nothing: Array<[string, string, Record<string, string>]> = [
  ['no credential', '/private', {}],
  ['a key in the query', `/private?x-api-key=${key}&api_key=${key}`, {}],
  ['a token in the query', `/private?access_token=${forge()}`, {}],
  ['a key in a cookie', '/private', { cookie: `x-api-key=${key}` }],
  ['only Basic', '/private', { authorization: `Basic ${Buffer.from(`${key}:`).toString('base64')}` }],
  ['an unknown scheme', '/private', { authorization: `Token ${key}` }]
]

for (const [what, url, headers] of nothing) {
  t.test(`${what} gets the usual 401 with a challenge without an error`, async (t) => {
    const app = await authApp(t)
    const wrong = await app.inject({ url: '/private', headers: { 'x-api-key': 'wrong' } })
    const response = await app.inject({ url, headers })
    t.equal(response.statusCode, 401)
    t.equal(response.headers['www-authenticate'], 'Bearer realm="mcp"')
    t.equal(response.body, wrong.body)
  })
}

for (const method of ['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'] as const) {
  t.test(`${method} requires authentication`, async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(auth, both)
    app.all('/everything', async () => 'reached')
    t.equal((await app.inject({ method, url: '/everything' })).statusCode, 401)
    t.equal((await app.inject({ method, url: '/everything', headers: { 'x-api-key': key } })).statusCode, 200)
  })
}

t.test('the body of an unauthenticated request is not parsed', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(auth, both)
  app.addContentTypeParser('*', () => t.fail('a body was parsed'))
  app.post('/private', async () => 'reached')
  const response = await app.inject({
    method: 'POST',
    url: '/private',
    headers: { 'content-type': 'text/x' },
    payload: '{'
  })
  t.equal(response.statusCode, 401)
})

t.test('an unknown path is 404 with any credential', async (t) => {
  const app = await authApp(t)
  for (const headers of [{}, { 'x-api-key': 'wrong' }, { 'x-api-key': key }]) {
    const response = await app.inject({ url: '/unknown', headers })
    t.equal(response.statusCode, 404)
  }
})

t.test('a preflight on a protected route is refused', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(auth, both)
  app.options('/private', async () => 'reached')
  const preflight = { origin: 'https://a.example', 'access-control-request-method': 'POST', 'x-api-key': key }
  const response = await app.inject({ method: 'OPTIONS', url: '/private', headers: preflight })
  t.equal(response.statusCode, 401)
})

t.test('only the log has the reason of a refusal, without the credential', async (t) => {
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(auth, both)
  app.get('/private', async () => 'reached')
  app.setErrorHandler((error: { reason?: string }, request, reply) => {
    request.log.info({ reason: error.reason })
    return reply.code(401).send()
  })
  const token = forgeClaims({ exp: inSeconds(-1) })
  await app.inject({ url: '/private', headers: { authorization: `Bearer ${token}` } })
  await app.inject({ url: '/unknown', headers: { 'x-api-key': 'wrong-key' } })
  t.match(lines.join(''), /FAST_JWT_EXPIRED/)
  t.match(lines.join(''), /the API key is unknown/)
  t.notMatch(lines.join(''), new RegExp(`wrong-key|${token.slice(-20)}|${token.slice(0, 20)}`))
})

const badOptions: Array<[string, AuthOptions]> = [
  ['no kind of credential', {}],
  ['an empty list of keys and no secret', { apiKeys: [] }],
  ['an empty secret', { jwt: { secret: '' } }],
  ['a secret of spaces', { jwt: { secret: '   ' } }],
  [
    'a public key as a secret',
    {
      jwt: {
        secret:
          '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----'
      }
    }
  ],
  ['a key listed twice', { apiKeys: [key, key] }],
  ['a blank key', { apiKeys: [' '] }],
  ['a placeholder as a key', { apiKeys: ['my-change-me-api-key'], allowWeakSecrets: true }],
  ['a short key', { apiKeys: ['fifteen-letters'] }],
  ['a short secret', { jwt: { secret: 's'.repeat(31) } }],
  ['a short previous secret', { jwt: { secret, previousSecrets: ['s'.repeat(31)] } }],
  ['a realm with a quote', { ...both, realm: 'a"b' }],
  ['a realm with a line break', { ...both, realm: 'a\r\nx-evil: 1' }]
]

for (const [what, options] of badOptions) {
  t.test(`${what} stops the start`, async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await t.rejects(async () => { await app.register(auth, options) })
  })
}

t.test('the realm is configurable', async (t) => {
  const app = await authApp(t, { ...both, realm: 'Team server #1' })
  const response = await app.inject('/private')
  t.equal(response.headers['www-authenticate'], 'Bearer realm="Team server #1"')
})

t.test('an issuer alone is enough, and its problems are exposed', async (t) => {
  const signing = await signingKey('ES256', 'k')
  const fake = await fakeIssuer(t, signing)
  const app = await authApp(t, {
    oauth: { issuer: fake.issuer, audience: [audience], cache: { timeoutMs: jwksTimeoutMs } }
  })
  const headers = { authorization: `Bearer ${await sign(signing, claimsOf(fake.issuer))}` }
  t.match((await app.inject({ url: '/private', headers })).json(), {
    frozen: true,
    id: 'oauth:ada',
    issuer: fake.issuer,
    method: 'jwt'
  })
  t.equal((await app.inject({ url: '/private', headers: { authorization: `Bearer ${forge()}` } })).statusCode, 401)
  t.equal((await app.inject({ url: '/private', headers: { 'x-api-key': key } })).statusCode, 401)
  t.same(app.issuerProblems(), [])
})

t.test('an unavailable provider is a 503, not a 401', async (t) => {
  const signing = await signingKey('ES256', 'k')
  const fake = await fakeIssuer(t)
  await fake.stop()
  const app = await authApp(t, { ...both, oauth: { issuer: fake.issuer, audience: [audience] } })
  const response = await app.inject({
    url: '/private',
    headers: { authorization: `Bearer ${await sign(signing, claimsOf(fake.issuer))}` }
  })
  t.equal(response.statusCode, 503)
  t.match(app.issuerProblems(), [/cannot be reached/])
  t.equal(
    (await app.inject({ url: '/private', headers: { authorization: `Bearer ${forge()}` } })).statusCode,
    200,
    'our own tokens need no provider'
  )
})
