/** What strangers and concurrent requests can do to the store of the authorization server. */
import Fastify, { type FastifyInstance } from 'fastify'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import t, { type Test } from 'tap'
import oauthServer, { type OAuthServerOptions } from '../../../plugins/oauth-server.js'
import { type Documents, DocumentsFullError, maxDocuments } from '../../../src/oauth/server/documents/documents.js'
import { NotSharedError } from '../../../src/fleet/bus.js'
import { documentsInMemory } from '../../../src/oauth/server/documents/in-memory.js'
import {
  adaKey, approve, authorizeUrl, form, isRefreshRefused, open, pkce, press, publicUrl, register, signIn, token
} from '../../support/sign-in.js'
import { secret } from '../../support/tokens.js'
import { until } from '../../support/until.js'

async function appWith (
  t: Test,
  documents: Documents,
  more: Partial<OAuthServerOptions> = {}
): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(oauthServer, { publicUrl, jwtSecret: secret, apiKeys: [adaKey], documents, ...more })
  return app
}

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

t.test('a denial without a key takes no room from approvals', async t => {
  const documents = documentsInMemory()
  const app = await appWith(t, documents)
  const clientId = await register(app)
  const page = await open(app, authorizeUrl(clientId, pkce().challenge))
  t.equal((await press(app, page, 'deny')).status, 303)
  t.equal((await press(app, page, 'deny')).status, 400)
  t.equal((await press(app, page, 'continue', { key: adaKey })).status, 400)
  t.same(await documents.list('once'), [])

  for (let n = 1; n < maxDocuments; n++) await documents.put('denied', String(n), {}, { version: 0, endsAt: null })
  const full = await open(app, authorizeUrl(clientId, pkce().challenge))
  t.match((await press(app, full, 'deny')).location?.searchParams.get('error'), 'access_denied')
  t.ok((await signIn(app, { clientId })).accessToken)
})

t.test('an assertion is stored only if the rest of the request is valid', async t => {
  const documents = documentsInMemory()
  const app = await appWith(t, documents)
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const clientId = await register(app, {
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [await exportJWK(publicKey)] }
  })
  const proof = {
    client_id: clientId,
    client_assertion_type: assertionType,
    client_assertion: await new SignJWT({ jti: 'one' })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(publicUrl)
      .setExpirationTime('5m')
      .sign(privateKey)
  }
  const { redeem } = await approve(app, { clientId })
  const before = await documents.list('once')
  for (const bad of [
    { ...redeem, code: `mcp_code_${'a'.repeat(43)}` },
    { ...redeem, code_verifier: pkce().verifier },
    { grant_type: 'refresh_token', refresh_token: 'garbage' }
  ]) t.match(await token(app, { ...bad, ...proof }), { status: 400, body: { error: 'invalid_grant' } })
  const revoked = await app.inject({ method: 'POST', url: '/oauth/revoke', ...form({ token: 'garbage', ...proof }) })
  t.equal(revoked.statusCode, 200)
  t.same(await documents.list('once'), before)

  const first = await token(app, { ...redeem, ...proof })
  t.equal(first.status, 200)
  for (const [url, fields] of [
    ['/oauth/token', { grant_type: 'refresh_token', refresh_token: first.body.refresh_token }],
    ['/oauth/revoke', { token: first.body.refresh_token }]
  ] as const) {
    const again = await app.inject({ method: 'POST', url, ...form({ ...fields, ...proof }) })
    t.match({ status: again.statusCode, body: again.json() }, { status: 401, body: { error: 'invalid_client' } })
  }
})

t.test('a code used twice at once leaves no grant in the store', async t => {
  const inner = documentsInMemory()
  let replay: (() => Promise<unknown>) | undefined
  const app = await appWith(t, {
    ...inner,
    async put (kind, id, value, options) {
      // The second request comes after the code was redeemed, before its grant is stored.
      if (kind === 'grant') await replay?.()
      return await inner.put(kind, id, value, options)
    }
  })
  const { redeem, clientId } = await approve(app)
  let second: Awaited<ReturnType<typeof token>> | undefined
  replay = async () => { second = await token(app, redeem) }
  const { body } = await token(app, redeem)
  replay = undefined
  t.match(second, { status: 400, body: { error: 'invalid_grant' } })
  t.same(await inner.list('grant'), [])
  t.ok(await isRefreshRefused(app, clientId, body.refresh_token ?? ''))
})

t.test('the keys of at most 16 clients are fetched at once', async t => {
  const fetched: URL[] = []
  let release = (): void => {}
  const released = new Promise<void>(resolve => { release = resolve })
  const app = await appWith(t, documentsInMemory(), {
    async fetchDocument (url) {
      fetched.push(url)
      await released
      return { json: { keys: [] }, maxAgeSeconds: undefined }
    }
  })
  const ask = async (n: number): ReturnType<typeof token> => {
    const clientId = await register(app, {
      token_endpoint_auth_method: 'private_key_jwt',
      jwks_uri: `https://slow.example/${n}`
    })
    return await token(app, {
      grant_type: 'refresh_token',
      client_id: clientId,
      client_assertion_type: assertionType,
      client_assertion: 'a.b.c'
    })
  }
  const running = Array.from({ length: 16 }, async (_, n) => await ask(n))
  await until(() => fetched.length === 16)
  const refused = await ask(16)
  t.match(refused, { status: 503, body: { error: 'temporarily_unavailable' } })
  t.equal(refused.headers['retry-after'], '5')
  t.equal(fetched.length, 16)
  release()
  t.ok((await Promise.all(running)).every(({ status, body }) => status === 401 && body.error === 'invalid_client'))
  t.equal((await ask(16)).status, 401)
})

for (const [what, error] of [
  ['unavailable', new NotSharedError('Redis: ECONNREFUSED')],
  ['full', new DocumentsFullError('once')]
] as const) {
  t.test(`pages answer 503 while the store is ${what}, and continue afterwards`, async t => {
    const inner = documentsInMemory()
    let isAway = false
    const check = (): void => { if (isAway) throw error }
    const app = await appWith(t, {
      ...inner,
      async get (...of) {
        check()
        return await inner.get(...of)
      },
      async put (...of) {
        check()
        return await inner.put(...of)
      }
    })
    const url = authorizeUrl(await register(app), pkce().challenge)
    const first = await open(app, url)
    const second = await press(app, first, 'continue', { key: adaKey })
    isAway = true
    for (const page of [
      await open(app, url),
      await press(app, first, 'continue', { key: adaKey }),
      await press(app, second, 'approve'),
      await press(app, second, 'deny')
    ]) {
      t.match(page, { status: 503, location: undefined, html: /Try again in a moment/ })
      t.notMatch(page.html, /Redis|store/)
    }
    isAway = false
    t.ok((await press(app, second, 'approve')).location?.searchParams.has('code'))
  })
}
