/** Hostile authorization requests and forms. */
import t from 'tap'
import {
  adaKey, authorizeUrl, form, open, pkce, press, publicUrl, redirectUri, register, signInService
} from '../../support/sign-in.js'

const { challenge } = pkce()

/** Errors before the client is verified are shown on a page, without a redirect. */
for (const [what, fields] of [
  ['no client', { client_id: undefined }],
  ['an unknown client', { client_id: 'dyn-00000000000000000000000000000000' }],
  ['a client whose id is a private address', { client_id: 'https://127.0.0.1/client.json' }],
  ['a client whose id is an http URL', { client_id: 'http://app.example.com/client.json' }],
  ['a subdomain of the redirect', { redirect_uri: 'https://app.example.com.evil.example/callback' }],
  ['a redirect with user info', { redirect_uri: 'https://app.example.com@evil.example/callback' }],
  ['a redirect with an encoded slash', { redirect_uri: 'https://app.example.com%2fevil.example/callback' }],
  ['a redirect with a backslash', { redirect_uri: 'https://app.example.com\\@evil.example/callback' }],
  ['a redirect with a fragment', { redirect_uri: `${redirectUri}#x` }],
  ['a redirect with another port', { redirect_uri: 'https://app.example.com:8443/callback' }],
  ['a redirect with another path', { redirect_uri: `${redirectUri}/../evil` }],
  ['a redirect with a query that was not registered', { redirect_uri: `${redirectUri}?next=https://evil.example` }],
  ['a redirect over http', { redirect_uri: 'http://app.example.com/callback' }],
  ['a javascript: redirect', { redirect_uri: 'javascript:alert(1)' }],
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
  ['the base URL as resource', 'invalid_target', { resource: publicUrl }],
  ['a resource in another case of the path', 'invalid_target', { resource: `${publicUrl}/MCP` }],
  ['a resource with a fragment', 'invalid_target', { resource: `${publicUrl}/mcp#` }],
  ['a resource with user info', 'invalid_target', { resource: 'https://a@mcp.example.com/mcp' }],
  ['a resource on another port', 'invalid_target', { resource: 'https://mcp.example.com:8443/mcp' }],
  ['a resource that is not a URL', 'invalid_target', { resource: 'mcp' }],
  ['a malformed scope', 'invalid_scope', { scope: 'a"b' }],
  ['too many scopes', 'invalid_scope', { scope: Array.from({ length: 101 }, (_, index) => `s${index}`).join(' ') }]
] as const) {
  t.test(`the client gets ${error} for ${what}`, async t => {
    const app = await signInService(t)
    const page = await open(app, authorizeUrl(await register(app), challenge, fields) + (more ?? ''))
    t.equal(page.status, 302)
    t.equal(`${page.location?.origin}${page.location?.pathname}`, redirectUri)
    t.match(Object.fromEntries(page.location?.searchParams ?? []), { error, iss: publicUrl })
  })
}

t.test('every page forbids framing, caching, scripts and referrers', async t => {
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

t.test('client names are escaped in pages', async t => {
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

t.test('the first page cannot approve, whatever its form sends', async t => {
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

t.test('an approved page cannot approve again', async t => {
  const app = await signInService(t)
  const first = await open(app, authorizeUrl(await register(app), challenge))
  const second = await press(app, first, 'continue', { key: adaKey })
  const both = await Promise.all([press(app, second, 'approve'), press(app, second, 'approve')])
  t.same(both.map(({ status }) => status).sort(), [303, 400])
  t.match(await press(app, first, 'continue', { key: adaKey }), { status: 400 })
  t.match(await press(app, second, 'deny'), { status: 400, location: undefined })
})

t.test('a key in the query is ignored and not repeated', async t => {
  const app = await signInService(t)
  const page = await open(app, `${authorizeUrl(await register(app), challenge)}&key=${adaKey}&api_key=${adaKey}`)
  t.equal(page.status, 200)
  t.match(page.html, 'type="password"')
  t.notMatch(page.html, adaKey)
})
