/** When the keys of a provider are fetched, and which key verifies a token. */
import { exportJWK, type CryptoKey } from 'jose'
import t from 'tap'
import { signingKey } from '../../../support/issuer.js'
import { first, jwks, header, yes, stage, away } from '../../../support/key-set.js'

const second = await signingKey('ES256', 'second')

const no = async (): Promise<boolean> => false

t.test('the key set is fetched once for concurrent first tokens', async (t) => {
  const keys = stage(t, jwks(first))
  t.equal(keys.fetches(), 0)
  t.same(
    await Promise.all(Array.from({ length: 50 }, () => keys.outcome('first'))),
    Array.from({ length: 50 }, () => 'key')
  )
  t.equal(keys.fetches(), 1)
})

t.test('a new key of the provider is found at once', async (t) => {
  const keys = stage(t, jwks(first))
  await keys.outcome('first')
  keys.pass(1)
  keys.serve(jwks(first, second))
  t.equal(await keys.outcome('second'), 'key')
  t.equal(keys.fetches(), 2)
})

t.test('60 unknown keys cause one more fetch, sequentially and concurrently', async (t) => {
  const keys = stage(t, jwks(first))
  await keys.outcome('first')
  keys.pass(1)
  for (let i = 0; i < 60; i++) t.equal(await keys.outcome(`unknown-${i}`), 'none')
  await Promise.all(Array.from({ length: 60 }, (_, i) => keys.outcome(`unknown-${i}`)))
  t.equal(keys.fetches(), 2)
})

t.test('60 unknown first keys cause one fetch', async (t) => {
  const keys = stage(t, jwks(first))
  await Promise.all(Array.from({ length: 60 }, (_, i) => keys.outcome(`unknown-${i}`)))
  t.equal(keys.fetches(), 1)
})

t.test('after the cool-down an unknown key causes a fetch', async (t) => {
  const keys = stage(t, jwks(first))
  t.equal(await keys.outcome('second'), 'none')
  keys.serve(jwks(second))
  keys.pass(9999)
  t.equal(await keys.outcome('second'), 'none')
  keys.pass(1)
  t.equal(await keys.outcome('second'), 'key')
  t.equal(keys.fetches(), 2)
})

t.test('a known key with another algorithm causes no fetch', async (t) => {
  const keys = stage(t, jwks(first))
  await keys.outcome('first')
  keys.pass(1)
  t.equal(await keys.find(header('first', 'RS256'), yes), undefined)
  keys.serve(away)
  t.equal(await keys.find(header('first', 'RS256'), yes), undefined)
  t.equal(keys.fetches(), 1)
})

t.test('of several matching keys the one that verifies is used', async (t) => {
  for (const [what, set, kid] of [
    ['two keys, and a token without an id', jwks(first, second), undefined],
    ['a key that is published twice', jwks(first, first), 'first'],
    ['two keys under one id', { keys: [first.jwk, { ...second.jwk, kid: 'first' }] }, 'first']
  ] as const) {
    const keys = stage(t, set)
    const seen: CryptoKey[] = []
    t.equal(await keys.find(header(kid), async key => { seen.push(key); return seen.length === 2 }), seen[1], what)
    t.equal(seen.length, 2, what)
    t.equal(keys.fetches(), 1, what)
  }
})

t.test('a token that no key verifies causes one fetch', async (t) => {
  for (const kid of ['first', undefined]) {
    const keys = stage(t, jwks(first))
    await keys.outcome('first')
    keys.pass(1)
    keys.serve(jwks(second))
    for (let i = 0; i < 60; i++) t.equal(await keys.find(header(kid), no), undefined)
    t.equal(keys.fetches(), 2)
    keys.serve(away)
    keys.pass(10_000)
    t.match(await keys.find(header(kid), no).catch((error: unknown) => error), { statusCode: 503 })
  }
})

t.test('a replaced key under the same or no id is found at once', async (t) => {
  for (const kid of ['first', undefined]) {
    const keys = stage(t, jwks(first))
    await keys.outcome('first')
    keys.pass(1)
    keys.serve({ keys: [{ ...second.jwk, kid }] })
    t.ok(await keys.find(header(kid), async key => (await exportJWK(key)).x === second.jwk.x))
    t.equal(keys.fetches(), 2)
  }
})

t.test('a withdrawn key ends with the next fetch', async (t) => {
  const keys = stage(t, jwks(first))
  await keys.outcome('first')
  keys.serve(jwks(second))
  keys.pass(599_999)
  t.equal(await keys.outcome('first'), 'key')
  keys.pass(1)
  t.equal(await keys.outcome('first'), 'none')
})

t.test('a key of an unknown kind does not affect the others', async (t) => {
  const keys = stage(t, { keys: [null, 'key', [], { kty: 'lattice', kid: 'odd' }, { kid: 7 }, first.jwk] })
  t.equal(await keys.outcome('first'), 'key')
  t.equal(await keys.outcome('odd'), 'none')
})

t.test('a key set without keys is valid', async (t) => {
  const keys = stage(t, { keys: [] })
  t.equal(await keys.outcome('first'), 'none')
  t.same(keys.problems(), [])
})
