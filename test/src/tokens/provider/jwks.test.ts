/** When the keys of a provider are fetched, and what becomes of callers while it is away. */
import { exportJWK, type CryptoKey, type JWTHeaderParameters } from 'jose'
import t, { type Test } from 'tap'
import { UnavailableError, type Refusal } from '../../../../src/errors.js'
import { createKeySet, type KeySet, type KeySetOptions } from '../../../../src/tokens/provider/jwks.js'
import { ProviderError } from '../../../../src/tokens/provider/fetch-json.js'
import { signingKey } from '../../../support/issuer.js'

const first = await signingKey('ES256', 'first')
const second = await signingKey('ES256', 'second')
const jwks = (...keys: Array<typeof first>): unknown => ({ keys: keys.map(({ jwk }) => jwk) })
const header = (kid?: string, alg = 'ES256'): JWTHeaderParameters => ({ alg, ...(kid === undefined ? {} : { kid }) })

const yes = async (): Promise<boolean> => true
const no = async (): Promise<boolean> => false

interface Stage extends KeySet {
  /** How often the set was asked for. */
  fetches: () => number
  /** What the next fetches bring; an error is thrown. */
  serve: (document: unknown) => void
  pass: (ms: number) => void
  outcome: (kid: string) => Promise<'key' | 'none' | 'unavailable'>
}

/** Cool-down 10 s, age 600 s, retries after 3 s, as by default; the clock stands still between the lines. */
function stage (t: Test, document: unknown, options: Partial<KeySetOptions> = {}): Stage {
  let time = Math.ceil(performance.now())
  t.intercept(performance, 'now', { value: () => time })
  let fetches = 0
  const keys = createKeySet({
    ...options,
    load: async () => {
      fetches++
      if (document instanceof Error) throw document
      return document
    }
  })
  return {
    ...keys,
    fetches: () => fetches,
    serve: next => { document = next },
    pass: ms => { time += ms },
    outcome: async kid => await keys.find(header(kid), yes).then(outcomeOf, refusalOf)
  }
}

const outcomeOf = (key: CryptoKey | undefined): 'key' | 'none' => key === undefined ? 'none' : 'key'

function refusalOf (error: unknown): 'unavailable' {
  if (error instanceof UnavailableError) return 'unavailable'
  throw error
}

/** Once `isSo`. */
async function once (isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setTimeout(resolve, 1))
}

const away = new ProviderError('it cannot be reached')

t.test('the set is fetched at the first token, once for all who wait', async (t) => {
  const keys = stage(t, jwks(first))
  t.equal(keys.fetches(), 0)
  t.same(
    await Promise.all(Array.from({ length: 50 }, () => keys.outcome('first'))),
    Array.from({ length: 50 }, () => 'key')
  )
  t.equal(keys.fetches(), 1)
})

t.test('a key that is new at the provider is found at once', async (t) => {
  const keys = stage(t, jwks(first))
  await keys.outcome('first')
  keys.pass(1)
  keys.serve(jwks(first, second))
  t.equal(await keys.outcome('second'), 'key')
  t.equal(keys.fetches(), 2)
})

t.test('60 unknown keys cost one fetch more, one after another and all at once', async (t) => {
  const keys = stage(t, jwks(first))
  await keys.outcome('first')
  keys.pass(1)
  for (let i = 0; i < 60; i++) t.equal(await keys.outcome(`unknown-${i}`), 'none')
  await Promise.all(Array.from({ length: 60 }, (_, i) => keys.outcome(`unknown-${i}`)))
  t.equal(keys.fetches(), 2)
})

t.test('60 unknown keys cost one fetch where they come first', async (t) => {
  const keys = stage(t, jwks(first))
  await Promise.all(Array.from({ length: 60 }, (_, i) => keys.outcome(`unknown-${i}`)))
  t.equal(keys.fetches(), 1)
})

t.test('after the cool-down an unknown key is asked for again', async (t) => {
  const keys = stage(t, jwks(first))
  t.equal(await keys.outcome('second'), 'none')
  keys.serve(jwks(second))
  keys.pass(9999)
  t.equal(await keys.outcome('second'), 'none')
  keys.pass(1)
  t.equal(await keys.outcome('second'), 'key')
  t.equal(keys.fetches(), 2)
})

t.test('a known key with another algorithm is no reason to ask', async (t) => {
  const keys = stage(t, jwks(first))
  await keys.outcome('first')
  keys.pass(1)
  t.equal(await keys.find(header('first', 'RS256'), yes), undefined)
  keys.serve(away)
  t.equal(await keys.find(header('first', 'RS256'), yes), undefined)
  t.equal(keys.fetches(), 1)
})

t.test('of several keys that a token allows, the one that fits is taken', async (t) => {
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

t.test('a token that no key fits makes us ask once, as one with an unknown key does', async (t) => {
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

t.test('new material under a known id, or under none, is found at once', async (t) => {
  for (const kid of ['first', undefined]) {
    const keys = stage(t, jwks(first))
    await keys.outcome('first')
    keys.pass(1)
    keys.serve({ keys: [{ ...second.jwk, kid }] })
    t.ok(await keys.find(header(kid), async key => (await exportJWK(key)).x === second.jwk.x))
    t.equal(keys.fetches(), 2)
  }
})

t.test('a key that was withdrawn ends when the set is fetched again', async (t) => {
  const keys = stage(t, jwks(first))
  await keys.outcome('first')
  keys.serve(jwks(second))
  keys.pass(599_999)
  t.equal(await keys.outcome('first'), 'key')
  keys.pass(1)
  t.equal(await keys.outcome('first'), 'none')
})

t.test('a known key stays good while the provider is away, however long', async (t) => {
  const keys = stage(t, jwks(first))
  await keys.outcome('first')
  keys.serve(away)
  for (let hour = 0; hour < 24; hour++) {
    keys.pass(3_600_000)
    t.equal(await keys.outcome('first'), 'key')
  }
  t.same(keys.problems(), [], 'nor does that stand in the way of callers')
})

t.test('it is told when the provider goes and when it is back, and nothing in between', async (t) => {
  const turns: Array<string | undefined> = []
  const keys = stage(t, jwks(first), { onTurn: why => { turns.push(why) } })
  await keys.outcome('first')
  t.same(turns, [])
  keys.serve(away)
  for (let i = 0; i < 3; i++) {
    keys.pass(600_000)
    await keys.outcome('unknown')
  }
  keys.serve(jwks(first))
  keys.pass(3000)
  await keys.outcome('unknown')
  t.same(turns, ['it cannot be reached', undefined])
})

t.test('without a set it is asked for until there is one, and nobody has to come with a token', async (t) => {
  let fetches = 0
  const keys = createKeySet({
    retryMs: 20,
    load: async () => {
      if (++fetches < 3) throw away
      return jwks(first)
    }
  })
  t.teardown(keys.begin())
  await once(() => fetches === 1)
  t.match(keys.problems(), [/it cannot be reached/])
  await once(() => keys.problems().length === 0)
  await new Promise(resolve => setTimeout(resolve, 60))
  t.equal(fetches, 3, 'and not once there is one')
  t.ok(await keys.find(header('first'), yes))
})

t.test('who no longer wants the set asks no more', async (t) => {
  let fetches = 0
  const keys = createKeySet({ retryMs: 10, load: async () => { fetches++; throw away } })
  keys.begin()()
  await new Promise(resolve => setTimeout(resolve, 60))
  t.equal(fetches, 1)
})

t.test('nobody with a known key waits for a provider that is known to be away', async (t) => {
  let time = Math.ceil(performance.now())
  t.intercept(performance, 'now', { value: () => time })
  const answers: Array<() => Promise<unknown>> = [
    async () => jwks(first),
    async () => {
      throw away
    },
    async () => await new Promise(() => {})
  ]
  const keys = createKeySet({ load: async () => await answers.shift()?.() })
  t.ok(await keys.find(header('first'), yes))
  time += 600_000
  t.ok(await keys.find(header('first'), yes))
  time += 3000
  t.ok(await keys.find(header('first'), yes), 'the third fetch never ends')
  t.same(answers, [])
})

t.test(
  'an unknown key is unavailable while the provider is away, and none within the cool-down before that',
  async t => {
    const keys = stage(t, jwks(first))
    t.equal(await keys.outcome('unknown'), 'none')
    keys.serve(away)
    t.equal(await keys.outcome('unknown'), 'none')
    keys.pass(10_000)
    t.equal(await keys.outcome('unknown'), 'unavailable')
    t.equal(await keys.outcome('first'), 'key')
  }
)

t.test('a provider that is away is asked every three seconds at most, and says when', async (t) => {
  const keys = stage(t, away)
  for (let i = 0; i < 60; i++) t.equal(await keys.outcome(`unknown-${i}`), 'unavailable')
  t.equal(keys.fetches(), 1)
  keys.pass(1000)
  const refusal = await keys.find(header('first'), yes).catch((error: Refusal) => error) as Refusal
  t.match(refusal, {
    statusCode: 503,
    headers: { 'retry-after': '2' },
    data: { retryAfterMs: 2000 },
    reason: /it cannot be reached/
  })
  keys.pass(2000)
  keys.serve(jwks(first))
  t.equal(await keys.outcome('first'), 'key')
  t.equal(keys.fetches(), 2)
  t.same(keys.problems(), [])
})

t.test('a provider that never answers is waited for as long as the timeout says', async (t) => {
  const keys = createKeySet({
    timeoutMs: 50,
    load: async signal =>
      await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reject(new ProviderError('it did not answer in time'))
        })
      })
  })
  // The signal's timer does not keep the process alive; a socket would.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => { clearInterval(alive) })
  t.match(await keys.find(header('first'), yes).catch((error: unknown) => error), {
    statusCode: 503,
    reason: /did not answer in time/
  })
})

for (const [what, document] of [
  ['nothing', undefined],
  ['null', null],
  ['a list', []],
  ['no keys', {}],
  ['keys that are no list', { keys: {} }],
  ['text', 'keys']
] as const) {
  t.test(`a set that is ${what} is none`, async t => {
    const keys = stage(t, document)
    t.equal(await keys.outcome('first'), 'unavailable')
    t.match(keys.problems(), [/not valid/])
  })
}

t.test('a key of an unknown kind does not spoil the others', async (t) => {
  const keys = stage(t, { keys: [null, 'key', [], { kty: 'lattice', kid: 'odd' }, { kid: 7 }, first.jwk] })
  t.equal(await keys.outcome('first'), 'key')
  t.equal(await keys.outcome('odd'), 'none')
})

t.test('a set without keys is a set', async (t) => {
  const keys = stage(t, { keys: [] })
  t.equal(await keys.outcome('first'), 'none')
  t.same(keys.problems(), [])
})
