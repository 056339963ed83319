/** Tests that every session store must pass. `open` returns two instances, or one instance twice. */
import type { Test } from 'tap'
import type { NewSession, SessionBounds, SessionStore } from '../../../src/mcp/legacy/sessions/store.js'
import { succeeds } from '../play.js'
import { until } from '../until.js'

export type OpenStores = (bounds: SessionBounds) => Promise<readonly [SessionStore, SessionStore]>

const wide: SessionBounds = { idleMs: 60_000, lifetimeMs: 60_000, maxPerPrincipal: 16, max: 1000 }
const rights = { admin: false, roles: ['user'], scopes: ['a'], kinds: ['jwt  '] }

function sessionOf (owner: string): NewSession {
  return {
    owner,
    revision: '2025-11-25',
    capabilities: { elicitation: { form: {} } },
    client: { name: 'test', version: '1' },
    rights
  }
}

export async function sessionStoreContract (t: Test, open: OpenStores): Promise<void> {
  t.test('only its owner can use a session on the other instance', async t => {
    const [a, b] = await open(wide)
    t.same(await a.create('one', sessionOf('ada')), [])
    const record = await b.use('one', 'ada')
    t.same(record, { ...sessionOf('ada'), level: 0, uris: [], version: 1 })
    t.equal(await b.use('one', 'eve'), undefined)
    t.equal(await b.use('none', 'ada'), undefined)
    t.equal(await b.use('one', 'ada', undefined, record), record, 'an unchanged record is returned as it is')
  })

  t.test('level and subscriptions apply on both instances at once', async t => {
    const [a, b] = await open(wide)
    await a.create('one', sessionOf('ada'))
    t.equal(await a.set('one', { level: 4 }), 2)
    t.equal(await b.set('one', { addUri: 'test://b' }), 3)
    t.equal(await a.set('one', { addUri: 'test://a' }), 4)
    t.equal(await a.set('one', { addUri: 'test://a' }), 4, 'nothing changes')
    t.match(await b.use('one', 'ada'), { level: 4, version: 4 })
    t.same([...(await b.use('one', 'ada'))?.uris ?? []].sort(), ['test://a', 'test://b'])
    t.equal(await b.set('one', { removeUri: 'test://b' }), 5)
    t.same((await a.use('one', 'ada'))?.uris, ['test://a'])
    t.equal(await a.set('none', { level: 4 }), undefined)
  })

  t.test('a session has at most a hundred subscriptions', async t => {
    const [a, b] = await open(wide)
    await a.create('one', sessionOf('ada'))
    const outcomes = await Promise.all(
      Array.from({ length: 110 }, async (_, n) => await [a, b][n % 2]?.set('one', { addUri: `test://${n}` }))
    )
    t.equal(outcomes.filter(outcome => outcome === 'full').length, 10)
    t.equal((await a.use('one', 'ada'))?.uris.length, 100)
  })

  t.test('the rights used in a session add up over both instances', async t => {
    const [a, b] = await open(wide)
    await a.create('one', sessionOf('ada'))
    await b.use('one', 'ada', { admin: true, roles: ['admin'], scopes: ['b'], kinds: ['jwt  '] })
    const used = await a.use('one', 'ada', { admin: false, roles: ['user'], scopes: ['a', 'c'], kinds: ['api-key k '] })
    t.equal(used?.rights.admin, true)
    t.same([...used?.rights.scopes ?? []].sort(), ['a', 'b', 'c'])
    t.same([...used?.rights.kinds ?? []].sort(), ['api-key k ', 'jwt  '])
  })

  t.test('beyond the limit of a principal its least recently used session ends', async t => {
    const [a, b] = await open({ ...wide, maxPerPrincipal: 2 })
    await a.create('eve', sessionOf('eve'))
    await a.create('one', sessionOf('ada'))
    await later()
    await b.create('two', sessionOf('ada'))
    await later()
    await a.use('one', 'ada')
    t.same(await b.create('three', sessionOf('ada')), ['two'])
    t.same(await found(a, 'ada', ['one', 'two', 'three']), ['one', 'three'])
    t.same(await found(b, 'eve', ['eve']), ['eve'])
  })

  t.test('beyond the total limit a session of the principal with most ends', async t => {
    const [a, b] = await open({ ...wide, max: 3 })
    await a.create('eve', sessionOf('eve'))
    await later()
    await a.create('one', sessionOf('ada'))
    await later()
    await b.create('two', sessionOf('ada'))
    await later()
    t.same(await b.create('bob', sessionOf('bob')), ['one'])
    await later()
    t.same(await a.create('cid', sessionOf('cid')), ['eve'], 'of equals, the least recently used ends')
    t.same(await found(a, 'ada', ['one', 'two']), ['two'])
  })

  t.test('concurrently opened sessions stay within the limit', async t => {
    const [a, b] = await open({ ...wide, max: 3 })
    const ids = Array.from({ length: 12 }, (_, n) => `s${n}`)
    const ended = await Promise.all(
      ids.map(async (id, n) => (await [a, b][n % 2]?.create(id, sessionOf(`user-${n}`))) ?? [])
    )
    t.equal(new Set(ended.flat()).size, 9)
    const left = await Promise.all(ids.map(async (id, n) => await a.use(id, `user-${n}`)))
    t.equal(left.filter(record => record !== undefined).length, 3)
  })

  t.test('an unused session expires, and a kept one does not', async t => {
    const isKept = async (factor: number): Promise<boolean> => {
      const idleMs = 1000 * factor
      const [a, b] = await open({ ...wide, idleMs })
      await a.create('one', sessionOf('ada'))
      await a.create('two', sessionOf('ada'))
      const kept = setInterval(() => { Promise.resolve(b.keep(['two'])).catch(() => {}) }, 50)
      t.teardown(() => { clearInterval(kept) })
      await new Promise(resolve => setTimeout(resolve, 1.5 * idleMs))
      clearInterval(kept)
      t.equal(await a.use('one', 'ada'), undefined)
      return await a.use('two', 'ada') !== undefined
    }
    // On a busy machine `keep` may run too late.
    t.ok(await succeeds(isKept))
  })

  t.test('a session in use expires at the end of its lifetime', async t => {
    const [a, b] = await open({ ...wide, lifetimeMs: 300 })
    await a.create('one', sessionOf('ada'))
    let over: readonly string[] = []
    const used = setInterval(() => { Promise.resolve(a.use('one', 'ada')).catch(() => {}) }, 50)
    const kept = setInterval(() => {
      Promise.resolve(b.keep(['one'])).then(
        ids => {
          over = [...over, ...ids]
        },
        () => {}
      )
    }, 50)
    t.teardown(() => { clearInterval(used); clearInterval(kept) })
    await until(() => over.includes('one'))
    t.equal(await a.use('one', 'ada'), undefined)
  })

  t.test('an ended session is over on both instances', async t => {
    const [a, b] = await open(wide)
    await a.create('one', sessionOf('ada'))
    await b.end('one')
    await b.end('one')
    t.equal(await a.use('one', 'ada'), undefined)
    t.equal(await a.set('one', { level: 1 }), undefined)
    t.same(await a.keep(['one']), ['one'])
  })

  t.test('a question is pending on both instances until it is answered', async t => {
    const [a, b] = await open(wide)
    await a.create('one', sessionOf('ada'))
    await a.ask('one', 'a.1', { ...rights, admin: true }, 60_000)
    t.same(await b.asked('one', 'a.1'), { ...rights, admin: true })
    t.equal(await b.asked('one', 'a.2'), undefined)
    t.equal(await b.asked('two', 'a.1'), undefined)
    a.answered('one', 'a.1')
    await a.use('one', 'ada')
    t.equal(await b.asked('one', 'a.1'), undefined)
  })

  t.test('names and texts of every kind are kept unchanged', async t => {
    const [a, b] = await open(wide)
    const odd = {
      ...sessionOf('ада:\n"{}'),
      capabilities: { experimental: { 'a\u0000b': [1, null, { x: '\u2028' }] } }
    }
    await a.create('one', odd)
    await a.set('one', { addUri: 'test://ü "\n' })
    t.match(await b.use('one', odd.owner), { capabilities: odd.capabilities, uris: ['test://ü "\n'] })
  })
}

/** Waits a few milliseconds, because the time of a use is in milliseconds. */
async function later (): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, 5))
}

async function found (store: SessionStore, owner: string, ids: readonly string[]): Promise<string[]> {
  const there: string[] = []
  for (const id of ids) if (await store.use(id, owner) !== undefined) there.push(id)
  return there
}
