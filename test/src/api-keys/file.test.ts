/** The key file: changes, locks and killed writers. No acknowledged change is lost. */
import { renameSync, writeFileSync } from 'node:fs'
import { chmod, chown, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { createKey, revokeKey } from '../../../src/api-keys/changes.js'
import { changeKeyFile, readKeyFile } from '../../../src/api-keys/file.js'
import { formatKeyFile } from '../../../src/api-keys/record.js'
import { addKey, directory, keyFile, newKey } from '../../support/keys.js'
import { isRoot, nobody, type Running, start, unlessNobodyCan } from '../../support/process.js'
import { until } from '../../support/until.js'

const writer = fileURLToPath(new URL('../../support/key-writer.ts', import.meta.url))

function startWriter (t: Test, path: string, count: number): Running {
  return start(t, process.execPath, ['--import', import.meta.resolve('tsx'), writer, path, String(count)], {
    cwd: dirname(path)
  })
}

/** Returns the ids that a writer has acknowledged so far. */
function acknowledged ({ stdout }: Running): string[] {
  return stdout().split('\n').slice(1, -1)
}

async function idsIn (path: string): Promise<string[]> {
  return (await readKeyFile(path)).map(({ id }) => id)
}

/** Reads the ids as another user, who has access only through the group. */
async function idsAsNobody (t: Test, path: string): Promise<string[]> {
  await chmod(dirname(path), 0o755)
  const script =
    'process.stdout.write(JSON.parse(require("fs").readFileSync(process.argv[1], "utf8")).keys.map(({ id }) ' +
      '=> id).join("\\n"))'
  const run = start(t, process.execPath, ['-e', script, path], { cwd: '/', ...nobody })
  await run.ended
  return run.stdout().split('\n')
}

t.test('a new key file is private, with no other files left', async t => {
  const path = join(await directory(t), 'api-keys.json')
  const { record } = await addKey(path)
  t.same(await readKeyFile(path), [record])
  t.equal((await stat(path)).mode & 0o777, 0o600)
  t.same(await readdir(dirname(path)), ['api-keys.json'])
})

t.test('a change makes a world-readable key file private', async t => {
  for (const [before, after] of [[0o666, 0o640], [0o604, 0o600], [0o622, 0o600]] as const) {
    const path = await keyFile(t)
    await chmod(path, before)
    await addKey(path)
    t.equal((await stat(path)).mode & 0o777, after)
  }
})

t.test('a group-readable key file stays readable for its group only', async t => {
  const path = await keyFile(t)
  // If possible, a group that a new file would not get.
  const group = isRoot ? 65_534 : process.getgid?.() ?? 0
  await chown(path, process.getuid?.() ?? 0, group)
  await chmod(path, 0o664)
  await addKey(path)
  const { mode, gid } = await stat(path)
  t.equal(mode & 0o777, 0o640)
  t.equal(gid, group)
  if (isRoot && unlessNobodyCan() === false) {
    t.same(await idsAsNobody(t, path), await idsIn(path), 'another user can still read it after the change')
  }
})

t.test(
  "changeKeyFile by root writes nothing in another user's directory",
  { skip: isRoot ? false : 'only root can give directories away' },
  async t => {
    const path = join(await directory(t), 'api-keys.json')
    await chown(dirname(path), 65_534, 65_534)
    await t.rejects(addKey(path), { name: 'ForeignPathError', message: /sudo -u/ })
    t.same(await readdir(dirname(path)), [])
  }
)

t.test('a change of a missing file creates no file', async t => {
  const path = join(await directory(t), 'api-keys.json')
  await t.rejects(
    changeKeyFile(path, records => revokeKey(records, 'k00000000000')),
    { name: 'KeyFileError', wrong: 'does not exist' }
  )
  t.same(await readdir(dirname(path)), [])
})

t.test('an invalid change leaves the file unchanged and unlocked', async t => {
  const path = await keyFile(t, [newKey().record])
  const before = await readFile(path, 'utf8')
  await t.rejects(changeKeyFile(path, records => revokeKey(records, 'k00000000000')), { name: 'KeyChangeError' })
  t.equal(await readFile(path, 'utf8'), before)
  t.same(await readdir(dirname(path)), ['api-keys.json'])
})

t.test('a link is followed and kept', async t => {
  const path = await keyFile(t)
  const link = join(await directory(t), 'link.json')
  await symlink(path, link)
  await addKey(link)
  t.equal((await readKeyFile(path)).length, 1)
  t.equal((await readKeyFile(link)).length, 1)
  t.same(await readdir(dirname(link)), ['link.json'])
})

t.test('temporary files of a killed writer are removed', async t => {
  const path = await keyFile(t)
  for (const name of [
    'api-keys.json.123-0a1b2c3d.draft',
    'api-keys.json.bak',
    'other.json.123-0a1b2c3d.draft'
  ]) { await writeFile(join(dirname(path), name), 'x') }
  await addKey(path)
  t.same((await readdir(dirname(path))).sort(), ['api-keys.json', 'api-keys.json.bak', 'other.json.123-0a1b2c3d.draft'])
})

t.test('an edit without the lock is not lost', async t => {
  const path = await keyFile(t)
  const edited = newKey().record
  let runs = 0
  await changeKeyFile(path, records => {
    // Another program saves the file between our read and our write.
    if (runs++ === 0) {
      writeFileSync(`${path}.new`, formatKeyFile([edited]))
      renameSync(`${path}.new`, path)
    }
    return createKey(records, { name: 'ours' })
  })
  t.equal(runs, 2)
  t.same((await readKeyFile(path)).map(({ name }) => name), [edited.name, 'ours'])
})

t.test('concurrent changes in one process are serialized', async t => {
  const path = await keyFile(t)
  const made = await Promise.all(Array.from({ length: 10 }, async () => await addKey(path)))
  t.same((await idsIn(path)).sort(), made.map(({ record }) => record.id).sort())
})

t.test('concurrent changes in several processes are serialized and acknowledged', async t => {
  const path = join(await directory(t), 'api-keys.json')
  const writers = [startWriter(t, path, 20), startWriter(t, path, 20), startWriter(t, path, 20)]
  for (const { code } of await Promise.all(writers.map(({ ended }) => ended))) t.equal(code, 0)
  const ids = writers.flatMap(acknowledged)
  t.equal(ids.length, 60)
  t.same((await idsIn(path)).sort(), ids.sort())
  t.same(await readdir(dirname(path)), ['api-keys.json'])
})

t.test('a writer killed during 200 writes loses no acknowledged one', async t => {
  await Promise.all([1, 20, 60, 120].map(async (after, index) => {
    const path = await keyFile(t, [newKey().record])
    const before = await idsIn(path)
    const running = startWriter(t, path, 200)
    await until(() => acknowledged(running).length >= after)
    // Each writer is killed at a different moment of a write.
    await new Promise(resolve => setTimeout(resolve, index * 1.7))
    running.child.kill('SIGKILL')
    t.equal((await running.ended).signal, 'SIGKILL')
    const ids = await idsIn(path)
    const said = [...before, ...acknowledged(running)]
    t.same(ids.slice(0, said.length), said, `after ${after}`)
    // One more may have been written before its acknowledgement.
    t.ok(ids.length <= said.length + 1)
    const { record } = await addKey(path)
    t.same(await idsIn(path), [...ids, record.id], 'the next writer continues')
    t.same(await readdir(dirname(path)), ['api-keys.json'])
  }))
})
