/** KeyStore follows every change and every fault of its file. */
import { chmod, chown, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { sha256 } from '../../../src/lib/sha256.js'
import { isVerified } from '../../../src/principal/presented.js'
import { revokeKey, rotateKey } from '../../../src/api-keys/changes.js'
import { changeKeyFile } from '../../../src/api-keys/file.js'
import { formatKeyFile } from '../../../src/api-keys/record.js'
import { KeyStore } from '../../../src/api-keys/followed-file.js'
import { readUsage, usagePath } from '../../../src/api-keys/last-use.js'
import { addKey, directory, keyFile, newKey } from '../../support/keys.js'
import { until } from '../../support/until.js'

interface Line { readonly level: string, readonly message: string, readonly fields: object }

async function openStore (
  t: Test,
  path: string
): Promise<{ store: KeyStore; lines: Line[]; isGood: (key: string) => boolean }> {
  const lines: Line[] = []
  const log = (level: string) => (fields: object, message: string) => {
    lines.push({ level, message, fields })
  }
  const store = await KeyStore.open({
    path,
    pollMs: 10,
    log: { info: log('info'), warn: log('warn'), error: log('error') }
  })
  t.teardown(() => store.close())
  // Notes each use, as the authentication does.
  const isGood = (key: string): boolean => {
    const verdict = store.verify({ key, digest: sha256(key) }, '192.0.2.1')
    if (isVerified(verdict)) store.noteUse(verdict.principal)
    return isVerified(verdict)
  }
  return { store, lines, isGood }
}

t.test('KeyStore applies created and revoked keys without a restart', async t => {
  const path = await keyFile(t)
  const { isGood } = await openStore(t, path)
  const { key, record } = await addKey(path)
  await until(() => isGood(key))
  await changeKeyFile(path, records => revokeKey(records, record.id))
  await until(() => !isGood(key))
})

t.test('listeners are called for each change until they unsubscribe', async t => {
  const path = await keyFile(t)
  const { store } = await openStore(t, path)
  let told = 0
  const stop = store.onChange(() => { told++ })
  await addKey(path)
  await until(() => told === 1)
  stop()
  const { key } = await addKey(path)
  await until(() => isVerified(store.verify({ key, digest: sha256(key) }, '192.0.2.1')))
  t.equal(told, 1)
})

t.test('listeners are called when a key expires', async t => {
  const { record, key } = newKey()
  const { result } = rotateKey([record], record.id, 3600)
  const { store } = await openStore(t, await keyFile(t, [result.record]))
  const verdict = store.verify({ key, digest: sha256(key) }, '192.0.2.1')
  if (!isVerified(verdict)) return t.fail('the key is invalid')
  let isOver = false
  store.onChange(() => { isOver = !store.stillGood(verdict.principal) })
  const later = Date.now() + 3_600_001
  t.intercept(Date, 'now', { value: () => later })
  await until(() => isOver)
})

t.test('consecutive edits of the same length are detected', async t => {
  const keys = Array.from({ length: 30 }, () => newKey({ name: 'same' }))
  const path = await keyFile(t)
  const { isGood } = await openStore(t, path)
  for (const { record, key } of keys) {
    // In place, as some editors save: with the same inode, and often the same modification time.
    await writeFile(path, formatKeyFile([record]))
    await until(() => isGood(key))
  }
  t.notOk(isGood(keys[0]?.key ?? ''))
})

t.test('an edit with the same time is detected by size or inode', async t => {
  const path = await keyFile(t)
  const old = new Date(Date.now() - 3_600_000)
  await utimes(path, old, old)
  const { isGood } = await openStore(t, path)
  const { key, record } = newKey()
  await writeFile(`${path}.new`, formatKeyFile([record]))
  await utimes(`${path}.new`, old, old)
  await rename(`${path}.new`, path)
  await until(() => isGood(key))
})

const faults: Array<[string, (path: string) => Promise<void>]> = [
  ['garbage', async path => { await writeFile(path, '\u0000garbage') }],
  ['an empty file', async path => { await writeFile(path, '') }],
  ['a file of another kind', async path => { await writeFile(path, '{"version":1,"keys":"none"}') }],
  ['no file', async path => { await rm(path) }]
]

for (const [what, breakIt] of faults) {
  t.test(
    `a key file replaced by ${what} keeps the keys and is reported once`,
    async t => {
      const { record, key } = newKey()
      const path = await keyFile(t, [record])
      const { store, lines, isGood } = await openStore(t, path)
      const errors = (): Line[] => lines.filter(({ level }) => level === 'error')
      t.same(store.problems(), [])
      await breakIt(path)
      await until(() => store.problems().length > 0)
      t.ok(isGood(key))
      await new Promise(resolve => setTimeout(resolve, 100))
      t.equal(errors().length, 1)
      t.same(store.problems().length, 1)
      const next = newKey()
      await writeFile(path, formatKeyFile([next.record]), { mode: 0o600 })
      await until(() => isGood(next.key))
      await until(() => store.problems().length === 0)
      t.notOk(isGood(key))
      t.match(lines.at(-1), { level: 'info', message: /again/ })
    }
  )
}

t.test('restoring the same content clears the problem', async t => {
  const { record, key } = newKey()
  const path = await keyFile(t, [record])
  const { store, isGood } = await openStore(t, path)
  const text = await readFile(path)
  await rename(path, `${path}.away`)
  await until(() => store.problems().length > 0)
  await rename(`${path}.away`, path)
  await until(() => store.problems().length === 0)
  await writeFile(path, 'garbage')
  await until(() => store.problems().length > 0)
  await writeFile(path, text)
  await until(() => store.problems().length === 0)
  t.ok(isGood(key))
})

t.test('KeyStore.open refuses an invalid file', async t => {
  const path = `${await directory(t)}/api-keys.json`
  await t.rejects(openStore(t, path), { name: 'KeyFileError', wrong: 'does not exist' })
  await writeFile(path, 'garbage')
  await t.rejects(openStore(t, path), { name: 'KeyFileError', wrong: 'is not JSON' })
})

const modes: Array<[string, number, RegExp | undefined]> = [
  ['everybody may read', 0o644, /0600/],
  ['its group may write', 0o660, /0600/],
  ['its group may read', 0o640, undefined],
  ['its owner alone may read', 0o400, undefined]
]

for (const [what, mode, warning] of modes) {
  t.test(`a key file that ${what} is ${warning === undefined ? 'not ' : ''}warned about at the start`, async t => {
    const path = await keyFile(t)
    await chmod(path, mode)
    const { lines } = await openStore(t, path)
    t.match(
      lines.filter(({ level }) => level === 'warn').map(({ message }) => message),
      warning === undefined ? [] : [warning]
    )
    t.equal(lines.filter(({ level }) => level === 'warn').length, warning === undefined ? 0 : 1)
  })
}

t.test('a key file that becomes writable by others is warned about once', async t => {
  const path = await keyFile(t)
  const { lines, isGood } = await openStore(t, path)
  const warnings = (): Line[] => lines.filter(({ level }) => level === 'warn')
  await chmod(path, 0o666)
  await until(() => warnings().length > 0)
  const { key, record } = newKey()
  await writeFile(path, formatKeyFile([record]))
  await until(() => isGood(key))
  t.match(warnings(), [{ message: /0600/ }])
  t.equal(warnings().length, 1)
})

t.test('a key file of another user is warned about', async t => {
  const path = await keyFile(t)
  const isRoot = process.getuid?.() === 0
  // Only root can change the owner. For other users the file stays theirs.
  if (isRoot) await chown(path, 65_534, 65_534)
  const { lines } = await openStore(t, path)
  t.match(lines.filter(({ level }) => level === 'warn').map(({ message }) => message), isRoot ? [/another user/] : [])
})

t.test('the last use is written at close, not to the key file', async t => {
  const { record, key } = newKey()
  const path = await keyFile(t, [record, newKey().record])
  const before = await readFile(path, 'utf8')
  const { store, isGood } = await openStore(t, path)
  const at = Date.now()
  isGood(key)
  await store.close()
  const used = await readUsage(usagePath(path))
  t.same([...used?.keys() ?? []], [record.id])
  t.ok((used?.get(record.id) ?? 0) >= at)
  t.equal(await readFile(path, 'utf8'), before)
})

t.test('uses within ten minutes count as one, even over a restart', async t => {
  const { record, key } = newKey()
  const path = await keyFile(t, [record])
  let now = Date.now()
  t.intercept(Date, 'now', { value: () => now })
  const lastUse = async (): Promise<number | undefined> => {
    const { store, isGood } = await openStore(t, path)
    isGood(key)
    await store.close()
    return (await readUsage(usagePath(path)))?.get(record.id)
  }
  const first = now
  t.equal(await lastUse(), first)
  now += 599_999
  t.equal(await lastUse(), first)
  now += 1
  t.equal(await lastUse(), now)
})

t.test('a last use in the future is replaced', async t => {
  const [before, after] = [newKey(), newKey()]
  const path = await keyFile(t, [before.record, after.record])
  const right = Date.now()
  let now = right + 86_400_000
  t.intercept(Date, 'now', { value: () => now })
  const first = await openStore(t, path)
  first.isGood(before.key)
  now = right
  first.isGood(before.key)
  await first.store.close()
  t.same([...await readUsage(usagePath(path)) ?? []], [[before.record.id, right]], 'the process that noted it')
  now = right + 86_400_000
  const second = await openStore(t, path)
  second.isGood(after.key)
  await second.store.close()
  now = right
  t.same([...await readUsage(usagePath(path)) ?? []], [[before.record.id, right]], 'the next server reads it')
})

t.test('two servers merge their last uses', async t => {
  const [a, b] = [newKey(), newKey()]
  const path = await keyFile(t, [a.record, b.record])
  const [one, two] = [await openStore(t, path), await openStore(t, path)]
  one.isGood(a.key)
  two.isGood(b.key)
  await Promise.all([one.store.close(), two.store.close()])
  t.same([...(await readUsage(usagePath(path)))?.keys() ?? []].sort(), [a.record.id, b.record.id].sort())
})

t.test('an unusable last-use file is only a warning', async t => {
  const { record, key } = newKey()
  const path = await keyFile(t, [record])
  // A directory in its place can be neither read nor written.
  await rename(await directory(t), usagePath(path))
  const { store, lines, isGood } = await openStore(t, path)
  t.ok(isGood(key))
  await store.close()
  t.match(lines.filter(({ level }) => level === 'warn'), [{ message: /last use/ }])
})

t.test('ten thousand keys load within a second and all work', async t => {
  const keys = Array.from({ length: 10_000 }, (_, index) =>
    newKey({
      name: `key ${index}`,
      owner: 'ada',
      scopes: ['files:read'],
      lifetimeSeconds: 3600,
      cidrs: ['192.0.2.0/24'],
      rateLimitMax: 9
    })
  )
  const path = await keyFile(t, keys.map(({ record }) => record))
  // Measures CPU time, because other tests run meanwhile.
  const before = process.cpuUsage()
  const { isGood } = await openStore(t, path)
  const { user, system } = process.cpuUsage(before)
  t.ok(user + system < 1_000_000)
  t.ok(isGood(keys[0]?.key ?? ''))
  t.ok(isGood(keys.at(-1)?.key ?? ''))
  t.notOk(isGood(newKey().key))
})
