/** A provider that is unavailable, hangs or sends unusable keys: who waits, and when it is asked again. */
import t from 'tap'
import { type Refusal } from '../../../../src/errors.js'
import { createKeySet } from '../../../../src/tokens/provider/jwks.js'
import { ProviderError } from '../../../../src/tokens/provider/fetch-json.js'
import { first, jwks, header, yes, stage, away } from '../../../support/key-set.js'

/** Waits until `isSo` returns true. */
async function once (isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setTimeout(resolve, 1))
}

t.test('a cached key stays valid while the provider is unavailable', async (t) => {
  const keys = stage(t, jwks(first))
  await keys.outcome('first')
  keys.serve(away)
  for (let hour = 0; hour < 24; hour++) {
    keys.pass(3_600_000)
    t.equal(await keys.outcome('first'), 'key')
  }
  t.same(keys.problems(), [], 'callers are not delayed')
})

t.test('onTurn is called when the provider fails and when it recovers', async (t) => {
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

t.test('begin retries until there is a key set', async (t) => {
  let fetches = 0
  const keys = createKeySet({
    retryMs: 20,
    load: async () => {
      if (++fetches < 3) throw away
      return jwks(first)
    }
  })
  t.teardown(keys.begin())
  await once(() => fetches >= 1)
  t.match(keys.problems(), [/it cannot be reached/])
  await once(() => keys.problems().length === 0)
  await new Promise(resolve => setTimeout(resolve, 60))
  t.equal(fetches, 3, 'not after the first key set')
  t.ok(await keys.find(header('first'), yes))
})

t.test('ending begin stops the retries', async (t) => {
  let fetches = 0
  const keys = createKeySet({ retryMs: 10, load: async () => { fetches++; throw away } })
  keys.begin()()
  await new Promise(resolve => setTimeout(resolve, 60))
  t.equal(fetches, 1)
})

t.test('tokens with cached keys do not wait for an unavailable provider', async (t) => {
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
  t.ok(await keys.find(header('first'), yes), 'the key is cached, although the third fetch never ends')
  t.same(answers, [])
})

t.test(
  'an unknown key is a 503 while the provider is unavailable',
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

t.test('an unavailable provider is asked at most every three seconds', async (t) => {
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

t.test('a provider that never answers is abandoned after the timeout', async (t) => {
  const keys = createKeySet({
    timeoutMs: 50,
    load: async signal =>
      await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reject(new ProviderError('it did not answer in time'))
        })
      })
  })
  // The signal's timer does not keep the process alive, unlike a socket.
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
  ['keys that are not a list', { keys: {} }],
  ['text', 'keys']
] as const) {
  t.test(`a key set that is ${what} is refused`, async t => {
    const keys = stage(t, document)
    t.equal(await keys.outcome('first'), 'unavailable')
    t.match(keys.problems(), [/not valid/])
  })
}
