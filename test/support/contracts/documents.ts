/** Tests that every store of the authorization server must pass, with two instances that share it. */
import type { Test } from 'tap'
import { type Documents, useOnce } from '../../../src/oauth/server/documents/documents.js'

export async function documentsContract (
  t: Test,
  open: (t: Test) => Promise<readonly [Documents, Documents]>
): Promise<void> {
  const later = (): number => Date.now() + 60_000

  t.test('both instances read a document until it is removed', async t => {
    const [a, b] = await open(t)
    t.ok(await a.put('grant', 'one', { text: 'é "1 2"' }, { version: 0, endsAt: null }))
    t.match(await b.get('grant', 'one'), { value: { text: 'é "1 2"' }, version: 1, endsAt: null })
    t.equal(await b.get('code', 'one'), undefined, 'each kind has its own ids')
    t.same(
      (await b.list('grant')).map(({ id }) => id),
      ['one']
    )
    t.ok(await b.remove('grant', 'one'))
    t.notOk(await a.remove('grant', 'one'))
    t.equal(await a.get('grant', 'one'), undefined)
    t.same(await a.list('grant'), [])
  })

  t.test('a change of an outdated version is refused', async t => {
    const [a, b] = await open(t)
    t.notOk(await a.put('grant', 'one', {}, { version: 1, endsAt: null }))
    t.ok(await a.put('grant', 'one', { n: 1 }, { version: 0, endsAt: null }))
    t.notOk(await b.put('grant', 'one', { n: 2 }, { version: 0, endsAt: null }))
    t.ok(await b.put('grant', 'one', { n: 2 }, { version: 1, endsAt: null }))
    t.notOk(await a.put('grant', 'one', { n: 3 }, { version: 1, endsAt: null }))
    t.match(await a.get('grant', 'one'), { value: { n: 2 }, version: 2 })
  })

  t.test('exactly one of many concurrent claims succeeds', async t => {
    const stores = await open(t)
    const claims = await Promise.all(
      Array.from(
        { length: 20 },
        async (_, index) => await useOnce(stores[index % 2] as Documents, 'claim', later())
      )
    )
    t.equal(claims.filter(Boolean).length, 1)
  })

  t.test('concurrent changes are all applied', async t => {
    const stores = await open(t)
    await stores[0].put('grant', 'sum', { n: 0 }, { version: 0, endsAt: later() })
    const add = async (store: Documents): Promise<void> => {
      const before = await store.get('grant', 'sum')
      const { version = 0, endsAt = null } = before ?? {}
      const isDone = await store.put('grant', 'sum', { n: Number(before?.value.n) + 1 }, { version, endsAt })
      if (!isDone) await add(store)
    }
    await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        await add(stores[index % 2] as Documents)
      })
    )
    t.match(await stores[1].get('grant', 'sum'), { value: { n: 8 }, version: 9 })
  })

  t.test('an expired document is gone and can be created again', async t => {
    const [a, b] = await open(t)
    t.ok(await a.put('once', 'one', {}, { version: 0, endsAt: Date.now() - 1 }))
    t.equal(await b.get('once', 'one'), undefined)
    t.same(await b.list('once'), [])
    t.ok(await b.put('once', 'one', {}, { version: 0, endsAt: later() }))
    t.match(await a.get('once', 'one'), { version: 1 })
  })

  for (const id of ['', '../grant', 'a/b', 'a b', 'x'.repeat(129), 'ä', 'a.b']) {
    t.test(`${JSON.stringify(id.slice(0, 20))} is not a valid id`, async t => {
      const [a] = await open(t)
      await t.rejects(async () => await a.put('grant', id, {}, { version: 0, endsAt: null }), RangeError)
      await t.rejects(async () => await a.get('grant', id), RangeError)
    })
  }
}
