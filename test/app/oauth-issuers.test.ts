/** Several identity providers: each token is checked with its own issuer's keys, and callers are separate. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { buildApp } from '../../src/app.js'
import { claimsOf, fakeIssuer, type FakeIssuer, patient, sign, type SigningKey, signingKey } from '../support/issuer.js'
import { directory } from '../support/keys.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, callOf, post } from '../support/service.js'
import { credentialOfTests } from '../support/witness.js'

const one = await signingKey('ES256', 'one')
const other = await signingKey('ES256', 'other')
const main = await signingKey('ES256', 'main')
const publicUrl = 'https://mcp.example.com'
const whoami = callOf('whoami')

async function file (t: Test, content: unknown): Promise<string> {
  const path = join(await directory(t), 'issuers.json')
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

async function start (t: Test, content: unknown, env: Record<string, string> = {}): Promise<FastifyInstance> {
  const app = await buildApp({
    env: { PUBLIC_URL: publicUrl, API_KEYS: adaKey, JWT_ISSUERS_FILE: await file(t, content), ...patient, ...env },
    logStream: logSink()
  })
  t.teardown(() => app.close())
  return app
}

async function call (
  app: FastifyInstance,
  key: SigningKey,
  { issuer }: FakeIssuer,
  claims: Record<string, unknown> = {}
): Promise<{ status: number; id: string | undefined; role: string | undefined }> {
  const token = credentialOfTests(await sign(key, claimsOf(issuer, { aud: `${publicUrl}/mcp`, ...claims })))
  const { status, body } = await post(app, whoami, { authorization: `Bearer ${token}` })
  return { status, id: body.result?.structuredContent.id, role: body.result?.structuredContent.role }
}

t.test('each issuer has its own callers, keys and claims', async t => {
  const [a, b, c] = [await fakeIssuer(t, one), await fakeIssuer(t, other), await fakeIssuer(t, main)]
  const app = await start(t, [
    { name: 'team', issuer: a.issuer, rolesClaim: 'groups', adminRole: 'ops' },
    { name: 'partner', issuer: b.issuer, jwksUrl: b.jwksUrl, audience: ['urn:us'] }
  ], { JWT_ISSUER: c.issuer })
  t.match(await call(app, one, a, { groups: ['ops'] }), { status: 200, id: 'oauth@team:ada', role: 'admin' })
  t.match(await call(app, other, b, { aud: 'urn:us', groups: ['ops'] }), {
    status: 200,
    id: 'oauth@partner:ada',
    role: 'user'
  })
  t.match(await call(app, main, c), { status: 200, id: 'oauth:ada' })
  t.match(await call(app, one, a, { aud: 'urn:us' }), { status: 401 }, 'an audience belongs to one issuer')
  t.match(await call(app, one, b), { status: 401 }, 'the keys of another issuer are not used')
  t.match(await call(app, other, a), { status: 401 })
  t.match((await app.inject('/.well-known/oauth-protected-resource')).json().authorization_servers, [
    c.issuer,
    a.issuer,
    b.issuer
  ])
})

t.test('an unavailable issuer does not affect the others', async t => {
  const [a, b] = [await fakeIssuer(t, one), await fakeIssuer(t, other)]
  const app = await start(t, [{ name: 'away', issuer: a.issuer }, { name: 'here', issuer: b.issuer }])
  await a.stop()
  t.match(await call(app, one, a), { status: 503 })
  t.match(await call(app, other, b), { status: 200, id: 'oauth@here:ada' })
  t.equal((await post(app, whoami, { 'x-api-key': adaKey })).status, 200)
  t.equal((await app.inject('/ready')).statusCode, 200)
})

t.test('a token of an unknown issuer causes no request', async t => {
  const [a, b, unknown] = [await fakeIssuer(t, one), await fakeIssuer(t, other), await fakeIssuer(t, one)]
  const app = await start(t, [{ name: 'a', issuer: a.issuer }, { name: 'b', issuer: b.issuer }])
  t.match(await call(app, one, unknown), { status: 401 })
  t.same([a.requests, b.requests, unknown.requests], [[], [], []])
})

for (const [what, content] of [
  ['a path that does not exist', undefined],
  ['invalid JSON', '{'],
  ['an object instead of a list', { issuers: [] }],
  ['an empty list', []],
  ['an entry without a name', [{ issuer: 'https://id.example.com' }]],
  ['a name with a colon', [{ name: 'a:b', issuer: 'https://id.example.com' }]],
  ['a name in upper case', [{ name: 'Team', issuer: 'https://id.example.com' }]],
  [
    'a repeated name',
    [
      { name: 'a', issuer: 'https://id.example.com' },
      { name: 'a', issuer: 'https://id2.example.com' }
    ]
  ],
  [
    'a repeated issuer',
    [
      { name: 'a', issuer: 'https://id.example.com' },
      { name: 'b', issuer: 'https://id.example.com' }
    ]
  ],
  ['an issuer over http', [{ name: 'a', issuer: 'http://id.example.com' }]],
  ['an entry without an issuer', [{ name: 'a' }]],
  [
    'keys over http',
    [{ name: 'a', issuer: 'https://id.example.com', jwksUrl: 'http://id.example.com/jwks' }]
  ],
  [
    'a misspelt member',
    [{ name: 'a', issuer: 'https://id.example.com', jwksUri: 'https://id.example.com/jwks' }]
  ],
  ['an audience that is not a list', [{ name: 'a', issuer: 'https://id.example.com', audience: 'us' }]],
  ['the issuer of JWT_ISSUER', [{ name: 'a', issuer: 'https://main.example.com' }]]
] as const) {
  t.test(`a JWT_ISSUERS_FILE with ${what} stops the start and names the setting`, async t => {
    const path = content === undefined ? join(await directory(t), 'none.json') : await file(t, content)
    await t.rejects(
      buildApp({
        env: {
          PUBLIC_URL: publicUrl,
          API_KEYS: adaKey,
          JWT_ISSUER: 'https://main.example.com',
          JWT_ISSUERS_FILE: path
        },
        logStream: logSink()
      }),
      {
        name: 'ConfigError',
        message: content === undefined
          ? /^JWT_ISSUERS_FILE names a file that does not exist; name an existing file, or remove the setting$/
          : /^JWT_ISSUERS_FILE names a file .*; write it as docs\/oauth\.md shows$/
      }
    )
  })
}
