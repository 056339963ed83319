/** Tokens that wait to be fetched. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createRedactor } from '../../../src/log/redact.js'
import { Claims } from '../../../src/tokens/one-time-links.js'

const parcel = { token: 'the token', userId: 'ada', role: 'user', expiresAt: '2026-01-01T00:00:00.000Z' } as const

t.test('a token is handed over once', async t => {
  const claims = new Claims()
  t.teardown(() => claims.close())
  const { code } = claims.offer(parcel)
  t.same(claims.claim(code), parcel)
  t.equal(claims.claim(code), undefined)
})

t.test('each has a code of its own, which the log blots out', async t => {
  const claims = new Claims()
  t.teardown(() => claims.close())
  const codes = new Set(Array.from({ length: 100 }, () => claims.offer(parcel).code))
  t.equal(codes.size, 100)
  for (const code of codes) t.notMatch(createRedactor()(`{"path":"/claim/${code}"}`), code.slice(10))
})

t.test('it waits no longer than it was said', async t => {
  const claims = new Claims({ ttlMs: 5 })
  const { code } = claims.offer(parcel)
  await sleep(50)
  t.equal(claims.claim(code), undefined)
  t.notOk(claims.isFull)
})

t.test('there is room for so many, and again when one was fetched', async t => {
  const claims = new Claims({ max: 2 })
  t.teardown(() => claims.close())
  const { code } = claims.offer(parcel)
  t.notOk(claims.isFull)
  claims.offer(parcel)
  t.ok(claims.isFull)
  claims.claim(code)
  t.notOk(claims.isFull)
})

for (const [what, code] of [['nothing', ''], ['a name of a prototype', '__proto__'], ['a long text', 'x'.repeat(1e5)]] as const) {
  t.test(`${what} fetches nothing`, async t => {
    t.equal(new Claims().claim(code), undefined)
  })
}
