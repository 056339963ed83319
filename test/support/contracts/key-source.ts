/** Tests that every key source and every store of last uses must pass. `open` returns two instances. */
import type { Test } from 'tap'
import { createKey } from '../../../src/api-keys/changes.js'
import type { KeySource, UsageStore } from '../../../src/api-keys/key-source.js'
import { newKey } from '../keys.js'
import { until } from '../until.js'

export async function keySourceContract (
  t: Test,
  open: () => Promise<readonly [KeySource, KeySource]>
): Promise<void> {
  t.test('read returns the records of another instance with a new version', async t => {
    const [a, b] = await open()
    const before = await b.read()
    t.same(before.records, [])
    const { record } = newKey()
    t.equal(await a.change(records => ({ records: [...records, record], result: 'made' })), 'made')
    const after = await b.read()
    t.not(after.version, before.version)
    t.match(after.records, [{ id: record.id }])
    t.equal((await b.read()).version, after.version)
  })

  t.test('concurrent changes are all kept', async t => {
    const [a, b] = await open()
    const made = await Promise.all(
      Array.from({ length: 6 }, async (_, n) =>
        await (n % 2 === 0 ? a : b).change(records => {
          const { records: changed, result } = createKey(records, { name: `key ${n}` })
          return { records: changed, result: result.record.id }
        })
      )
    )
    t.same((await a.read()).records.map(({ id }) => id).toSorted(), made.toSorted())
  })

  t.test('a change that throws leaves the records unchanged', async t => {
    const [a, b] = await open()
    const { record } = newKey()
    await a.change(() => ({ records: [record], result: undefined }))
    const { version } = await b.read()
    await t.rejects(b.change(() => { throw new Error('no') }), { message: 'no' })
    t.match(await b.read(), { version, records: [{ id: record.id }] })
  })

  t.test('a listener is called for changes of another instance until it unsubscribes', async t => {
    const [a, b] = await open()
    await b.read()
    const [told, toldAsWell] = [{ times: 0 }, { times: 0 }]
    const stop = b.onChange(() => { told.times += 1 })
    t.teardown(b.onChange(() => { toldAsWell.times += 1 }))
    const { record } = newKey()
    await a.change(() => ({ records: [record], result: undefined }))
    await until(() => told.times > 0 && toldAsWell.times > 0)
    stop()
    const [times, timesAsWell] = [told.times, toldAsWell.times]
    await a.change(() => ({ records: [], result: undefined }))
    await until(() => toldAsWell.times > timesAsWell)
    t.equal(told.times, times)
  })
}

export async function usageContract (
  t: Test,
  open: () => Promise<readonly [UsageStore, UsageStore]>
): Promise<void> {
  t.test('read returns no last use before the first write', async t => {
    const [a] = await open()
    t.same(await a.read(), new Map())
  })

  t.test('write keeps the latest use of each key', async t => {
    const [a, b] = await open()
    const [early, late] = [Date.now() - 60_000, Date.now() - 30_000]
    await a.write(new Map([['one', late], ['two', early]]))
    await b.write(new Map([['one', early], ['two', late], ['three', early]]))
    const expected = new Map([['one', late], ['two', late], ['three', early]])
    t.same(await a.read(), expected)
    t.same(await b.read(), expected)
  })

  t.test('concurrent writes are all kept', async t => {
    const [a, b] = await open()
    const at = Date.now()
    await Promise.all(Array.from({ length: 6 }, async (_, n) => {
      await (n % 2 === 0 ? a : b).write(new Map([[`key-${n}`, at]]))
    }))
    t.same([...(await b.read() ?? []).keys()].toSorted(), Array.from({ length: 6 }, (_, n) => `key-${n}`))
  })
}
