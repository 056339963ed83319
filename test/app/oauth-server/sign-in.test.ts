/** The whole sign-in of a client, from metadata and registration to calls, refresh and revocation. */
import { discoverAuthorizationServerMetadata } from '@modelcontextprotocol/sdk/client/auth.js'
import t from 'tap'
import { logSink } from '../../support/log-sink.js'
import {
  adaKey,
  approve,
  authorizeUrl,
  form,
  open,
  pkce,
  press,
  publicUrl,
  redirectUri,
  register,
  resource,
  signIn,
  signInService,
  token
} from '../../support/sign-in.js'
import { bobKey, callOf, post } from '../../support/service.js'

t.test('all metadata paths return the same document with the exact issuer', async t => {
  const app = await signInService(t)
  const places = [
    '/.well-known/oauth-authorization-server',
    '/.well-known/oauth-authorization-server/mcp',
    '/.well-known/openid-configuration',
    '/.well-known/openid-configuration/mcp'
  ]
  const all = await Promise.all(
    places.map(async url => await app.inject({ url, headers: { origin: 'https://elsewhere.example.com' } }))
  )
  for (const response of all) {
    t.equal(response.statusCode, 200)
    t.equal(response.headers['access-control-allow-origin'], '*')
    t.same(response.json(), all[0]?.json())
  }
  t.match(all[0]?.json(), {
    issuer: publicUrl,
    authorization_endpoint: `${publicUrl}/oauth/authorize`,
    token_endpoint: `${publicUrl}/oauth/token`,
    registration_endpoint: `${publicUrl}/oauth/register`,
    revocation_endpoint: `${publicUrl}/oauth/revoke`,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
    client_id_metadata_document_supported: true,
    authorization_response_iss_parameter_supported: true,
    scopes_supported: ['offline_access']
  })
  const refused = await post(app, callOf('whoami'), {})
  t.equal(refused.status, 401)
  t.match(
    refused.headers['www-authenticate'],
    `resource_metadata="${publicUrl}/.well-known/oauth-protected-resource/mcp"`
  )
  t.match((await app.inject('/.well-known/oauth-protected-resource/mcp')).json(), {
    resource,
    authorization_servers: [publicUrl]
  })
})

t.test('the SDK finds the metadata behind a proxy that passes on one path only', async t => {
  const app = await signInService(t, { env: { PUBLIC_URL: 'https://example.com/team' } })
  const requests: string[] = []
  const found = await discoverAuthorizationServerMetadata('https://example.com/team', {
    fetchFn: async url => {
      const { pathname } = new URL(url)
      requests.push(pathname)
      if (!pathname.startsWith('/team/')) return new Response(null, { status: 404 })
      const { statusCode, headers, payload } = await app.inject(pathname.replace('/team', ''))
      return new Response(payload, { status: statusCode, headers: { 'content-type': `${headers['content-type']}` } })
    }
  })
  t.equal(requests.at(-1), '/team/.well-known/openid-configuration')
  t.match(found, { issuer: 'https://example.com/team', jwks_uri: 'https://example.com/team/oauth/keys' })
  const keys = await app.inject('/oauth/keys')
  t.equal(keys.statusCode, 200)
  t.same(keys.json(), { keys: [] })
})

t.test('a person signs in a client with a key, and it calls on their behalf', async t => {
  const sink = logSink()
  const app = await signInService(t, { logStream: sink })
  const clientId = await register(app)
  const { verifier, challenge } = pkce()
  const first = await open(app, authorizeUrl(clientId, challenge))
  t.equal(first.status, 200)
  t.match(first.html, /Connect Tests.*unverified name.*app\.example\.com/s)
  t.match(first.cookie, /^__Host-mcp-sign-in=/)
  const second = await press(app, first, 'continue', { key: ` ${adaKey}\n` })
  t.equal(second.status, 200)
  t.match(second.html, /Allow Tests\?.*Approve.*Deny/s)
  t.notMatch(second.html, adaKey)
  const done = await press(app, second, 'approve')
  t.equal(done.status, 303)
  t.equal(`${done.location?.origin}${done.location?.pathname}`, redirectUri)
  t.match(Object.fromEntries(done.location?.searchParams ?? []), {
    state: 'a state',
    iss: publicUrl,
    code: /^mcp_code_/
  })

  const code = done.location?.searchParams.get('code') ?? ''
  const { status, headers, body } = await token(app, {
    grant_type: 'authorization_code',
    client_id: clientId,
    code,
    redirect_uri: redirectUri,
    code_verifier: verifier,
    resource
  })
  t.equal(status, 200)
  t.equal(headers['cache-control'], 'no-store')
  t.match(body, { token_type: 'Bearer', expires_in: 3600, refresh_token: /^mcp_refresh_/, scope: '' })
  const called = await post(app, callOf('whoami'), { authorization: `Bearer ${body.access_token}` })
  t.match(called.body.result.structuredContent, {
    id: /^apikey:/,
    method: 'api-key',
    client: { id: clientId, name: 'Tests' }
  })
  const direct = await post(app, callOf('whoami'), { 'x-api-key': adaKey })
  t.equal(called.body.result.structuredContent.id, direct.body.result.structuredContent.id)
  t.equal(direct.body.result.structuredContent.client, null)
  t.notMatch(sink.text(), code)
})

t.test('a refresh token gives new tokens, and its revocation ends the access token', async t => {
  const app = await signInService(t)
  const { clientId, refreshToken, bearer } = await signIn(app)
  const refreshed = await token(app, { grant_type: 'refresh_token', client_id: clientId, refresh_token: refreshToken })
  t.equal(refreshed.status, 200)
  t.not(refreshed.body.refresh_token, refreshToken)
  t.equal((await post(app, callOf('whoami'), bearer)).status, 200)
  const revoked = await app.inject({
    method: 'POST',
    url: '/oauth/revoke',
    ...form({ client_id: clientId, token: refreshed.body.refresh_token })
  })
  t.equal(revoked.statusCode, 200)
  t.equal((await post(app, callOf('whoami'), bearer)).status, 401)
  t.match(
    await token(app, {
      grant_type: 'refresh_token',
      client_id: clientId,
      refresh_token: refreshed.body.refresh_token
    }),
    { status: 400, body: { error: 'invalid_grant' } }
  )
})

t.test('registering the same metadata returns the same client', async t => {
  const app = await signInService(t)
  t.equal(await register(app), await register(app))
  t.not(await register(app), await register(app, { client_name: 'Others' }))
})

t.test('Deny sends access_denied on either page', async t => {
  const app = await signInService(t)
  const clientId = await register(app)
  const { challenge } = pkce()
  const first = await open(app, authorizeUrl(clientId, challenge))
  const second = await press(app, first, 'continue', { key: bobKey })
  for (const page of [
    await press(app, await open(app, authorizeUrl(clientId, challenge)), 'deny'),
    await press(app, second, 'deny')
  ]) {
    t.equal(page.status, 303)
    t.match(Object.fromEntries(page.location?.searchParams ?? []), {
      error: 'access_denied',
      state: 'a state',
      iss: publicUrl
    })
  }
})

t.test('reuse of a code revokes the grant', async t => {
  const app = await signInService(t)
  const { redeem } = await approve(app)
  const first = await token(app, redeem)
  t.equal(first.status, 200)
  t.match(await token(app, redeem), { status: 400, body: { error: 'invalid_grant' } })
  t.equal((await post(app, callOf('whoami'), { authorization: `Bearer ${first.body.access_token}` })).status, 401)
  t.match(
    await token(app, {
      grant_type: 'refresh_token',
      client_id: redeem.client_id,
      refresh_token: first.body.refresh_token
    }),
    { status: 400, body: { error: 'invalid_grant' } }
  )
})
