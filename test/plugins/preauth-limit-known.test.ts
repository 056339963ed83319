/** Which credentials pass from a locked address, and for how long. */
import Fastify from 'fastify'
import t from 'tap'
import errors from '../../plugins/errors.js'
import { sha256 } from '../../src/lib/sha256.js'
import { createKnownCredentials } from '../../src/principal/known-credentials.js'
import { guard, guardedApp } from '../support/guarded-app.js'
import { forge, forgeClaims, inSeconds, secret } from '../support/tokens.js'
import { stopClock } from '../support/stopped-clock.js'

const auth = { apiKeys: ['key', 'other-key'], jwt: { secret } }
const good = { 'x-api-key': 'key' }
const wrong = { 'x-api-key': 'wrong' }

t.test('a recently verified credential passes a locked address', async (t) => {
  const clock = stopClock(t)
  const known = createKnownCredentials({ ttlMs: 1000 })
  const app = await guardedApp(t, { auth: { ...auth, known }, address: { max: 1, known } })
  const bearer = { authorization: `Bearer ${forge()}` }
  const status = async (headers: Record<string, string>): Promise<number> =>
    (await app.inject({ url: '/private', headers })).statusCode
  t.same([await status(good), await status(bearer), await status(wrong)], [200, 200, 401])
  t.same(
    [await status(good), await status(bearer), await status({ ...good, ...bearer })],
    [200, 200, 200],
    'known credentials pass'
  )
  t.same(
    [await status({ 'x-api-key': 'other-key' }), await status({}), await status(wrong)],
    [429, 429, 429],
    'others do not pass'
  )
  t.same(
    [await status({ ...good, authorization: 'Bearer abc' }), await status({ ...wrong, ...bearer })],
    [429, 429],
    'nor do known ones with a wrong one'
  )
  clock.pass(1000)
  t.same([await status(good), await status(bearer)], [429, 429], 'nor do they after ttlMs')
})

t.test('a credential verified elsewhere does not pass a locked address', async (t) => {
  const known = createKnownCredentials({ ttlMs: 60_000 })
  const app = await guardedApp(t, { auth: { ...auth, known }, address: { max: 1, known } })
  const status = async (remoteAddress: string, headers: Record<string, string>): Promise<number> =>
    (await app.inject({ url: '/private', headers, remoteAddress })).statusCode
  const bearer = { authorization: `Bearer ${forge()}` }
  t.same([await status('192.0.2.1', good), await status('192.0.2.1', bearer)], [200, 200])
  t.equal(await status('192.0.2.2', wrong), 401)
  for (const headers of [good, good, bearer, bearer, { ...good, ...bearer }]) {
    t.equal(await status('192.0.2.2', headers), 429)
  }
  t.equal(await status('192.0.2.1', wrong), 401)
  t.same(
    [await status('192.0.2.1', good), await status('192.0.2.1', bearer), await status('192.0.2.1', wrong)],
    [200, 200, 429]
  )
})

t.test('a credential refused by its own limit is not known at the address', async (t) => {
  const known = createKnownCredentials({ ttlMs: 60_000 })
  const app = await guardedApp(t, { auth: { ...auth, known }, address: { max: 1, known }, user: { max: 1 } })
  const status = async (remoteAddress: string, headers: Record<string, string>): Promise<number> =>
    (await app.inject({ url: '/private', headers, remoteAddress })).statusCode
  t.same(
    [await status('192.0.2.1', good), await status('192.0.2.2', good), await status('192.0.2.2', wrong)],
    [200, 429, 401]
  )
  t.equal(known.there.recall('192.0.2.1', sha256('key')), true)
  t.equal(known.there.recall('192.0.2.2', sha256('key')), false)
})

t.test('a refusal says that the address is locked, and for how long', async (t) => {
  stopClock(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(errors)
  await guard(app, { auth, address: { max: 1, windowMs: 90_000 } })
  await app.inject('/private')
  const reply = await app.inject({ url: '/private', headers: good })
  t.equal(reply.statusCode, 429)
  t.match(reply.json(), { message: /^This address is locked/, retryAfterMs: 90_000, limit: 'address' })
})

t.test('a known token does not pass after its expiry', async (t) => {
  const known = createKnownCredentials({ ttlMs: 60_000 })
  const app = await guardedApp(t, { auth: { ...auth, known }, address: { max: 1, known } })
  const exp = inSeconds(600)
  const headers = { authorization: `Bearer ${forgeClaims({ exp })}` }
  t.equal((await app.inject({ url: '/private', headers })).statusCode, 200)
  t.equal((await app.inject('/private')).statusCode, 401)
  t.equal((await app.inject({ url: '/private', headers })).statusCode, 200)
  t.intercept(Date, 'now', { value: () => exp * 1000 })
  t.equal((await app.inject({ url: '/private', headers })).statusCode, 429)
})

t.test('knownTtlMs: 0 lets no credential pass a locked address', async (t) => {
  const known = createKnownCredentials({ ttlMs: 0 })
  const app = await guardedApp(t, { auth: { ...auth, known }, address: { max: 1, known } })
  await app.inject({ url: '/private', headers: good })
  await app.inject('/private')
  t.equal((await app.inject({ url: '/private', headers: good })).statusCode, 429)
})

t.test('a repeated header does not pass a locked address', async (t) => {
  const known = createKnownCredentials({ ttlMs: 60_000 })
  const app = await guardedApp(t, { auth: { ...auth, known }, address: { max: 1, known } })
  await app.inject({ url: '/private', headers: good })
  await app.inject('/private')
  t.equal((await app.inject({ url: '/private', headers: { 'x-api-key': ['key', 'key'] } })).statusCode, 429)
})
