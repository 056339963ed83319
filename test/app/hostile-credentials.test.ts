/** Invalid credentials: all get exactly the same 401, and none is logged. */
import { createSigner } from 'fast-jwt'
import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { rawPost } from '../support/raw-socket.js'
import { adaKey, bobKey, callOf, listening, post, rpc, service } from '../support/service.js'
import { encode, forge, forgeClaims, goodClaims, inSeconds, otherTails, secret } from '../support/tokens.js'
import { until } from '../support/until.js'

const rsa = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
})
const good = forge()
const [header = '', payload = '', signature = ''] = good.split('.')
const bearer = (token: string): string[] => ['Authorization', `Bearer ${token}`]
const key = (value: string): string[] => ['X-API-Key', value]

const bad: Array<[string, string[]]> = [
  ['a token with alg none', bearer(`${encode({ alg: 'none' })}.${payload}.`)],
  ['a token with alg none and a signature', bearer(forge({ header: { alg: 'none' } }))],
  ['an RSA-signed token', bearer(createSigner({ key: rsa.privateKey, algorithm: 'RS256' })(goodClaims()))],
  [
    'RS256 in the header, HMAC with the public key',
    bearer(forge({ header: { alg: 'RS256' }, key: rsa.publicKey }))
  ],
  ['HMAC with the public key', bearer(forge({ key: rsa.publicKey }))],
  ['a token with crit', bearer(forge({ header: { alg: 'HS256', crit: ['exp'] } }))],
  [
    'a token whose kid is a path',
    bearer(forge({ header: { alg: 'HS256', kid: '../../../dev/null' }, key: '' }))
  ],
  [
    'a token whose kid is SQL',
    bearer(forge({ header: { alg: 'HS256', kid: "x' UNION SELECT 'mine'--" }, key: 'mine' }))
  ],
  [
    'a token with its own jwk',
    bearer(forge({ header: { alg: 'HS256', jwk: { kty: 'oct', k: encode('mine') } }, key: 'mine' }))
  ],
  [
    'a token with a jku',
    bearer(forge({ header: { alg: 'HS256', jku: 'http://127.0.0.1:9/keys' }, key: 'mine' }))
  ],
  ['a token with exp as text', bearer(forgeClaims({ exp: String(inSeconds(600)) }))],
  ['a token with exp NaN', bearer(forge({ payload: '{"sub":"ada","exp":NaN}' }))],
  ['a token with exp 1e99', bearer(forge({ payload: '{"sub":"ada","exp":1e99}' }))],
  ['a token with a negative exp', bearer(forgeClaims({ exp: -1 }))],
  ['a token without exp', bearer(forgeClaims({ exp: undefined }))],
  ['an expired token', bearer(forgeClaims({ exp: inSeconds(-1) }))],
  ['a token that is not valid yet', bearer(forgeClaims({ nbf: inSeconds(60) }))],
  ['a token whose sub is an object', bearer(forgeClaims({ sub: { toString: 'ada' } }))],
  ['a token with an empty sub', bearer(forgeClaims({ sub: '' }))],
  ['a token with half of a surrogate pair in sub', bearer(forgeClaims({ sub: '\udc00' }))],
  ['a token without sub', bearer(forgeClaims({ sub: undefined }))],
  ['a token that is a list', bearer(forge({ payload: [goodClaims()] }))],
  ['a token signed with another secret', bearer(forge({ key: `${secret}x` }))],
  [
    'a token with a changed claim',
    bearer(`${header}.${encode({ ...goodClaims(), role: 'admin' })}.${signature}`)
  ],
  ...otherTails(good).map((token, index): [string, string[]] => [
    `another spelling of a good token (${index + 1})`,
    bearer(token)
  ]),
  ['two good tokens', [...bearer(good), ...bearer(good)]],
  ['two tokens in one header', bearer(`${good}, Bearer ${good}`)],
  ['a good token followed by a word', bearer(`${good} x`)],
  ['a good token without a scheme', ['Authorization', good]],
  ['a good token under Basic', ['Authorization', `Basic ${good}`]],
  ['a good token as a key', key(good)],
  ['a good key as a token', bearer(adaKey)],
  ['an empty key', key('')],
  ['a prefix of a key', key(adaKey.slice(0, -1))],
  ['a key with extra characters', key(`${adaKey}0`)],
  ['a suffix of a key', key(adaKey.slice(1))],
  ['a key in upper case', key(adaKey.toUpperCase())],
  ['a key in quotes', key(`"${adaKey}"`)],
  ['two keys in one header', key(`${adaKey},${bobKey}`)],
  ['the same key twice', [...key(adaKey), ...key(adaKey)]],
  ['two keys in two headers', [...key(adaKey), ...key(bobKey)]],
  ['a good and a bad key', [...key(adaKey), ...key('x')]],
  ['a prototype member as a key', key('__proto__')],
  ['a good key with a bad token', [...key(adaKey), ...bearer('x.y.z')]],
  ['a bad key with a good token', [...key('nobody-s-key-at-all'), ...bearer(good)]],
  ['a key in Latin-1', key(`${adaKey}\u00e9`)],
  ['a good key under another name', ['X-Api-Key-', adaKey, 'X_API_KEY', adaKey, 'Api-Key', adaKey]]
]

/** Rows without a recognized credential. Their challenge has no error, which is the only difference. */
const presentsNothing = new Set([
  'a good token without a scheme',
  'a good token under Basic',
  'a good key under another name'
])

/** Sends the call with `headers`: names and values alternate. */
async function exchange (port: number, headers: readonly string[]): Promise<string> {
  const lines: string[] = []
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i] ?? ''}: ${headers[i + 1] ?? ''}`)
  return await rawPost(port, '/mcp', lines, callOf('for-the-house-alone'))
}

/** The answer without the parts that differ between requests. */
function comparable (answer: string): string {
  return answer
    .replace(/"requestId":"[\w-]+"/, '')
    .replace(/^x-request-id:.*$/im, '')
    .replace(/^Date:.*$/im, '')
    .replace(/^(x-)?ratelimit.*$/gim, '')
}

t.test('every invalid credential gets the same 401 and is not logged', async t => {
  let runs = 0
  const sink = logSink()
  const tool = defineTool({ name: 'for-the-house-alone', handler: () => { runs += 1; return 'done' } })
  const app = await service(t, {
    tools: [tool],
    logStream: sink,
    env: { LOG_LEVEL: 'trace', PREAUTH_RATE_LIMIT_MAX: '1000' }
  })
  const port = Number(new URL(await listening(app)).port)
  const expected = comparable(await exchange(port, key('nobody-s-key-at-all')))
  const nothing = comparable(await exchange(port, []))
  t.match(expected, /^HTTP\/1\.1 401 /)
  t.equal(nothing, expected.replace(', error="invalid_token"', ''))
  let charged = 2
  for (const [what, headers] of bad) {
    t.test(what, async t => {
      const answer = await exchange(port, headers)
      charged += 1
      t.equal(comparable(answer), presentsNothing.has(what) ? nothing : expected)
      t.match(answer.toLowerCase(), `x-ratelimit-remaining: ${1000 - charged}`, 'charged once')
    })
  }
  t.test('no hostile credential was served or logged', async t => {
    t.equal(runs, 0)
    const log = sink.text()
    for (const [what, headers] of bad) {
      for (const value of headers.filter((_, index) => index % 2 === 1)) {
        const parts = value.split(/[ .,]/).filter(part => part.length > 15)
        t.notOk(parts.some(part => log.includes(part)), what)
      }
    }
  })
})

for (const [what, headers, size] of [['a key', key, 100_000], ['a token', bearer, 100_000]] as const) {
  t.test(`${what} of 100 KB is refused without being read`, async t => {
    const app = await service(t)
    const port = Number(new URL(await listening(app)).port)
    t.match(await exchange(port, headers('a'.repeat(size))), /^HTTP\/1\.1 431 /)
  })
}

t.test('a token of 12 KB is verified normally', async t => {
  const app = await service(t)
  const port = Number(new URL(await listening(app)).port)
  t.match(await exchange(port, bearer(forgeClaims({ sub: 'a'.repeat(9000) }))), /^HTTP\/1\.1 401 /)
})

for (const query of [`x-api-key=${adaKey}`, `api_key=${adaKey}`, `access_token=${good}`, `token=${good}`]) {
  t.test(`a credential in the query (${query.split('=')[0] ?? ''}) is ignored`, async t => {
    const app = await service(t)
    const response = await app.inject({
      method: 'POST',
      url: `/mcp?${query}`,
      headers: { 'content-type': 'application/json' },
      payload: JSON.stringify(callOf('whoami'))
    })
    t.equal(response.statusCode, 401)
    t.equal(response.headers['www-authenticate'], 'Bearer realm="mcp"')
  })
}

for (const [what, headers] of [
  ['a key with spaces around it', key(` ${adaKey}\t`)],
  ['a scheme in another case', ['authorization', `bEaReR ${good}`]],
  ['a key with a Basic header of a proxy', [...key(adaKey), 'Authorization', 'Basic dXNlcjpwYXNz']],
  ['a good key with a good token', [...key(adaKey), ...bearer(good)]]
] as const) {
  t.test(`${what} is accepted`, async t => {
    const app = await service(t)
    const port = Number(new URL(await listening(app)).port)
    t.match(await exchange(port, headers), /^HTTP\/1\.1 200 /)
  })
}

for (const [what, env, provider] of [
  ['tokens of this server', {}, false],
  ['keys only', { JWT_SECRET: '' }, false],
  ['tokens of an identity provider', { JWT_SECRET: '' }, true]
] as const) {
  t.test(
    `a key sent as a token to a server of ${what} is reported only in the log`,
    async t => {
      const logStream = logSink()
      const app = await service(t, {
        logStream,
        env: provider
          ? { ...env, JWT_ISSUER: 'http://localhost:9/', PUBLIC_URL: 'https://mcp.example.com' }
          : env
      })
      const asToken = await post(app, rpc('ping'), { authorization: `Bearer ${adaKey}` })
      const asKey = await post(app, rpc('ping'), { 'x-api-key': 'a-key-that-nobody-ever-had' })
      t.equal(asToken.status, 401)
      t.equal(
        asToken.body.error.message,
        'A valid credential is required: an API key in x-api-key, or a token in Authorization: Bearer'
      )
      t.equal(asKey.body.error.message, asToken.body.error.message)
      t.equal(asKey.headers['www-authenticate'], asToken.headers['www-authenticate'])
      await until(() => logStream.lines().length >= 2)
      t.match(logStream.lines()[0], { reason: 'the token is not a JWT (perhaps an API key sent as Bearer)' })
      t.notMatch(logStream.text(), adaKey)
    }
  )
}
