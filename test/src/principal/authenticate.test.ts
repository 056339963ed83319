/** What several credentials prove together, and what is verified again. */
import t from 'tap'
import { createAuthenticator, nothingPresented } from '../../../src/principal/authenticate.js'
import type { Verdict, Verified } from '../../../src/principal/presented.js'
import { createKnownCredentials } from '../../../src/principal/known-credentials.js'

const byKey: Verified = { principal: { id: 'apikey:1', role: 'user', scopes: [], method: 'api-key', attributes: {} } }
const byToken: Verified = { principal: { id: 'jwt:ada', role: 'user', scopes: [], method: 'jwt', attributes: {} } }
const bad: Verdict = { reason: 'bad' }

t.test('a key and a token that are both good prove who the key names', async (t) => {
  const authenticate = createAuthenticator({ verifyKey: () => byKey, verifyToken: () => byToken })
  t.equal(authenticate({ key: 'k', token: 't' }), byKey)
})

t.test('a bad key beside a good token proves nobody', async (t) => {
  const authenticate = createAuthenticator({ verifyKey: () => bad, verifyToken: () => byToken })
  t.equal(authenticate({ key: 'k', token: 't' }), bad)
})

t.test('a bad token beside a good key proves nobody', async (t) => {
  const authenticate = createAuthenticator({ verifyKey: () => byKey, verifyToken: () => bad })
  t.equal(authenticate({ key: 'k', token: 't' }), bad)
})

t.test('a known token beside a bad key proves nobody', async (t) => {
  const known = createKnownCredentials({ ttlMs: 60_000 })
  const authenticate = createAuthenticator({ verifyKey: () => bad, verifyToken: () => byToken, known })
  t.equal(authenticate({ token: 't' }), byToken)
  t.equal(authenticate({ key: 'k', token: 't' }), bad)
})

t.test('a bad key is refused even beside a token that cannot be judged right now', async (t) => {
  const authenticate = createAuthenticator({
    verifyKey: () => bad,
    verifyToken: async () => {
      throw new Error('no answer')
    }
  })
  t.equal(await authenticate({ key: 'k', token: 't' }), bad)
})

t.test('nothing proves nobody', async (t) => {
  const authenticate = createAuthenticator({ verifyKey: () => byKey, verifyToken: () => byToken })
  t.equal(authenticate({}), nothingPresented)
})

t.test('what is malformed is not verified', async (t) => {
  const authenticate = createAuthenticator({ verifyKey: () => byKey, verifyToken: () => byToken })
  t.same(authenticate({ malformed: 'x-api-key is repeated' }), { reason: 'x-api-key is repeated' })
})

t.test('a kind of credential without a verifier proves nobody', async (t) => {
  t.match(createAuthenticator({ verifyToken: () => byToken })({ key: 'k' }), { reason: String })
  t.match(createAuthenticator({ verifyKey: () => byKey })({ token: 't' }), { reason: String })
  t.match(createAuthenticator({ verifyKey: () => byKey })({ key: 'k', token: 't' }), { reason: String })
})

t.test('a verifier that has to ask elsewhere is waited for', async (t) => {
  const authenticate = createAuthenticator({ verifyKey: () => byKey, verifyToken: async () => bad })
  t.equal(authenticate({ key: 'k' }), byKey)
  t.equal(await authenticate({ key: 'k', token: 't' }), bad)
})

t.test('the fault of a verifier is no verdict', async (t) => {
  const known = createKnownCredentials({ ttlMs: 60_000 })
  const authenticate = createAuthenticator({ verifyToken: async () => { throw new Error('no answer') }, known })
  await t.rejects(async () => await authenticate({ token: 't' }), { message: 'no answer' })
})

t.test('a known token is verified again at half time, a key each time', async (t) => {
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

t.test('a token is verified again within minutes, however long an address is spared', async (t) => {
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

t.test('a token in use is always known, however long', async (t) => {
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
  t.test(`a ${kind} that is good and revoked proves nobody, and is not remembered`, async (t) => {
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

  t.test(`a ${kind} that is known proves nobody once it was revoked`, async (t) => {
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

t.test('what was refused is not remembered', async (t) => {
  const known = createKnownCredentials({ ttlMs: 60_000 })
  known.remember = () => t.fail('a refused credential is remembered')
  const authenticate = createAuthenticator({ verifyKey: () => bad, verifyToken: () => bad, known })
  t.equal(authenticate({ key: 'k', token: 't' }), bad)
})

t.test('a key counts as used once all that was sent is good and nothing of it is revoked', async (t) => {
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

t.test('a bad key is asked for like a good one, for nobody, and stays bad for its own reason', async (t) => {
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
