/** The doctor on proxies that change requests and responses, each a real nginx. */
import t from 'tap'
import { type Deployment, findingsOf } from '../../support/deployment.js'
import { withoutNginx } from '../../support/nginx.js'
import { listening, service } from '../../support/service.js'
import { credentialIn } from '../../support/witness.js'

// These tests mostly wait.
t.jobs = 4

const json = 'default_type application/json;'
const challenge = (text: string): string =>
  `proxy_hide_header WWW-Authenticate; add_header WWW-Authenticate '${text}' always;`
const resource = (servers: string): string =>
  `location ^~ /.well-known/oauth-protected-resource {
    ${json} return 200 '{"resource":"http://$http_host/mcp","authorization_servers":[${servers}]}';
  }`
const sessions = (): Record<string, string> => ({ MCP_SESSIONS: 'on' })

const broken: Array<[fault: string, id: string, what: RegExp, deployment: Deployment]> = [
  [
    'a host name that the server does not know',
    'host-refused',
    /refuses requests for 127\.0\.0\.1:\d+ \(403\)/,
    { lines: 'proxy_set_header Host other.example.com;' }
  ],
  [
    'an Origin of its own',
    'refused',
    /with 403 \("MCP_ERR_ORIGIN_REFUSED"\)/,
    { lines: 'proxy_set_header Origin https://mcp.example.com;' }
  ],
  [
    'another Content-Type of requests',
    'no-era',
    /initialize with 415 "MCP_ERR_UNSUPPORTED_MEDIA_TYPE"/,
    { lines: 'proxy_set_header Content-Type text/plain;' }
  ],
  ['no upstream', 'server-error', /answers 502/, { server: 'location = /mcp { proxy_pass http://127.0.0.1:1; }' }],
  ['a limit of its own', 'locked-out', /429/, { server: 'location = /mcp { return 429; }' }],
  ['a URL without a path', 'not-the-endpoint', /nothing at \/ \(404\)/, { path: '/' }],
  [
    'a page at the root',
    'not-mcp',
    /answers 200 with something that is not MCP/,
    { path: '/', server: 'location = / { default_type text/html; return 200 "<html>Welcome</html>"; }' }
  ],
  ['a password', 'html-answer', /answers 401/, {
    server: 'location = /mcp { default_type text/html; return 401 "<html>Sign in</html>"; }'
  }],
  [
    'a password without a page',
    'challenge',
    /requires "Basic realm=\\?"?x/,
    { server: `location = /mcp { ${json} add_header WWW-Authenticate 'Basic realm="x"' always; return 401 '{}'; }` }
  ],
  ['no WWW-Authenticate', 'challenge', /has no WWW-Auth/, { lines: 'proxy_hide_header WWW-Authenticate;' }],
  [
    'a relative URL of metadata',
    'resource-metadata',
    /not an absolute URL: "\/metadata"/,
    { lines: challenge('Bearer resource_metadata="/metadata"') }
  ],
  [
    'metadata at a URL of another scheme',
    'resource-metadata',
    /not an absolute URL: "ftp:/,
    { lines: challenge('Bearer resource_metadata="ftp://127.0.0.1/metadata"') }
  ],
  ['no resource in the metadata', 'resource', /names no resource, but/, {
    server: `location ^~ /.well-known/oauth-protected-resource { ${json} return 200 '{}'; }`
  }],
  ['a relative authorization server', 'authorization-server', /not an absolute URL: "\/sign-in"/, {
    server: resource('"/sign-in"')
  }],
  ['an authorization server without a host', 'authorization-server', /not an absolute URL: "mailto:/, {
    server: resource('"mailto:ada@example.com"')
  }],
  ['no authorization server', 'authorization-server', /names no authorization server/, { server: resource('') }],
  ['an authorization server that is away', 'authorization-server', /serves no metadata/, {
    server: resource('"http://127.0.0.1:1"')
  }],
  ['an authorization server without endpoints', 'authorization-server', /authorization_endpoint and token_endpoint/, {
    server: `location = /.well-known/oauth-authorization-server { ${json} return 200 '{}'; }`
  }],
  ['no x-api-key', 'credential-refused', /does not reach the app/, { lines: 'proxy_set_header x-api-key "";' }],
  ['no session id of requests', 'session', /of a request does not reach the app/, {
    env: sessions,
    lines: 'proxy_set_header Mcp-Session-Id "";'
  }],
  ['no session id of responses', 'session', /initialize has no Mcp-Session-Id/, {
    env: sessions,
    lines: 'proxy_hide_header Mcp-Session-Id;'
  }],
  ['another content type', 'content-type', /the Content-Type "text\/plain/, {
    lines: 'proxy_hide_header Content-Type; add_header Content-Type text/plain;'
  }],
  ['rewritten bodies', 'no-era', /initialize with 200 and server\/discover with 200/, {
    lines: 'sub_filter result data; sub_filter_types *; proxy_set_header Accept-Encoding "";'
  }],
  ['bodies that are cut', 'no-era', /initialize with 200/, {
    lines: "sub_filter ':{' ':'; " + 'sub_filter_types *; proxy_set_header Accept-Encoding "";'
  }],
  ['no header of the modern revision', 'era-modern', /server\/discover gets 400 "MCP_ERR_HEADER_MISMATCH"/, {
    lines: 'proxy_set_header Mcp-Method "";'
  }],
  ['calls refused by a firewall', 'html-answer', /answers 403 with an HTML page/, {
    server: 'if ($http_x_api_key) { return 403; }'
  }],
  ['calls redirected to a sign-in page', 'redirect', /redirect to "https:\/\/login\.example\.com\/"$/, {
    server: 'if ($http_x_api_key) { return 302 https://login.example.com/?key=$http_x_api_key; }'
  }],
  ['GET and DELETE refused', 'session', /A DELETE of the session gets 403/, {
    env: sessions,
    server: upstream => `location = /mcp {
      limit_except POST { deny all; }
      proxy_pass ${upstream}; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
    }`
  }],
  ['a preflight answered without headers', 'preflight', /gets 204 before it reaches the app/, {
    server: 'if ($request_method = OPTIONS) { return 204; }'
  }],
  ['short headers', 'header-limit', /A header of 6 kB is refused \(400\)/, {
    server: 'client_header_buffer_size 1k; large_client_header_buffers 2 4k;'
  }]
]

for (const [fault, id, what, deployment] of broken) {
  t.test(`doctor finds ${id} behind a proxy with ${fault}`, { skip: withoutNginx }, async t => {
    const findings = await findingsOf(t, deployment)
    const named = findings.filter(finding => finding.id === id && finding.severity !== 'info')
    t.ok(named.some(finding => what.test(finding.what)), JSON.stringify(findings, null, 2))
    t.equal(credentialIn(JSON.stringify(findings)), undefined)
  })
}

t.test('doctor names the endpoint when the path is missing', { skip: withoutNginx }, async t => {
  const [finding] = await findingsOf(t, { path: '/' })
  t.match(finding, { id: 'not-the-endpoint', fix: /^the endpoint is http:\/\/127\.0\.0\.1:\d+\/mcp$/ })
})

t.test('doctor stops at a lockout and makes it no worse', { skip: withoutNginx }, async t => {
  const findings = await findingsOf(t, { server: 'location = /mcp { return 429; }' })
  t.match(findings.filter(({ severity }) => severity !== 'info'), [{ id: 'locked-out', severity: 'warning' }])
})

t.test('doctor finds session behind instances that do not share theirs', { skip: withoutNginx }, async t => {
  const other = await listening(await service(t, { env: { MCP_SESSIONS: 'on' } }))
  const findings = await findingsOf(t, {
    env: sessions,
    lines: `if ($http_mcp_session_id) { proxy_pass ${other}; }`
  })
  t.match(findings.find(({ id }) => id === 'session'), { severity: 'error', what: /just opened gets 404/ })
})

t.test('doctor finds nothing wrong with sessions and ends its own', { skip: withoutNginx }, async t => {
  const ended: number[] = []
  const findings = await findingsOf(t, {
    env: sessions,
    prepare: app => {
      app.addHook('onResponse', async ({ method }, { statusCode }) => {
        if (method === 'DELETE') ended.push(statusCode)
      })
    }
  })
  t.same(findings.filter(({ severity }) => severity !== 'info'), [])
  t.match(ended, [/^20\d$/])
})

t.test('doctor checks nothing more with a credential that a firewall stops', { skip: withoutNginx }, async t => {
  const findings = await findingsOf(t, { server: 'if ($http_x_api_key) { return 403; }' })
  t.match(findings.filter(({ severity }) => severity !== 'info'), [{ id: 'html-answer' }])
})

t.test('doctor does not take an error document for metadata', { skip: withoutNginx }, async t => {
  const findings = await findingsOf(t, {
    server: `location ^~ /.well-known/oauth-protected-resource { ${json} return 404 '{"code":"NOT_FOUND"}'; }`
  })
  const ids = findings.map(({ id }) => id)
  t.ok(ids.includes('metadata-missing'))
  t.notOk(ids.includes('resource') || ids.includes('authorization-server'))
})

t.test('doctor accepts a proxy that drops requests for other hosts', { skip: withoutNginx }, async t => {
  const drops = 'if ($http_host = doctor.invalid) { return 444; }'
  const findings = await findingsOf(t, { server: drops })
  t.same(findings.filter(({ severity }) => severity !== 'info'), [])
  const withFault = await findingsOf(t, { server: `${drops} if ($request_method = OPTIONS) { return 405; }` })
  t.match(withFault.filter(({ severity }) => severity !== 'info'), [{ id: 'preflight' }])
})
