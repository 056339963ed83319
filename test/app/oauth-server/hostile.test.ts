/** Hostile authorization and token requests, one test a row. */
import t from 'tap'
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
import { callOf, post } from '../../support/service.js'

const { challenge } = pkce()

/** What comes before the client is verified is a page: nobody is sent anywhere. */
for (const [what, fields] of [
  ['no client', { client_id: undefined }],
  ['an unknown client', { client_id: 'dyn-00000000000000000000000000000000' }],
  ['a client whose id is a private address', { client_id: 'https://127.0.0.1/client.json' }],
  ['a client whose id is http', { client_id: 'http://app.example.com/client.json' }],
  ['a subdomain of the redirect', { redirect_uri: 'https://app.example.com.evil.example/callback' }],
  ['a redirect with user info', { redirect_uri: 'https://app.example.com@evil.example/callback' }],
  ['a redirect with an encoded slash', { redirect_uri: 'https://app.example.com%2fevil.example/callback' }],
  ['a redirect with a backslash', { redirect_uri: 'https://app.example.com\\@evil.example/callback' }],
  ['a redirect with a fragment', { redirect_uri: `${redirectUri}#x` }],
  ['a redirect with another port', { redirect_uri: 'https://app.example.com:8443/callback' }],
  ['a redirect with another path', { redirect_uri: `${redirectUri}/../evil` }],
  ['a redirect with a query that was not registered', { redirect_uri: `${redirectUri}?next=https://evil.example` }],
  ['a redirect over http', { redirect_uri: 'http://app.example.com/callback' }],
  ['a redirect to a script', { redirect_uri: 'javascript:alert(1)' }],
  ['a redirect with a line break', { redirect_uri: `${redirectUri}\r\nSet-Cookie: a=b` }],
  ['a redirect to loopback that was not registered', { redirect_uri: 'http://127.0.0.1:1234/callback' }]
] as const) {
  t.test(`${what} is refused on a page, without a redirect`, async t => {
    const app = await signInService(t)
    const page = await open(app, authorizeUrl(await register(app), challenge, fields))
    t.equal(page.status, 400)
    t.equal(page.location, undefined)
    t.match(page.headers['content-type'], /^text\/html/)
    t.notMatch(page.html, 'evil')
  })
}

for (const name of ['client_id', 'redirect_uri']) {
  t.test(`a repeated ${name} is refused on a page`, async t => {
    const app = await signInService(t)
    const page = await open(app, `${authorizeUrl(await register(app), challenge)}&${name}=https%3A%2F%2Fevil.example`)
    t.equal(page.status, 400)
    t.equal(page.location, undefined)
  })
}

for (const [what, error, fields, more] of [
  ['a repeated state', 'invalid_request', {}, '&state=b'],
  ['a repeated challenge', 'invalid_request', {}, '&code_challenge=b'],
  ['plain PKCE', 'invalid_request', { code_challenge_method: 'plain' }],
  ['no challenge method', 'invalid_request', { code_challenge_method: undefined }],
  ['no challenge', 'invalid_request', { code_challenge: undefined }],
  ['a short challenge', 'invalid_request', { code_challenge: 'abc' }],
  ['a response type of token', 'unsupported_response_type', { response_type: 'token' }],
  ['no response type', 'invalid_request', { response_type: undefined }],
  ['the fragment as response mode', 'invalid_request', { response_mode: 'fragment' }],
  ['a request object', 'invalid_request', { request: 'eyJhbGciOiJub25lIn0.e30.' }],
  ['another resource', 'invalid_target', { resource: 'https://other.example.com/mcp' }],
  ['the base as resource', 'invalid_target', { resource: publicUrl }],
  ['a malformed scope', 'invalid_scope', { scope: 'a"b' }],
  ['too many scopes', 'invalid_scope', { scope: Array.from({ length: 101 }, (_, index) => `s${index}`).join(' ') }]
] as const) {
  t.test(`the client hears ${error} of ${what}`, async t => {
    const app = await signInService(t)
    const page = await open(app, authorizeUrl(await register(app), challenge, fields) + (more ?? ''))
    t.equal(page.status, 302)
    t.equal(`${page.location?.origin}${page.location?.pathname}`, redirectUri)
    t.match(Object.fromEntries(page.location?.searchParams ?? []), { error, iss: publicUrl })
  })
}

t.test('every page forbids frames, caches, scripts and referrers', async t => {
  const app = await signInService(t)
  const first = await open(app, authorizeUrl(await register(app), challenge))
  const second = await press(app, first, 'continue', { key: adaKey })
  const refused = await open(app, '/oauth/authorize')
  for (const { headers } of [first, second, refused]) {
    t.match(headers, {
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff'
    })
    t.match(
      headers['content-security-policy'],
      /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'(?: https:\/\/app\.example\.com)?; frame-ancestors 'none'; base-uri 'none'$/
    )
  }
  t.match(
    first.headers['set-cookie'],
    /^__Host-mcp-sign-in=[\w-]{43}; Path=\/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax$/
  )
})

t.test('what a client calls itself is text, and no HTML', async t => {
  const app = await signInService(t)
  const clientId = await register(app, { client_name: '<img src=x onerror=alert(1)>"\u202e' })
  const { html } = await open(app, authorizeUrl(clientId, challenge, { scope: '<script>' }))
  t.notMatch(html, /<img|<script|\u202e/)
  t.match(html, '&#60;img src=x onerror=alert(1)&#62;&#34;')
})

for (const [what, change] of [
  ['no cookie', { cookie: '' }],
  ['the cookie of another browser', { cookie: `__Host-mcp-sign-in=${'a'.repeat(43)}` }],
  ['a made-up handle', { handle: `v1.${'a'.repeat(80)}` }],
  ['no handle', { handle: '' }]
] as const) {
  for (const action of ['continue', 'approve', 'deny']) {
    t.test(`${action} with ${what} does nothing`, async t => {
      const app = await signInService(t)
      const first = await open(app, authorizeUrl(await register(app), challenge))
      const page = action === 'continue' ? first : await press(app, first, 'continue', { key: adaKey })
      const done = await press(app, { ...page, ...change }, action, { key: adaKey })
      t.equal(done.status, 400)
      t.equal(done.location, undefined)
    })
  }
}

t.test('the first page alone approves nothing, whatever button is named', async t => {
  const app = await signInService(t)
  const first = await open(app, authorizeUrl(await register(app), challenge))
  t.match(await press(app, first, 'approve', { key: adaKey }), { status: 400, location: undefined })
})

t.test('a form from another site is refused', async t => {
  const app = await signInService(t)
  const first = await open(app, authorizeUrl(await register(app), challenge))
  const { payload, headers } = form({ handle: first.handle, action: 'continue', key: adaKey })
  const response = await app.inject({
    method: 'POST',
    url: '/oauth/authorize',
    payload,
    headers: { ...headers, cookie: first.cookie, 'sec-fetch-site': 'cross-site' }
  })
  t.equal(response.statusCode, 403)
})

t.test('a page that was approved approves nothing again', async t => {
  const app = await signInService(t)
  const first = await open(app, authorizeUrl(await register(app), challenge))
  const second = await press(app, first, 'continue', { key: adaKey })
  const both = await Promise.all([press(app, second, 'approve'), press(app, second, 'approve')])
  t.same(both.map(({ status }) => status).sort(), [303, 400])
  t.match(await press(app, first, 'continue', { key: adaKey }), { status: 400 })
  t.match(await press(app, second, 'deny'), { status: 400, location: undefined })
})

t.test('a key in the query signs nobody in, and is repeated nowhere', async t => {
  const app = await signInService(t)
  const page = await open(app, `${authorizeUrl(await register(app), challenge)}&key=${adaKey}&api_key=${adaKey}`)
  t.equal(page.status, 200)
  t.match(page.html, 'type="password"')
  t.notMatch(page.html, adaKey)
})

t.test('of many who redeem a code at once exactly one gets a token', async t => {
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
  t.test(`a code is not redeemed with ${what}`, async t => {
    const app = await signInService(t)
    const { redeem } = await approve(app)
    const answer = await token(app, { ...redeem, ...change })
    t.equal(answer.status, error === 'invalid_client' ? 401 : 400)
    t.equal(answer.body.error, error)
    t.match(answer.headers, { 'cache-control': 'no-store', 'content-type': /^application\/json/ })
    t.equal((await token(app, redeem)).status, 200, 'the code is still good for its client')
  })
}

t.test("another client cannot redeem a client's code, nor use its refresh token", async t => {
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

t.test('without a resource the endpoint is meant', async t => {
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
  ['no list of redirects', { redirect_uris: redirectUri }, 'invalid_redirect_uri'],
  ['a redirect over http', { redirect_uris: ['http://app.example.com/callback'] }, 'invalid_redirect_uri'],
  ['a redirect with a fragment', { redirect_uris: [`${redirectUri}#a`] }, 'invalid_redirect_uri'],
  ['a redirect with user info', { redirect_uris: ['https://a:b@app.example.com/'] }, 'invalid_redirect_uri'],
  ["a scheme of an app's own", { redirect_uris: ['cursor://callback'] }, 'invalid_redirect_uri'],
  ['a script', { redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
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
  t.test(`nobody registers with ${what}`, async t => {
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

t.test('nothing of it is there while it is off', async t => {
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
