/** Which keys can sign in, and which scopes a sign-in grants. */
import t from 'tap'
import { revokeKey } from '../../../src/api-keys/changes.js'
import { changeKeyFile } from '../../../src/api-keys/file.js'
import { authorizeUrl, open, pkce, press, register, signIn, signInService, token } from '../../support/sign-in.js'
import { adaKey, callOf, post } from '../../support/service.js'
import { forReaders, withKey } from '../../support/signed-in-with-key.js'

t.test('scopes beyond the key are shown and not granted', async t => {
  const { app, key } = await withKey(t)
  const clientId = await register(app)
  const { challenge } = pkce()
  const second = await press(
    app,
    await open(app, authorizeUrl(clientId, challenge, { scope: 'files:read files:write' })),
    'continue',
    { key }
  )
  t.match(second.html, /files:write, which your key does not have/)
  t.equal((await signIn(app, { key, clientId, fields: { scope: 'files:read files:write' } })).scope, 'files:read')
})

t.test('a key without scopes grants none of the requested scopes', async t => {
  const app = await signInService(t, { tools: [forReaders] })
  const { bearer, scope } = await signIn(app, { fields: { scope: 'files:read' } })
  t.equal(scope, '')
  t.ok((await post(app, callOf('for-readers'), bearer)).body.error)
})

for (const [what, options, status] of [
  ['made with --no-oauth', { oauth: false }, 403],
  ['limited to networks', { cidrs: ['127.0.0.0/8'] }, 403],
  ['limited to networks, made with --oauth', { cidrs: ['127.0.0.0/8'], oauth: true }, 200],
  ['limited to other networks, made with --oauth', { cidrs: ['192.0.2.0/24'], oauth: true }, 401]
] as const) {
  t.test(`a key ${what} gets ${status} at the sign-in`, async t => {
    const { app, key } = await withKey(t, options)
    const page = await press(
      app,
      await open(app, authorizeUrl(await register(app), pkce().challenge)),
      'continue',
      { key }
    )
    t.equal(page.status, status)
  })
}

t.test('a wrong key and an expired key get the same answer and are charged', async t => {
  const { app, path, key, id, changed } = await withKey(t)
  await changeKeyFile(path, records => revokeKey(records, id))
  const clientId = await register(app)
  const first = await open(app, authorizeUrl(clientId, pkce().challenge))
  await changed()
  const answers = await Promise.all(
    [key, `${key}x`, 'nonsense', ''].map(async one => await press(app, first, 'continue', { key: one }))
  )
  t.equal(new Set(answers.map(({ html }) => html)).size, 1)
  t.ok(answers.every(({ status, headers }) => status === 401 && 'x-ratelimit-remaining' in headers))
})

t.test('all clients share the rate limit of the owner', async t => {
  const app = await signInService(t, { env: { RATE_LIMIT_MAX: '4' } })
  const [one, other] = [await signIn(app), await signIn(app)]
  const statuses = []
  for (const headers of [one.bearer, other.bearer, { 'x-api-key': adaKey }, one.bearer, other.bearer]) {
    statuses.push((await post(app, callOf('whoami'), headers)).status)
  }
  t.same(statuses, [200, 200, 200, 200, 429])
})

t.test('a client of an admin cannot mint tokens if keys cannot', async t => {
  const { app, key } = await withKey(t, { role: 'admin' })
  const { bearer } = await signIn(app, { key })
  t.ok((await post(app, callOf('generate-token', { userId: 'eve' }), bearer)).body.error)
})

t.test('a token is refused by another endpoint with the same secret', async t => {
  const one = await signInService(t)
  const other = await signInService(t, { env: { PUBLIC_URL: 'https://other.example.com' } })
  const { bearer, refreshToken, clientId } = await signIn(one)
  t.equal((await post(one, callOf('whoami'), bearer)).status, 200)
  t.equal((await post(other, callOf('whoami'), bearer)).status, 401)
  t.match(
    await token(other, {
      grant_type: 'refresh_token',
      client_id: await register(other),
      refresh_token: refreshToken
    }),
    { status: 400 }
  )
  t.ok(clientId)
})
