/** Clients that authenticate by assertion (RFC 7523): valid, invalid and reused assertions. */
import { type FastifyInstance } from 'fastify'
import { generateKeyPair } from 'jose'
import t, { type Test } from 'tap'
import { jsonAnswer, type RehostedDocuments, rehosted } from '../../support/rehosted.js'
import { adaKey } from '../../support/service.js'
import { authorizeUrl, open, pkce, press, publicUrl, signIn, token } from '../../support/sign-in.js'
import { jwks, jwksUri, hosts, server, assertionOf } from '../../support/hosts.js'

const chatgpt = 'https://chatgpt.com/oauth/client.json'
const weakKey = new TextEncoder().encode('a secret that everybody can read in this file')
const { privateKey: otherKey } = await generateKeyPair('RS256')

async function chatgptApp (
  t: Test
): Promise<{ app: FastifyInstance; documents: RehostedDocuments; fields: Record<string, string> }> {
  const documents = await rehosted(t)
  documents.answer(chatgpt, jsonAnswer(hosts.find(({ name }) => name === 'ChatGPT')?.document ?? {}))
  documents.answer(jwksUri, jwks)
  const app = await server(t, documents)
  const redirect = 'https://chatgpt.com/connector_platform_oauth_redirect'
  const { verifier, challenge } = pkce()
  const page = await open(app, authorizeUrl(chatgpt, challenge, { redirect_uri: redirect }))
  const done = await press(app, await press(app, page, 'continue', { key: adaKey }), 'approve')
  return {
    app,
    documents,
    fields: {
      grant_type: 'authorization_code',
      client_id: chatgpt,
      code: done.location?.searchParams.get('code') ?? '',
      redirect_uri: redirect,
      code_verifier: verifier
    }
  }
}

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds

for (const [what, assertion] of [
  ['no assertion', async () => ({})],
  [
    'another audience',
    async () => await assertionOf(chatgpt, { aud: 'https://other.example.com/oauth/token' })
  ],
  [
    'an audience with a doubled slash',
    async () => await assertionOf(chatgpt, { aud: `${publicUrl}//oauth/token` })
  ],
  ['an old expiry', async () => await assertionOf(chatgpt, { exp: inSeconds(-60) })],
  ['an expiry in two hours', async () => await assertionOf(chatgpt, { exp: inSeconds(7300) })],
  ['no expiry', async () => await assertionOf(chatgpt, { exp: undefined })],
  ['no jti', async () => await assertionOf(chatgpt, { jti: undefined })],
  ['another issuer', async () => await assertionOf(chatgpt, { iss: 'https://chatgpt.com/oauth/other.json' })],
  [
    'another subject',
    async () => await assertionOf(chatgpt, { sub: 'https://chatgpt.com/oauth/other.json' })
  ],
  ['the key of another client', async () => await assertionOf(chatgpt, {}, otherKey)],
  ['an HMAC', async () => await assertionOf(chatgpt, {}, weakKey, 'HS256')],
  [
    'no signature',
    async () => ({
      ...(await assertionOf(chatgpt)),
      client_assertion: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify({ iss: chatgpt, sub: chatgpt, aud: publicUrl, jti: 'x', exp: inSeconds(60) })).toString('base64url')}.`
    })
  ],
  [
    'another type of assertion',
    async () => ({
      ...(await assertionOf(chatgpt)),
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer'
    })
  ],
  ['garbage', async () => ({ ...(await assertionOf(chatgpt)), client_assertion: 'garbage' })]
] as const) {
  t.test(`private_key_jwt refuses a client with ${what}`, async t => {
    const { app, fields } = await chatgptApp(t)
    const refused = await token(app, { ...fields, ...(await assertion()) })
    t.match(refused, { status: 401, body: { error: 'invalid_client' } })
    t.equal(
      (await token(app, { ...fields, ...(await assertionOf(chatgpt, { aud: publicUrl })) })).status,
      200
    )
  })
}

t.test('a client assertion is accepted once', async t => {
  const { app, fields } = await chatgptApp(t)
  const proof = await assertionOf(chatgpt, { jti: 'the same' })
  const first = await token(app, { ...fields, ...proof })
  t.equal(first.status, 200)
  t.match(
    await token(app, {
      grant_type: 'refresh_token',
      client_id: chatgpt,
      refresh_token: first.body.refresh_token,
      ...proof
    }),
    { status: 401, body: { error: 'invalid_client' } }
  )
})

t.test('unavailable client keys give 503, and a retry succeeds', async t => {
  const { app, documents, fields } = await chatgptApp(t)
  documents.answer(jwksUri, (_request, response) => { response.writeHead(503).end() })
  const refused = await token(app, { ...fields, ...await assertionOf(chatgpt) })
  t.match(refused, { status: 503, body: { error: 'temporarily_unavailable' } })
  t.ok(refused.headers['retry-after'])
  documents.answer(jwksUri, jwks)
  t.equal((await token(app, { ...fields, ...await assertionOf(chatgpt) })).status, 200)
})

t.test('a client with private_key_jwt keeps its refresh token', async t => {
  const { app, fields } = await chatgptApp(t)
  const first = await token(app, { ...fields, ...await assertionOf(chatgpt) })
  const again = await token(app, {
    grant_type: 'refresh_token',
    client_id: chatgpt,
    refresh_token: first.body.refresh_token,
    ...(await assertionOf(chatgpt))
  })
  t.equal(again.body.refresh_token, first.body.refresh_token)
})

t.test('a client document with changed redirects invalidates open pages', async t => {
  const documents = await rehosted(t)
  const id = 'https://app.example.com/client.json'
  const document = { client_id: id, client_name: 'App', redirect_uris: ['https://app.example.com/callback'] }
  documents.answer(id, document)
  const app = await server(t, documents)
  t.ok((await signIn(app, { clientId: id })).accessToken)
  t.match(
    await open(app, authorizeUrl(id, pkce().challenge, { redirect_uri: 'https://app.example.com/other' })),
    { status: 400 }
  )
})
