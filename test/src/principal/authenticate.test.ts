/** Requests with several credentials, and cached credentials that are verified again. */
import t from 'tap'
import { createAuthenticator, nothingPresented } from '../../../src/principal/authenticate.js'
import type { Verdict, Verified } from '../../../src/principal/presented.js'
import { createKnownCredentials } from '../../../src/principal/known-credentials.js'

const byKey: Verified = { principal: { id: 'apikey:1', role: 'user', scopes: [], method: 'api-key', attributes: {} } }
const byToken: Verified = { principal: { id: 'jwt:ada', role: 'user', scopes: [], method: 'jwt', attributes: {} } }
const bad: Verdict = { reason: 'bad' }

t.test('a valid key and a valid token give the principal of the key', async (t) => {
  const authenticate = createAuthenticator({ verifyKey: () => byKey, verifyToken: () => byToken })
  t.equal(authenticate({ key: 'k', token: 't' }), byKey)
})

t.test('an invalid key with a valid token is refused', async (t) => {
  const authenticate = createAuthenticator({ verifyKey: () => bad, verifyToken: () => byToken })
  t.equal(authenticate({ key: 'k', token: 't' }), bad)
})

t.test('an invalid token with a valid key is refused', async (t) => {
  const authenticate = createAuthenticator({ verifyKey: () => byKey, verifyToken: () => bad })
  t.equal(authenticate({ key: 'k', token: 't' }), bad)
})

t.test('a cached token with an invalid key is refused', async (t) => {
  const known = createKnownCredentials({ ttlMs: 60_000 })
  const authenticate = createAuthenticator({ verifyKey: () => bad, verifyToken: () => byToken, known })
  t.equal(authenticate({ token: 't' }), byToken)
  t.equal(authenticate({ key: 'k', token: 't' }), bad)
})

t.test('an invalid key is refused next to an unverifiable token', async (t) => {
  const authenticate = createAuthenticator({
    verifyKey: () => bad,
    verifyToken: async () => {
      throw new Error('no answer')
    }
  })
  t.equal(await authenticate({ key: 'k', token: 't' }), bad)
})

t.test('a request without a credential is refused', async (t) => {
  const authenticate = createAuthenticator({ verifyKey: () => byKey, verifyToken: () => byToken })
  t.equal(authenticate({}), nothingPresented)
})

t.test('malformed credentials are not verified', async (t) => {
  const authenticate = createAuthenticator({ verifyKey: () => byKey, verifyToken: () => byToken })
  t.same(authenticate({ malformed: 'x-api-key is repeated' }), { reason: 'x-api-key is repeated' })
})

t.test('a kind of credential without a verifier is refused', async (t) => {
  t.match(createAuthenticator({ verifyToken: () => byToken })({ key: 'k' }), { reason: String })
  t.match(createAuthenticator({ verifyKey: () => byKey })({ token: 't' }), { reason: String })
  t.match(createAuthenticator({ verifyKey: () => byKey })({ key: 'k', token: 't' }), { reason: String })
})

t.test('an async verifier is awaited', async (t) => {
  const authenticate = createAuthenticator({ verifyKey: () => byKey, verifyToken: async () => bad })
  t.equal(authenticate({ key: 'k' }), byKey)
  t.equal(await authenticate({ key: 'k', token: 't' }), bad)
})

t.test('an error of a verifier is not a refusal', async (t) => {
  const known = createKnownCredentials({ ttlMs: 60_000 })
  const authenticate = createAuthenticator({ verifyToken: async () => { throw new Error('no answer') }, known })
  await t.rejects(async () => await authenticate({ token: 't' }), { message: 'no answer' })
})

t.test('a cached token is verified again at half of the ttl, a key always', async (t) => {
  let time = 0
  t.intercept(performance, 'now', { value: () => time })
  const known = createKnownCredentials({ ttlMs: 1000 })
  const verified: string[] = []
  const authenticate = createAuthenticator({
    verifyKey: () => { verified.push('key'); return byKey },
    verifyToken: () => { verified.push('token'); return byToken },
    known
  })
  for (time of [0, 499, 500, 999]) {
    authenticate({ token: 't' })
    authenticate({ key: 'k' })
  }
  t.same(verified, ['token', 'key', 'key', 'token', 'key', 'key'])
})

t.test('a token is verified again within minutes, whatever the ttl', async (t) => {
  let time = 0
  t.intercept(performance, 'now', { value: () => time })
  let verdict: Verdict = byToken
  const authenticate = createAuthenticator({
    verifyToken: () => verdict,
    known: createKnownCredentials({ ttlMs: 86_400_000 })
  })
  t.equal(authenticate({ token: 't' }), byToken)
  verdict = bad
  time = 300_000
  t.equal(authenticate({ token: 't' }), bad)
})

t.test('a token in use stays cached', async (t) => {
  let time = 0
  t.intercept(performance, 'now', { value: () => time })
  const known = createKnownCredentials({ ttlMs: 1000 })
  const authenticate = createAuthenticator({ verifyToken: () => byToken, known })
  let digest = ''
  const remember = known.remember
  known.remember = (kind, ofToken, verified) => { digest = ofToken; remember(kind, ofToken, verified) }
  for (time of [0, 400, 800, 1200, 1600]) {
    authenticate({ token: 't' })
    t.equal(known.recall('token', digest), byToken)
  }
})

for (const [kind, presented] of [['key', { key: 'k' }], ['token', { token: 't' }]] as const) {
  t.test(`a ${kind} that is valid but revoked is refused and not cached`, async (t) => {
    const known = createKnownCredentials({ ttlMs: 60_000 })
    known.remember = () => t.fail('a revoked credential is remembered')
    const isRevoked = (): boolean => true
    t.match(
      createAuthenticator({ verifyKey: () => byKey, verifyToken: () => byToken, isRevoked, known })(
        presented
      ),
      { reason: /revoked/ }
    )
    t.match(
      createAuthenticator({ verifyKey: () => byKey, verifyToken: () => byToken, isRevoked })(presented),
      { reason: /revoked/ }
    )
  })

  t.test(`a ${kind} that is cached is refused once revoked`, async (t) => {
    let isRevoked = false
    const authenticate = createAuthenticator({
      verifyKey: () => byKey,
      verifyToken: () => byToken,
      isRevoked: () => isRevoked,
      known: createKnownCredentials({ ttlMs: 60_000 })
    })
    t.match(authenticate(presented), { principal: {} })
    isRevoked = true
    t.match(authenticate(presented), { reason: /revoked/ })
  })
}

t.test('refused credentials are not cached', async (t) => {
  const known = createKnownCredentials({ ttlMs: 60_000 })
  known.remember = () => t.fail('a refused credential is remembered')
  const authenticate = createAuthenticator({ verifyKey: () => bad, verifyToken: () => bad, known })
  t.equal(authenticate({ key: 'k', token: 't' }), bad)
})

t.test('onKeyUse is called only if every credential is valid and not revoked', async (t) => {
  for (const [what, token, verdict, isRevoked, uses] of [
    ['a key alone', undefined, byToken, false, 1],
    ['with a good token', 't', byToken, false, 1],
    ['with a bad token', 't', bad, false, 0],
    ['a key that was revoked', undefined, byToken, true, 0]
  ] as const) {
    const used: unknown[] = []
    const authenticate = createAuthenticator({
      verifyKey: () => byKey,
      verifyToken: () => verdict,
      isRevoked: () => isRevoked,
      onKeyUse: principal => {
        used.push(principal)
      }
    })
    authenticate({ key: 'k', ...(token === undefined ? {} : { token }) })
    t.same(used, uses === 1 ? [byKey.principal] : [], what)
  }
})

t.test('isRevoked is called with a placeholder for an invalid key', async (t) => {
  const asked: string[] = []
  const authenticate = createAuthenticator({
    verifyKey: () => bad,
    isRevoked: ({ id }) => {
      asked.push(id)
      return true
    }
  })
  t.equal(authenticate({ key: 'k' }), bad)
  t.same(asked, ['apikey:'])
})
