/** The doctor on broken deployments behind a real nginx. It finds and names each fault. */
import { createSigner } from 'fast-jwt'
import t from 'tap'
import { exitCodeOf } from '../../../src/doctor/finding.js'
import { examine } from '../../../src/doctor/doctor.js'
import { Visit } from '../../../src/doctor/visit.js'
import { type Deployment, findingsOf } from '../../support/deployment.js'
import { withoutNginx } from '../../support/nginx.js'
import { patient } from '../../support/patient-doctor.js'
import { listening, service, withKey } from '../../support/service.js'
import { secret } from '../../support/tokens.js'
import { credentialIn, credentialOfTests } from '../../support/witness.js'

// These tests mostly wait.
t.jobs = 4

t.test('doctor finds nothing in a correct deployment', { skip: withoutNginx }, async t => {
  const findings = await findingsOf(t, {})
  t.same(findings.filter(({ severity }) => severity !== 'info'), [])
  t.equal(exitCodeOf(findings), 0)
  // At a loopback address, by http.
  const expected = ['https', 'port', 'private-address', 'resource-metadata', 'server-version']
  t.same(findings.map(({ id }) => id), expected)
})

/** Returns an nginx location with authorization server metadata that differs from ours. */
const serverSays = (more: Record<string, unknown>): string =>
  `location = /.well-known/oauth-authorization-server {
    default_type application/json;
    return 200 '${JSON.stringify({ issuer: 'http://$http_host', ...more })}';
  }`
const sound = {
  code_challenge_methods_supported: ['S256'],
  registration_endpoint: 'http://127.0.0.1/register',
  scopes_supported: ['mcp', 'offline_access']
}

function tokenWith (more: Record<string, string>): Record<string, string> {
  const claims = { sub: 'ada', exp: Math.trunc(Date.now() / 1000) + 600, ...more }
  return { authorization: `Bearer ${credentialOfTests(createSigner({ key: secret })(claims))}` }
}

/** For streams that never send an event, so a short wait is enough. */
const noEvent = { firstEventMs: 1500 }
const page = 'default_type text/html; return 403 "<html><body>Checking your browser</body></html>";'
const broken: Array<[what: string, id: string, deployment: Deployment]> = [
  ['no TRUST_PROXY', 'shared-address', { env: () => ({ TRUST_PROXY: '' }) }],
  [
    'a TRUST_PROXY that trusts callers',
    'forwarded-for',
    {
      lines: 'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
      env: () => ({ TRUST_PROXY: '127.0.0.0/8' })
    }
  ],
  [
    'buffering',
    'stream-buffered',
    {
      lines: 'proxy_http_version 1.0; proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;',
      patience: noEvent
    }
  ],
  [
    'compressed streams',
    'stream-buffered',
    {
      lines:
        'proxy_buffering on; proxy_ignore_headers X-Accel-Buffering; gzip on; gzip_types text/event-stream; ' +
          'gzip_proxied any;',
      patience: noEvent
    }
  ],
  ['a redirect', 'redirect', { server: 'location = /mcp { return 308 https://www.example.com/mcp; }' }],
  ['a redirect that loses the body', 'redirect', { server: 'location = /mcp { return 301 /elsewhere; }' }],
  ['a stripped Authorization', 'authorization-stripped', { lines: 'proxy_set_header Authorization "";' }],
  ['a stripped x-api-key', 'credential-refused', { lines: 'proxy_set_header x-api-key "";' }],
  [
    'metadata for another address',
    'resource',
    {
      env: base => ({ PUBLIC_URL: base.replace('127.0.0.1', 'localhost'), ALLOWED_HOSTS: new URL(base).host })
    }
  ],
  ['http metadata before a hosted client', 'resource-metadata', { as: 'claude' }],
  [
    'metadata that the proxy does not forward',
    'metadata-missing',
    { server: 'location /.well-known/ { return 404; }' }
  ],
  [
    'a well-known path that asks for a credential',
    'well-known',
    { server: 'location /.well-known/doctor { return 401; }' }
  ],
  [
    'HTML error pages',
    'html-errors',
    {
      lines: 'proxy_intercept_errors on; error_page 400 /error.html;',
      server:
        'location = /error.html { internal; default_type text/html; return 400 "<html>Bad request</html>"; }'
    }
  ],
  [
    'a short read timeout',
    'stream-cut',
    {
      // Only for streams, because other answers may take longer on a busy machine.
      lines: 'error_page 418 = @stream; if ($http_mcp_method = subscriptions/listen) { return 418; }',
      server: upstream =>
        `location @stream { proxy_pass ${upstream}; proxy_set_header Host $http_host; proxy_read_timeout 1s; }`,
      // The wait ends with the stream.
      patience: { holdMs: 120_000 }
    }
  ],
  ['a small body limit', 'body-limit', { lines: 'client_max_body_size 100k;' }],
  [
    'a preflight that the proxy does not forward',
    'preflight',
    { server: 'if ($request_method = OPTIONS) { return 405; }' }
  ],
  ['a page of a firewall', 'html-answer', { server: `location = /mcp { ${page} }` }],
  ['no path with a slash', 'slash', { server: 'location = /mcp/ { return 404; }' }],
  ['another path', 'not-the-endpoint', { server: 'location = /mcp { return 404; }' }],
  ['an unavailable app', 'server-error', { server: 'location = /mcp { proxy_pass http://127.0.0.1:1; }' }],
  ['a token for another server', 'audience', { credential: tokenWith({ aud: 'https://other.example/mcp' }) }],
  [
    'a clock that is behind',
    'clock',
    {
      lines: 'proxy_pass_header Date;',
      prepare: app => {
        app.addHook('onSend', async (_request, reply) => {
          reply.header('date', new Date(Date.now() - 200_000).toUTCString())
        })
      }
    }
  ],
  [
    'CORS headers of the proxy',
    'exposed-headers',
    {
      lines: 'proxy_set_header Origin ""; add_header Access-Control-Allow-Origin * always; ' +
        'if ($request_method = OPTIONS) { add_header Access-Control-Allow-Origin *; return 204; }'
    }
  ],
  [
    'a provider that does not know the scopes',
    'scopes',
    { env: () => ({ OAUTH_SCOPES: 'notes:read' }), server: serverSays(sound) }
  ],
  ['a provider without PKCE', 'pkce', {
    server: serverSays({ ...sound, code_challenge_methods_supported: undefined })
  }],
  ['a provider without registration', 'registration', {
    as: 'chatgpt',
    server: serverSays({ ...sound, registration_endpoint: undefined })
  }],
  ['a provider without offline_access', 'offline-access', {
    as: 'chatgpt',
    server: serverSays({ ...sound, scopes_supported: ['mcp'] })
  }],
  ['a provider with another issuer', 'issuer', { server: serverSays({ ...sound, issuer: 'https://other.example' }) }],
  ['an address of this machine before ChatGPT', 'private-address', { as: 'chatgpt' }],
  ['an http address before Claude', 'https', { as: 'claude' }],
  [
    'a debug page that shows paths',
    'leak',
    { server: 'location ~ ^/doctor { return 404 "Error in /usr/src/app/index.js"; }' }
  ]
]

for (const [what, id, deployment] of broken) {
  t.test(`doctor finds ${id} in a deployment with ${what}`, { skip: withoutNginx }, async t => {
    const findings = await findingsOf(t, deployment)
    const found = findings.find(finding => finding.id === id)
    t.ok(found, JSON.stringify(findings, null, 2))
    t.not(found?.severity, 'info')
    t.ok(exitCodeOf(findings) > 0)
    for (const { what, why, fix } of findings) for (const text of [what, why, fix]) t.match(text, /\S/)
    t.equal(credentialIn(JSON.stringify(findings)), undefined)
  })
}

t.test('doctor --as vscode does not require a public address', { skip: withoutNginx }, async t => {
  const findings = await findingsOf(t, { as: 'vscode' })
  t.same(findings.filter(({ severity }) => severity !== 'info'), [])
  t.match(findings.map(({ id }) => id), ['https', 'port', 'private-address'])
})

t.test('doctor reports missing scopes of a token as information', { skip: withoutNginx }, async t => {
  const findings = await findingsOf(t, {
    env: base => ({ OAUTH_SCOPES: 'notes:read,notes:write', JWT_AUDIENCE: `${base}/mcp` }),
    credential: tokenWith({ scope: 'notes:read' })
  })
  t.match(findings.find(({ id }) => id === 'scopes'), { severity: 'info', what: /lacks scopes.*"notes:write"/ })
})

for (const [what, url, id] of [
  ['a name without an address', 'https://no-such-name.invalid/mcp', 'name'],
  ['a port without a server', 'http://127.0.0.1:1/mcp', 'unreachable']
] as const) {
  t.test(`doctor finds ${id} for ${what}`, async t => {
    const findings = await examine({ url: new URL(url), patience: patient })
    t.match(findings.filter(({ severity }) => severity === 'error'), [{ id }])
  })
}

t.test('doctor without a credential makes no calls and says so', async t => {
  const app = await service(t, {})
  const findings = await examine({ url: new URL(`${await listening(app)}/mcp`), patience: patient })
  t.match(findings.find(({ id }) => id === 'no-credential'), { severity: 'info' })
  t.same(findings.filter(({ severity }) => severity !== 'info'), [])
})

t.test("doctor sends the credential only to the endpoint's origin", async t => {
  const visit = new Visit({ url: new URL('http://127.0.0.1:1/mcp'), credential: withKey, patience: patient })
  const app = await service(t, {})
  const elsewhere = new URL(`${await listening(app)}/mcp`)
  const message = { body: { jsonrpc: '2.0', id: 1, method: 'ping' }, headers: { 'content-type': 'application/json' } }
  t.equal((await visit.post(message, { url: elsewhere })).status, 401)
})
