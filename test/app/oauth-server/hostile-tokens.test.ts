/** Hostile requests to the token, revocation and registration endpoints. */
import t from 'tap'
import {
  approve, pkce, redirectUri, register, resource, signIn, signInService, token
} from '../../support/sign-in.js'
import { callOf, post } from '../../support/service.js'

const { challenge } = pkce()

t.test('only one of many concurrent redemptions of a code succeeds', async t => {
  const app = await signInService(t)
  const { redeem } = await approve(app)
  const all = await Promise.all(Array.from({ length: 10 }, async () => await token(app, redeem)))
  t.equal(all.filter(({ status }) => status === 200).length, 1)
  t.ok(
    all
      .filter(({ status }) => status !== 200)
      .every(({ status, body }) => status === 400 && body.error === 'invalid_grant')
  )
})

for (const [what, change, error] of [
  ['another verifier', { code_verifier: pkce().verifier }, 'invalid_grant'],
  ['no verifier', { code_verifier: undefined }, 'invalid_grant'],
  ['the challenge for the verifier', { code_verifier: challenge }, 'invalid_grant'],
  ['another redirect', { redirect_uri: 'https://app.example.com/other' }, 'invalid_grant'],
  ['no redirect', { redirect_uri: undefined }, 'invalid_grant'],
  ['another resource', { resource: 'https://other.example.com/mcp' }, 'invalid_target'],
  ['an unknown client', { client_id: 'nobody' }, 'invalid_client'],
  ['no client', { client_id: undefined }, 'invalid_request'],
  ['a secret', { client_secret: 'a secret' }, 'invalid_client'],
  ['a made-up code', { code: `mcp_code_${'a'.repeat(43)}` }, 'invalid_grant'],
  ['no code', { code: undefined }, 'invalid_request'],
  ['another grant type', { grant_type: 'client_credentials' }, 'unsupported_grant_type'],
  ['a password', { grant_type: 'password' }, 'unsupported_grant_type'],
  ['no grant type', { grant_type: undefined }, 'invalid_request']
] as const) {
  t.test(`the token endpoint refuses a code with ${what}`, async t => {
    const app = await signInService(t)
    const { redeem } = await approve(app)
    const answer = await token(app, { ...redeem, ...change })
    t.equal(answer.status, error === 'invalid_client' ? 401 : 400)
    t.equal(answer.body.error, error)
    t.match(answer.headers, { 'cache-control': 'no-store', 'content-type': /^application\/json/ })
    t.equal((await token(app, redeem)).status, 200, 'the code is still good for its client')
  })
}

t.test("a client cannot use another client's code or refresh token", async t => {
  const app = await signInService(t)
  const other = await register(app, { client_name: 'Other' })
  const { redeem } = await approve(app)
  t.match(await token(app, { ...redeem, client_id: other }), { status: 400, body: { error: 'invalid_grant' } })
  const { refreshToken, clientId } = await signIn(app)
  t.match(await token(app, { grant_type: 'refresh_token', client_id: other, refresh_token: refreshToken }), {
    status: 400,
    body: { error: 'invalid_grant' }
  })
  t.match(
    await token(app, { grant_type: 'refresh_token', client_id: clientId, refresh_token: refreshToken }),
    { status: 200 }
  )
})

t.test('the default resource is the endpoint', async t => {
  const app = await signInService(t)
  const { redeem } = await approve(app, { fields: { resource: undefined } })
  const { body } = await token(app, { ...redeem, resource: undefined })
  t.equal((await post(app, callOf('whoami'), { authorization: `Bearer ${body.access_token}` })).status, 200)
})

for (const [what, request, status, error] of [
  [
    'a repeated parameter',
    { payload: 'grant_type=refresh_token&grant_type=refresh_token' },
    400,
    'invalid_request'
  ],
  ['JSON', { payload: '{}', headers: { 'content-type': 'application/json' } }, 400, 'invalid_request'],
  ['no body', { headers: {} }, 400, 'invalid_request'],
  ['a huge body', { payload: `a=${'b'.repeat(20_000)}` }, 413, 'invalid_request'],
  [
    'a charset',
    {
      payload: 'grant_type=x',
      headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
    },
    400,
    'unsupported_grant_type'
  ],
  [
    'a secret in Basic',
    {
      payload: 'grant_type=refresh_token',
      headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: 'Basic YTpi' }
    },
    401,
    'invalid_client'
  ]
] as const) {
  t.test(`the token endpoint answers ${what} with JSON`, async t => {
    const app = await signInService(t)
    const response = await app.inject({
      method: 'POST',
      url: '/oauth/token',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      ...request
    })
    t.equal(response.statusCode, status)
    t.equal(response.json().error, error)
    t.equal(response.headers['cache-control'], 'no-store')
  })
}

for (const [what, metadata, error] of [
  ['no redirects', {}, 'invalid_redirect_uri'],
  ['redirects that are not a list', { redirect_uris: redirectUri }, 'invalid_redirect_uri'],
  ['a redirect over http', { redirect_uris: ['http://app.example.com/callback'] }, 'invalid_redirect_uri'],
  ['a redirect with a fragment', { redirect_uris: [`${redirectUri}#a`] }, 'invalid_redirect_uri'],
  ['a redirect with user info', { redirect_uris: ['https://a:b@app.example.com/'] }, 'invalid_redirect_uri'],
  ['a custom scheme', { redirect_uris: ['cursor://callback'] }, 'invalid_redirect_uri'],
  ['a javascript: redirect', { redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
  [
    '21 redirects',
    { redirect_uris: Array.from({ length: 21 }, (_, index) => `${redirectUri}/${index}`) },
    'invalid_redirect_uri'
  ],
  [
    'a secret for Basic',
    { redirect_uris: [redirectUri], token_endpoint_auth_method: 'client_secret_basic' },
    'invalid_client_metadata'
  ],
  [
    'keys over http',
    {
      redirect_uris: [redirectUri],
      token_endpoint_auth_method: 'private_key_jwt',
      jwks_uri: 'http://app.example.com/jwks'
    },
    'invalid_client_metadata'
  ],
  [
    'another grant type',
    { redirect_uris: [redirectUri], grant_types: ['client_credentials'] },
    'invalid_client_metadata'
  ],
  ['a list', [], 'invalid_client_metadata'],
  ['null', null, 'invalid_client_metadata'],
  ['half a document', '{"redirect_uris":', 'invalid_client_metadata']
] as const) {
  t.test(`registration with ${what} is refused`, async t => {
    const app = await signInService(t)
    const payload = typeof metadata === 'string' ? metadata : JSON.stringify(metadata)
    const response = await app.inject({
      method: 'POST',
      url: '/oauth/register',
      headers: { 'content-type': 'application/json' },
      payload
    })
    t.equal(response.statusCode, 400)
    t.equal(response.json().error, error)
  })
}

t.test('OAUTH_SERVER=off serves none of the paths', async t => {
  const app = await signInService(t, { env: { OAUTH_SERVER: 'off' } })
  for (const url of [
    '/oauth/authorize',
    '/oauth/token',
    '/.well-known/oauth-authorization-server',
    '/.well-known/oauth-protected-resource'
  ]) { t.equal((await app.inject(url)).statusCode, 404) }
  t.notMatch((await post(app, callOf('whoami'), {})).headers['www-authenticate'], 'resource_metadata')
  t.equal(resource, 'https://mcp.example.com/mcp')
})
