/** The address limit: what counts against an address, and what a locked address cannot reach. */
import { connect, type AddressInfo } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import authPlugin from '../../plugins/auth.js'
import preauthLimit from '../../plugins/preauth-limit.js'
import { guardedApp, limitsOf } from '../support/guarded-app.js'
import { forge, forgeClaims, inSeconds, secret } from '../support/tokens.js'
import { stopClock } from '../support/stopped-clock.js'

const auth = { apiKeys: ['key', 'other-key'], jwt: { secret } }
const good = { 'x-api-key': 'key' }
const wrong = { 'x-api-key': 'wrong' }

/** Sends `count` concurrent requests, and resolves to their statuses, sorted. */
async function burst (count: number, send: () => Promise<{ statusCode: number }>): Promise<number[]> {
  const responses = await Promise.all(Array.from({ length: count }, send))
  return responses.map(({ statusCode }) => statusCode).sort()
}

t.test('the thirty-first failure is refused, even with a valid key', async (t) => {
  const app = await guardedApp(t, { auth })
  for (let i = 0; i < 30; i++) t.equal((await app.inject({ url: '/private', headers: wrong })).statusCode, 401)
  t.equal((await app.inject({ url: '/private', headers: wrong })).statusCode, 429)
  t.equal((await app.inject({ url: '/private', headers: good })).statusCode, 429)
})

t.test('only the connection of a locked address is closed', async (t) => {
  const app = await guardedApp(t, { auth, address: { max: 1 } })
  t.not((await app.inject({ url: '/private', headers: good })).headers.connection, 'close')
  t.not((await app.inject({ url: '/private', headers: wrong })).headers.connection, 'close')
  for (const headers of [wrong, good, {}]) {
    const { statusCode, headers: { connection } } = await app.inject({
      url: '/private', headers, remoteAddress: '127.0.0.1'
    })
    t.same([statusCode, connection], [429, 'close'])
  }
  t.not((await app.inject({ url: '/private', headers: good, remoteAddress: '192.0.2.9' })).headers.connection, 'close')
})

t.test('of sixty concurrent wrong keys, only seven are checked at a limit of seven', async (t) => {
  const app = await guardedApp(t, { auth, address: { max: 7 } })
  const statuses = await burst(60, () => app.inject({ url: '/private', headers: wrong }))
  t.same(statuses, [...Array(7).fill(401), ...Array(53).fill(429)])
})

t.test('of sixty pipelined wrong keys, only seven are checked', async (t) => {
  const app = await guardedApp(t, { auth, address: { max: 7 } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const request = 'GET /private HTTP/1.1\r\nhost: localhost\r\nx-api-key: wrong\r\n'
  const text = await new Promise<string>((resolve, reject) => {
    let received = ''
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(`${request}\r\n`.repeat(59) + `${request}connection: close\r\n\r\n`)
    )
    socket
      .setEncoding('latin1')
      .on('data', (chunk: string) => {
        received += chunk
      })
      .on('end', () => {
        resolve(received)
      })
      .on('error', reject)
  })
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status)).sort()
  t.same(statuses, [...Array(7).fill(401), ...Array(53).fill(429)])
})

t.test('headers count down, and a refusal says how long to wait', async (t) => {
  stopClock(t)
  const app = await guardedApp(t, { auth, address: { max: 2, windowMs: 90_000 } })
  const [first, second, third] = [
    await app.inject('/private'),
    await app.inject('/private'),
    await app.inject('/private')
  ]
  t.match(limitsOf(first), { limit: '2', remaining: '1', policy: '"address";q=2;w=90', retryAfter: undefined })
  t.match(limitsOf(second), { limit: '2', remaining: '0', retryAfter: undefined })
  t.match(limitsOf(third), { limit: '2', remaining: '0', retryAfter: '90' })
  t.equal(third.headers['x-ratelimit-reset'], '90')
  t.equal(third.headers.ratelimit, '"address";r=0;t=90')
})

t.test('the lock ends with its window, whatever happened meanwhile', async (t) => {
  const clock = stopClock(t)
  const app = await guardedApp(t, { auth, address: { max: 1, windowMs: 1000 } })
  await app.inject('/private')
  clock.pass(999)
  t.equal((await app.inject({ url: '/private', headers: good })).statusCode, 429)
  clock.pass(1)
  t.equal((await app.inject({ url: '/private', headers: good })).statusCode, 200)
})

const paying: Array<
  [
    string,
    {
      method?: 'GET' | 'POST' | 'PUT' | 'OPTIONS'
      url: string
      headers?: Record<string, string | string[]>
      payload?: string
    }
  ]
> = [
  ['no credential', { url: '/private' }],
  ['a wrong key', { url: '/private', headers: wrong }],
  [
    'an expired token',
    { url: '/private', headers: { authorization: `Bearer ${forgeClaims({ exp: inSeconds(-1) })}` } }
  ],
  ['a repeated key', { url: '/private', headers: { 'x-api-key': ['key', 'key'] } }],
  [
    'a wrong key in a POST with a malformed body',
    {
      method: 'POST',
      url: '/private',
      headers: { ...wrong, 'content-type': 'application/json' },
      payload: '{'
    }
  ],
  [
    'a wrong key with an oversize body',
    {
      method: 'POST',
      url: '/private',
      headers: { ...wrong, 'content-type': 'application/json' },
      payload: `"${'x'.repeat(2_000_000)}"`
    }
  ],
  ['a wrong key in an OPTIONS', { method: 'OPTIONS', url: '/private', headers: wrong }],
  ['an unknown path without a credential', { url: '/unknown' }],
  ['an unknown path with a wrong key', { url: '/unknown', headers: wrong }],
  ['another spelling of a path', { url: '//private', headers: wrong }],
  ['another case of a path', { url: '/Private', headers: wrong }],
  ['an unknown method', { method: 'PUT', url: '/public' }],
  ['a path that only mentions .well-known', { url: '/unknown?/.well-known/x' }],
  ['an encoded .well-known', { url: '/%2ewell-known/x' }]
]

for (const [what, request] of paying) {
  t.test(`${what} charges the address once`, async (t) => {
    const app = await guardedApp(t, { auth, address: { max: 3 } })
    const response = await app.inject(request)
    t.match(limitsOf(response), { limit: '3', remaining: '2' })
    t.equal((await app.inject('/private')).headers['x-ratelimit-remaining'], '1')
  })
}

const preflight = { origin: 'https://a.example', 'access-control-request-method': 'POST' }
const free: Array<[string, { method?: 'GET' | 'OPTIONS' | 'POST', url: string, headers?: Record<string, string> }]> = [
  ['a call with a key', { url: '/private', headers: good }],
  ['a call with a token', { url: '/private', headers: { authorization: `Bearer ${forge()}` } }],
  ['an unknown path with a good key', { url: '/unknown', headers: good }],
  ['a public route', { url: '/public' }],
  ['a public route with a wrong key', { url: '/public', headers: wrong }],
  ['a preflight', { method: 'OPTIONS', url: '/private', headers: preflight }],
  ['a preflight on an unknown path', { method: 'OPTIONS', url: '/unknown', headers: preflight }],
  ['a metadata request', { url: '/.well-known/oauth-protected-resource/mcp' }],
  ['a metadata request with a wrong key', { url: '/.well-known/openid-configuration', headers: wrong }],
  ['a metadata request below the endpoint', { url: '/mcp/.well-known/openid-configuration?x=1' }]
]

for (const [what, request] of free) {
  t.test(`${what} charges no address`, async (t) => {
    const app = await guardedApp(t, { auth, address: { max: 3 } })
    for (let i = 0; i < 5; i++) t.notMatch(limitsOf(await app.inject(request)), { policy: /address/ })
    t.equal((await app.inject('/private')).headers['x-ratelimit-remaining'], '2')
  })
}

t.test('a locked address still reaches public routes and probes', async (t) => {
  const app = await guardedApp(t, { auth, address: { max: 1 } })
  await app.inject('/private')
  t.equal((await app.inject('/unknown')).statusCode, 429)
  t.equal((await app.inject('/public')).statusCode, 200)
  t.equal((await app.inject('/.well-known/oauth-authorization-server')).statusCode, 404)
  t.equal((await app.inject({ method: 'OPTIONS', url: '/unknown', headers: preflight })).statusCode, 404)
})

t.test('a preflight cannot be used to test keys', async (t) => {
  const app = await guardedApp(t, { auth })
  const [right, bad] = [
    await app.inject({ method: 'OPTIONS', url: '/private', headers: { ...preflight, ...good } }),
    await app.inject({ method: 'OPTIONS', url: '/private', headers: { ...preflight, ...wrong } })
  ]
  t.equal(right.statusCode, 401)
  t.same({ ...right.headers, date: '' }, { ...bad.headers, date: '' })
  t.equal(right.body, bad.body)
})

t.test('other addresses are not affected', async (t) => {
  const app = await guardedApp(t, { auth, address: { max: 1 } })
  await app.inject({ url: '/private', remoteAddress: '192.0.2.1' })
  t.equal((await app.inject({ url: '/private', headers: good, remoteAddress: '192.0.2.1' })).statusCode, 429)
  t.equal((await app.inject({ url: '/private', headers: good, remoteAddress: '192.0.2.2' })).statusCode, 200)
})

const neighbours: Array<[string, string, string, number]> = [
  ['an IPv4 address and its mapped form', '192.0.2.1', '::ffff:192.0.2.1', 429],
  ['two addresses of one /64', '2001:db8:1:2::1', '2001:db8:1:2:ffff::1', 429],
  ['two addresses of two /64', '2001:db8:1:2::1', '2001:db8:1:3::1', 401]
]

for (const [what, first, second, status] of neighbours) {
  t.test(`${what} ${status === 429 ? 'share a bucket' : 'have separate buckets'}`, async (t) => {
    const app = await guardedApp(t, { auth, address: { max: 1 } })
    await app.inject({ url: '/private', remoteAddress: first })
    t.equal((await app.inject({ url: '/private', remoteAddress: second })).statusCode, status)
  })
}

t.test('behind a trusted proxy the client is charged, without the port', async (t) => {
  const app = await guardedApp(t, { auth, address: { max: 1 }, trustProxy: 'loopback' })
  const from = async (address: string): Promise<number> =>
    (await app.inject({ url: '/private', headers: { 'x-forwarded-for': address } })).statusCode
  t.same([await from('192.0.2.1'), await from('192.0.2.2'), await from('192.0.2.1:4711')], [401, 401, 429])
})

t.test('six thousand other addresses do not evict a lock', async (t) => {
  const app = await guardedApp(t, { auth, address: { max: 2 } })
  await burst(2, () => app.inject({ url: '/private', headers: wrong, remoteAddress: '192.0.2.1' }))
  for (let i = 0; i < 6000; i++) {
    await app.inject({ url: '/private', headers: wrong, remoteAddress: `198.51.${i >> 8}.${i & 255}` })
  }
  t.equal((await app.inject({ url: '/private', headers: good, remoteAddress: '192.0.2.1' })).statusCode, 429)
})

t.test('without auth the plugin charges what it is told, once per request', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(preauthLimit, { max: 2 })
  app.get('/', async (request, reply) => {
    await app.chargeAddress(request, reply)
    await app.chargeAddress(request, reply)
    return 'charged'
  })
  t.match(limitsOf(await app.inject('/')), { limit: '2', remaining: '1' })
  t.same([(await app.inject('/')).statusCode, (await app.inject('/')).statusCode], [200, 429])
})

t.test('registering the plugin after auth stops the start', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(authPlugin, { ...auth, allowWeakSecrets: true })
  await t.rejects(async () => { await app.register(preauthLimit) }, { message: /before `auth`/ })
})

for (const options of [{ max: 0 }, { max: Number.NaN }, { max: 1.5 }, { windowMs: 0 }, { windowMs: -1 }]) {
  t.test(`the options ${JSON.stringify(options)} stop the start`, async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await t.rejects(async () => { await app.register(preauthLimit, options) }, RangeError)
  })
}
