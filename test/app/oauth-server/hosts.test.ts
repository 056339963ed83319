/**
 * The hosts that people use, with the documents that they publish, their redirects, and the requests that
 * they send.
 */
import Fastify, { type FastifyInstance } from 'fastify'
import { generateKeyPair, exportJWK, SignJWT, type CryptoKey } from 'jose'
import t, { type Test } from 'tap'
import { mcpAuth } from '../../../src/mcp-auth.js'
import { jsonAnswer, type RehostedDocuments, rehosted } from '../../support/rehosted.js'
import { adaKey, callOf, post } from '../../support/service.js'
import { authorizeUrl, open, pkce, press, publicUrl, resource, signIn, token } from '../../support/sign-in.js'
import { secret } from '../../support/tokens.js'
import { credentialOfTests } from '../../support/witness.js'

const { privateKey, publicKey } = await generateKeyPair('RS256')
const jwks = { keys: [{ ...await exportJWK(publicKey), kid: 'host', alg: 'RS256' }] }
const jwksUri = 'https://chatgpt.com/oauth/jwks.json'

interface Host {
  readonly name: string
  readonly document: { readonly client_id: string, readonly [member: string]: unknown }
  /** As it asks for it: on loopback with a port of its own. */
  readonly redirect: string
  readonly scope?: string | undefined
  /** Proves itself by an assertion. */
  readonly asserts?: boolean
  readonly sendsNoResource?: boolean
  readonly isBuiltIn: boolean
}

const code = { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] }

const hosts: readonly Host[] = [
  {
    name: 'Claude',
    document: {
      client_id: 'https://claude.ai/oauth/mcp-oauth-client-metadata',
      client_name: 'Claude',
      client_uri: 'https://claude.ai',
      redirect_uris: ['https://claude.ai/api/mcp/auth_callback'],
      token_endpoint_auth_method: 'none',
      ...code
    },
    redirect: 'https://claude.ai/api/mcp/auth_callback',
    scope: 'offline_access',
    isBuiltIn: true
  },
  {
    name: 'Claude Code',
    document: {
      client_id: 'https://claude.ai/oauth/claude-code-client-metadata',
      client_name: 'Claude Code',
      redirect_uris: ['http://localhost/callback', 'http://127.0.0.1/callback'],
      token_endpoint_auth_method: 'none',
      ...code
    },
    redirect: 'http://localhost:54545/callback',
    isBuiltIn: true
  },
  {
    name: 'ChatGPT',
    document: {
      client_id: 'https://chatgpt.com/oauth/client.json',
      client_name: 'ChatGPT',
      redirect_uris: ['https://chatgpt.com/connector_platform_oauth_redirect'],
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'RS256',
      jwks_uri: jwksUri,
      ...code
    },
    redirect: 'https://chatgpt.com/connector_platform_oauth_redirect',
    scope: 'offline_access',
    asserts: true,
    isBuiltIn: true
  },
  {
    name: 'ChatGPT with an id of its own',
    document: {
      client_id: 'https://chatgpt.com/oauth/abc123/client.json',
      client_name: 'ChatGPT',
      redirect_uris: ['https://chatgpt.com/connector/oauth/abc123'],
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_methods_supported: ['private_key_jwt', 'none'],
      jwks_uri: jwksUri,
      ...code
    },
    redirect: 'https://chatgpt.com/connector/oauth/abc123',
    isBuiltIn: false
  },
  {
    name: 'Codex',
    document: {
      client_id: 'https://chatgpt.com/oauth/codex/client.json',
      client_name: 'Codex',
      redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
      token_endpoint_auth_method: 'none',
      ...code
    },
    redirect: 'http://127.0.0.1:1455/callback',
    isBuiltIn: true
  },
  {
    name: 'opencode',
    document: {
      client_id: 'https://opencode.ai/oauth/opencode/client.json',
      client_name: 'opencode',
      redirect_uris: ['http://127.0.0.1/mcp/oauth/callback'],
      token_endpoint_auth_method: 'none',
      ...code
    },
    redirect: 'http://127.0.0.1:19876/mcp/oauth/callback',
    sendsNoResource: true,
    isBuiltIn: true
  },
  {
    name: 'VS Code',
    document: {
      client_id: 'https://vscode.dev/oauth/client-metadata.json',
      client_name: 'Visual Studio Code',
      redirect_uris: [
        'https://vscode.dev/redirect',
        'https://insiders.vscode.dev/redirect',
        'http://127.0.0.1/',
        'http://localhost/'
      ],
      token_endpoint_auth_method: 'none',
      ...code
    },
    redirect: 'http://127.0.0.1:33418/',
    isBuiltIn: false
  }
]

async function server (t: Test, documents: RehostedDocuments): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(mcpAuth, {
    publicUrl,
    jwtSecret: secret,
    apiKeys: [adaKey],
    oauthServer: { fetchDocument: documents.fetchDocument }
  })
  return app
}

let assertions = 0

async function assertionOf (
  clientId: string,
  change: Record<string, unknown> = {},
  key: CryptoKey | Uint8Array = privateKey,
  alg = 'RS256'
): Promise<Record<string, string>> {
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    iss: clientId,
    sub: clientId,
    aud: `${publicUrl}/oauth/token`,
    jti: `assertion-${assertions++}`,
    iat: now,
    exp: now + 300,
    ...change
  }
  const assertion = credentialOfTests(
    await new SignJWT(claims).setProtectedHeader({ alg, kid: 'host' }).sign(key)
  )
  return {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion
  }
}

for (const { name, document, redirect, scope, asserts = false, sendsNoResource = false, isBuiltIn } of hosts) {
  const clientId = document.client_id
  const target = sendsNoResource ? undefined : resource

  t.test(`${name} is signed in by its document, calls, and refreshes`, async t => {
    const documents = await rehosted(t)
    documents.answer(clientId, document)
    documents.answer(jwksUri, jwks)
    const app = await server(t, documents)
    const { verifier, challenge } = pkce()
    const page = await open(app, authorizeUrl(clientId, challenge, { redirect_uri: redirect, scope, resource: target }))
    t.equal(page.status, 200)
    t.match(page.html, new URL(clientId).host)
    const done = await press(app, await press(app, page, 'continue', { key: adaKey }), 'approve')
    t.equal(done.location?.href.startsWith(redirect), true)
    const proof = async () => asserts ? await assertionOf(clientId) : {}
    const fields = {
      grant_type: 'authorization_code',
      client_id: clientId,
      code: done.location?.searchParams.get('code') ?? '',
      redirect_uri: redirect,
      code_verifier: verifier,
      resource: target
    }
    const first = await token(app, { ...fields, ...await proof() })
    t.equal(first.status, 200)
    t.equal(
      (await post(app, callOf('whoami'), { authorization: `Bearer ${first.body.access_token}` })).body.result
        .structuredContent.client.id,
      clientId
    )
    // Hosts refresh from several places at once.
    const refresh = {
      grant_type: 'refresh_token',
      client_id: clientId,
      refresh_token: first.body.refresh_token,
      resource: target
    }
    const burst = await Promise.all([1, 2, 3].map(async () => await token(app, { ...refresh, ...await proof() })))
    t.ok(burst.every(({ status }) => status === 200))
    t.equal(new Set(burst.map(({ body }) => body.refresh_token)).size, 1)
  })

  t.test(`${name} ${isBuiltIn ? 'is known all the same' : 'has to wait'} while its document is away`, async t => {
    const documents = await rehosted(t)
    documents.answer(clientId, (_request, response) => {
      response.writeHead(503, { 'content-type': 'text/html' }).end('<!doctype html>')
    })
    const app = await server(t, documents)
    const page = await open(app, authorizeUrl(clientId, pkce().challenge, { redirect_uri: redirect }))
    t.equal(page.status, isBuiltIn ? 200 : 400)
  })
}

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
  ['the key of somebody else', async () => await assertionOf(chatgpt, {}, otherKey)],
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
  t.test(`a client that has to prove itself is refused with ${what}`, async t => {
    const { app, fields } = await chatgptApp(t)
    const refused = await token(app, { ...fields, ...(await assertion()) })
    t.match(refused, { status: 401, body: { error: 'invalid_client' } })
    t.equal(
      (await token(app, { ...fields, ...(await assertionOf(chatgpt, { aud: publicUrl })) })).status,
      200
    )
  })
}

t.test('an assertion is good once', async t => {
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

t.test('while the keys of a client are away it is told to come back, and nothing is lost', async t => {
  const { app, documents, fields } = await chatgptApp(t)
  documents.answer(jwksUri, (_request, response) => { response.writeHead(503).end() })
  const refused = await token(app, { ...fields, ...await assertionOf(chatgpt) })
  t.match(refused, { status: 503, body: { error: 'temporarily_unavailable' } })
  t.ok(refused.headers['retry-after'])
  documents.answer(jwksUri, jwks)
  t.equal((await token(app, { ...fields, ...await assertionOf(chatgpt) })).status, 200)
})

t.test('a client that proves itself keeps its refresh token', async t => {
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

t.test('a document that changes its redirects leaves nobody on an open page', async t => {
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
