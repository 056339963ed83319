/** The link to a token: its page, who gets the token, and the limit on guesses. */
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import claim from '../../plugins/claim.js'
import errors from '../../plugins/errors.js'
import preauthLimit from '../../plugins/preauth-limit.js'
import { OneTimeLinks } from '../../src/tokens/one-time-links.js'

const parcel = {
  token: 'eyJhbGciOiJIUzI1NiJ9.e30.c2ln',
  userId: 'a<b>&"ada"',
  role: 'user',
  expiresAt: '2026-01-01T00:00:00.000Z'
} as const

async function build (t: Test, max = 30): Promise<{ app: FastifyInstance, claims: OneTimeLinks, url: string }> {
  const claims = new OneTimeLinks()
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(errors)
  await app.register(preauthLimit, { max })
  await app.register(claim, { claims })
  return { app, claims, url: `/claim/${(await claims.offer(parcel))?.code ?? ''}` }
}

t.test('the first POST to the link gets the token, once', async t => {
  const { app, url } = await build(t)
  const first = await app.inject({ method: 'POST', url })
  t.equal(first.statusCode, 200)
  t.same(first.json(), parcel)
  const second = await app.inject({ method: 'POST', url })
  t.equal(second.statusCode, 404)
  t.equal(second.json().code, 'MCP_ERR_NOT_FOUND')
})

t.test('only one of many concurrent POSTs gets the token', async t => {
  const { app, url } = await build(t)
  const all = await Promise.all(
    Array.from({ length: 20 }, async () => (await app.inject({ method: 'POST', url })).statusCode)
  )
  t.equal(all.filter(status => status === 200).length, 1)
})

for (const method of ['GET', 'HEAD'] as const) {
  t.test(`a ${method}, as in link previews, neither spends the link nor shows the token`, async t => {
    const { app, url } = await build(t)
    const opened = await app.inject({ method, url, headers: { accept: 'text/html' } })
    t.equal(opened.statusCode, 200)
    t.notMatch(opened.payload, /eyJ|mcp_claim_/)
    t.equal((await app.inject({ method: 'POST', url })).statusCode, 200)
  })
}

t.test('the page is the same for every code', async t => {
  const { app, url } = await build(t)
  const [good, bad] = [await app.inject(url), await app.inject('/claim/mcp_claim_of_nobody')]
  t.equal(good.payload, bad.payload)
  t.equal(bad.statusCode, 200)
  t.equal(bad.headers['x-ratelimit-remaining'], undefined)
})

t.test("the page's form has no fields, its own type and no origin", async t => {
  const { app, url } = await build(t)
  const answer = await app.inject({
    method: 'POST',
    url,
    headers: { accept: 'text/html,*/*', 'content-type': 'application/x-www-form-urlencoded', origin: 'null' },
    payload: ''
  })
  t.equal(answer.statusCode, 200)
  t.match(answer.headers['content-type'], 'text/html')
  t.match(answer.payload, parcel.token)
  t.match(answer.payload, 'a&#60;b&#62;&#38;&#34;ada&#34;')
  t.notMatch(answer.payload, '<b>')
})

t.test('the page is not cached, framed, or sent as a referrer, and runs no scripts', async t => {
  const { app, url } = await build(t)
  for (const answer of [
    await app.inject(url),
    await app.inject({ method: 'POST', url }),
    await app.inject({ method: 'POST', url })
  ]) {
    t.match(answer.headers, {
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'content-security-policy': /default-src 'none'.*frame-ancestors 'none'/
    })
  }
})

t.test('wrong codes count against the address and end in 429', async t => {
  const { app, url } = await build(t, 2)
  t.equal((await app.inject({ method: 'POST', url: '/claim/guess' })).statusCode, 404)
  const second = await app.inject({ method: 'POST', url: '/claim/guess' })
  t.equal(second.headers['x-ratelimit-remaining'], '0')
  t.equal((await app.inject({ method: 'POST', url: '/claim/guess' })).statusCode, 429)
  t.equal((await app.inject({ method: 'POST', url })).statusCode, 429)
  t.equal((await app.inject({ method: 'POST', url, remoteAddress: '192.0.2.7' })).statusCode, 200)
})

for (const [what, path] of [
  ['no code', '/claim/'],
  ['a trailing slash', '/claim/x/'],
  ['a long code', `/claim/${'x'.repeat(500)}`],
  ['a prototype member', '/claim/__proto__'],
  ['an encoded slash', '/claim/..%2f..'],
  ['a NUL', '/claim/%00']
] as const) {
  t.test(`a POST with ${what} is refused`, async t => {
    const { app } = await build(t)
    const { statusCode } = await app.inject({ method: 'POST', url: path })
    t.ok([400, 404, 414].includes(statusCode), String(statusCode))
  })
}

t.test('a large body is refused, and a small one is not read', async t => {
  const { app, url } = await build(t)
  t.equal(
    (
      await app.inject({
        method: 'POST',
        url,
        payload: 'x'.repeat(5000),
        headers: { 'content-type': 'text/plain' }
      })
    ).statusCode,
    413
  )
  t.equal(
    (
      await app.inject({
        method: 'POST',
        url,
        payload: '{"broken',
        headers: { 'content-type': 'application/json' }
      })
    ).statusCode,
    200
  )
})
