/** An identity provider that is down, hangs or sends unusable keys: which callers are still served. */
import t from 'tap'
import { claimsOf, fakeIssuer, json, sign, signingKey } from '../support/issuer.js'
import { logSink } from '../support/log-sink.js'
import { bearer, both, key, resource, resourceServer } from '../support/resource-server.js'
import { adaKey, callOf, listening, post, withKey } from '../support/service.js'

const otherKey = await signingKey('ES256', 'second')
const whoami = callOf('whoami')

t.test('while the provider is down, known keys work and nobody is charged', async (t) => {
  const { provider, app } = await both(t, {}, { env: { PREAUTH_KNOWN_TTL_MS: '0', PREAUTH_RATE_LIMIT_MAX: '1' } })
  const token = await provider.token(resource)
  await provider.rotate(otherKey)
  const next = await provider.token(resource)
  await provider.rotate(key)
  t.equal((await post(app, whoami, bearer(token))).status, 200)
  await provider.stop()
  t.equal((await post(app, whoami, bearer(token))).status, 200)
  for (let i = 0; i < 3; i++) {
    const { status, headers, body } = await post(app, whoami, bearer(next))
    t.equal(status, 503)
    t.match(headers, { 'retry-after': /^[123]$/ })
    t.match(body.error.data, { code: 'MCP_ERR_UNAVAILABLE', retryAfterMs: Number })
    t.notOk('www-authenticate' in headers)
  }
  t.equal((await post(app, whoami, {})).status, 401, 'the single attempt of this address was not charged')
})

t.test(
  'an unknown caller cannot make the server unready while the provider is down',
  async t => {
    const fake = await fakeIssuer(t, key)
    const logStream = logSink()
    const app = await resourceServer(t, fake.issuer, { env: { API_KEYS: adaKey }, logStream })
    t.equal((await post(app, whoami, bearer(await sign(key, claimsOf(fake.issuer))))).status, 200)
    await fake.stop()
    for (let i = 0; i < 2; i++) {
      t.equal((await post(app, whoami, bearer(await sign(otherKey, claimsOf(fake.issuer))))).status, 503)
    }
    t.equal((await app.inject('/ready')).statusCode, 200)
    t.match(
      logStream.lines().filter(({ level }) => level === 50),
      [{ reason: 'it cannot be reached', issuer: fake.issuer }],
      'the problem is logged once'
    )
  }
)

t.test(
  'a server that starts while the provider is down becomes ready by itself',
  async t => {
    const fake = await fakeIssuer(t, key)
    await fake.stop()
    const logStream = logSink()
    const app = await resourceServer(t, fake.issuer, { logStream })
    const url = await listening(app)
    const ready = async (): Promise<number> => (await fetch(`${url}/ready`)).status
    const turns = (status: number) => async (): Promise<void> => {
      while ((await ready()) !== status) await new Promise(resolve => setTimeout(resolve, 20))
    }
    await turns(503)()
    await fake.start()
    await turns(200)()
    t.equal((await post(app, whoami, bearer(await sign(key, claimsOf(fake.issuer))))).status, 200)
    t.match(
      logStream
        .lines()
        .filter(({ issuer }) => issuer === fake.issuer)
        .map(({ level }) => level),
      [50, 30]
    )
  }
)

t.test('a provider that hangs is abandoned after the timeout', async (t) => {
  const fake = await fakeIssuer(t)
  fake.answer('/.well-known/openid-configuration', () => {})
  const app = await resourceServer(t, fake.issuer, { env: { JWT_JWKS_TIMEOUT_MS: '200' } })
  const { status, headers } = await post(app, whoami, bearer(await sign(key, claimsOf(fake.issuer))))
  t.equal(status, 503)
  t.ok(Number(headers['retry-after']) >= 1)
})

t.test('a slow provider is waited for up to JWT_JWKS_TIMEOUT_MS', async (t) => {
  const fake = await fakeIssuer(t, key)
  // Slower than the default timeout.
  fake.answer('/jwks', (...reply) => { setTimeout(() => { json({ keys: [key.jwk] })(...reply) }, 2500) })
  const app = await resourceServer(t, fake.issuer)
  t.equal((await post(app, whoami, bearer(await sign(key, claimsOf(fake.issuer))))).status, 200)
})

t.test('an invalid key with an unverifiable token is refused and counted', async (t) => {
  const fake = await fakeIssuer(t)
  await fake.stop()
  const app = await resourceServer(t, fake.issuer, { env: { API_KEYS: adaKey } })
  const token = bearer(await sign(key, claimsOf(fake.issuer)))
  t.match(await post(app, whoami, { ...token, 'x-api-key': 'a-key-that-is-wrong' }), {
    status: 401,
    headers: { 'x-ratelimit-remaining': '29' }
  })
  t.match(await post(app, whoami, { ...token, ...withKey }), { status: 503 })
})

t.test('60 tokens with unknown keys cause 60 refusals and few fetches', async (t) => {
  const fake = await fakeIssuer(t, key)
  const app = await resourceServer(t, fake.issuer, { env: { PREAUTH_RATE_LIMIT_MAX: '1000' } })
  t.equal((await post(app, whoami, bearer(await sign(key, claimsOf(fake.issuer))))).status, 200)
  const tokens = await Promise.all(
    Array.from({ length: 60 }, (_, i) => sign(otherKey, claimsOf(fake.issuer), { kid: `unknown-${i}` }))
  )
  const answers = await Promise.all(tokens.map(token => post(app, whoami, bearer(token))))
  t.same(new Set(answers.map(({ status }) => status)), new Set([401]))
  t.ok(fake.requests.length <= 4, `${fake.requests.length} fetches`)
  t.equal(
    Math.min(...answers.map(({ headers }) => Number(headers['x-ratelimit-remaining']))),
    940,
    'once the key set is loaded, each is charged as a wrong credential'
  )
})

for (const [what, spoil] of [
  [
    'a redirect',
    (issuer: string) =>
      (
        _request: unknown,
        response: { writeHead: (status: number, headers: object) => { end: () => void } }
      ) => {
        response.writeHead(302, { location: `${issuer}/elsewhere` }).end()
      }
  ],
  [
    'HTML',
    () =>
      (
        _request: unknown,
        response: { writeHead: (status: number, headers: object) => { end: (text: string) => void } }
      ) => {
        response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')
      }
  ],
  ['10 MB', () => json({ keys: [key.jwk], padding: 'x'.repeat(10_000_000) })]
] as Array<[string, (issuer: string) => ReturnType<typeof json>]>) {
  t.test(`a key set replaced by ${what} gives 503, and the log has the reason`, async t => {
    const fake = await fakeIssuer(t)
    fake.answer('/elsewhere', json({ keys: [key.jwk] }))
    fake.answer('/jwks', spoil(fake.issuer))
    const logStream = logSink()
    const app = await resourceServer(t, fake.issuer, { logStream })
    t.equal((await post(app, whoami, bearer(await sign(key, claimsOf(fake.issuer))))).status, 503)
    t.match(logStream.lines().at(-1), { code: 'MCP_ERR_UNAVAILABLE', reason: /keys are not available: its? / })
    t.notOk(fake.requests.includes('/elsewhere'))
  })
}
