/** The directory of the ledger: its owner, and a damaged, deleted or removed journal. */
import { existsSync, lstatSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdir, readFile, readdir, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { StateError } from '../../../src/ledger/file/directory.js'
import { lineOf } from '../../../src/ledger/file/line.js'
import { commandLine } from '../../../src/ledger/records.js'
import { Ledger } from '../../../src/ledger/ledger.js'
import { mintedRecord, openState, statePath } from '../../support/state.js'
import { until } from '../../support/until.js'

const isRoot = process.getuid?.() === 0
const withToken = (tokenId: string) => ({ id: 'jwt:ada', tokenId, issuedAt: Date.now() })

t.test('the state directory and its files are private', async t => {
  const directory = await statePath(t)
  const state = await openState(t, { directory })
  await state.mint(mintedRecord())
  t.equal((await stat(directory)).mode & 0o777, 0o700)
  for (const name of await readdir(directory)) t.equal((await stat(join(directory, name))).mode & 0o077, 0, name)
})

t.test('an empty directory becomes private', async t => {
  const directory = await statePath(t)
  await mkdir(directory, { mode: 0o755 })
  await openState(t, { directory })
  t.equal((await stat(directory)).mode & 0o777, 0o700)
})

t.test('a shared directory with other files is left alone', async t => {
  const directory = await statePath(t)
  await mkdir(directory)
  await chmod(directory, 0o755)
  await writeFile(join(directory, 'letter.txt'), '')
  await t.rejects(Ledger.open({ directory }), StateError)
  t.equal((await stat(directory)).mode & 0o777, 0o755)
})

t.test('a sticky directory is left alone, even if empty', async t => {
  const directory = await statePath(t)
  await mkdir(directory)
  await chmod(directory, 0o1777)
  await t.rejects(Ledger.open({ directory }), { name: 'StateError', message: /meant for sharing.*STATE_DIR/ })
  t.equal((await stat(directory)).mode & 0o7777, 0o1777)
})

t.test('a directory of another user is left alone', async t => {
  // Only root can change the owner of a directory. For other users, `/` belongs to another user.
  const directory = isRoot ? await statePath(t) : '/'
  if (isRoot) {
    await mkdir(directory)
    await chown(directory, 65_534, 65_534)
    await chmod(directory, 0o777)
  }
  await t.rejects(Ledger.open({ directory }), {
    name: 'StateError',
    message: isRoot ? /belongs to another user/ : /a directory inside it, such as/
  })
  if (isRoot) t.equal((await stat(directory)).mode & 0o777, 0o777)
})

t.test(
  "State.open by root creates no directory inside another user's",
  { skip: isRoot ? false : 'only root can give directories away' },
  async t => {
    const directory = await statePath(t)
    await chown(dirname(directory), 65_534, 65_534)
    await t.rejects(Ledger.open({ directory }), { name: 'ForeignPathError', message: /sudo -u/ })
    t.same(await readdir(dirname(directory)), [])
  }
)

t.test('a damaged journal is kept aside, not through a link', async t => {
  const directory = await statePath(t)
  const state = await openState(t, { directory, pollMs: 20 })
  await state.revokeKey('k', commandLine)
  const [journal, aside, elsewhere] = [
    join(directory, 'journal'),
    join(directory, 'journal.damaged'),
    join(dirname(directory), 'elsewhere')
  ]
  await writeFile(elsewhere, 'untouched')
  await symlink(elsewhere, aside)
  await writeFile(journal, 'damaged\n')
  await until(() => existsSync(journal) && readFileSync(journal, 'utf8').includes('key-revoked'))
  t.notOk(lstatSync(aside).isSymbolicLink())
  t.equal(await readFile(aside, 'utf8'), 'damaged\n')
  t.equal(await readFile(elsewhere, 'utf8'), 'untouched')
})

t.test('an unusable directory is one sentence', async t => {
  const directory = await statePath(t)
  await writeFile(directory, '')
  await t.rejects(Ledger.open({ directory }), {
    message: /^The state directory .* cannot be used \(E[A-Z]+\): set STATE_DIR to .*\.$/
  })
})

t.test('a revocation survives a start with a clock that is ahead', async t => {
  const { directory, id } = await written(t)
  const right = Date.now
  const shift = t.intercept(Date, 'now', { value: () => right() + 40 * 86_400_000 })
  const ahead = await openState(t, { directory })
  shift.restore()
  await ahead.revokeKey('k', commandLine)
  t.ok(ahead.isRevoked(withToken(id)), 'revoked in the process with the wrong clock')
  const fresh = await openState(t, { directory })
  t.ok(fresh.isRevoked(withToken(id)), 'revoked on the disk')
})

t.test('revokeSubject covers tokens of a clock that was ahead', async t => {
  const state = await openState(t)
  const at = Date.now() + 3_600_000
  await state.mint(mintedRecord({ id: 'early' }))
  await state.mint(mintedRecord({ id: 'ahead', at }))
  t.equal(state.lastIssueTo('jwt:ada'), at)
  t.ok(state.lastIssueTo('jwt:bob') < at)
})

async function written (t: Test): Promise<{ directory: string, journal: string, id: string }> {
  const directory = await statePath(t)
  const state = await Ledger.open({ directory })
  await state.mint(mintedRecord({ id: 'kept' }))
  await state.revokeToken('kept', commandLine)
  await state.close()
  return { directory, journal: join(directory, 'journal'), id: 'kept' }
}

t.test('a torn line is skipped, and later lines are read', async t => {
  const { directory, journal, id } = await written(t)
  const whole = await readFile(journal, 'utf8')
  await writeFile(journal, whole + lineOf(mintedRecord()).slice(0, -40))
  const state = await openState(t, { directory })
  await state.revokeKey('k2', commandLine)
  const fresh = await openState(t, { directory })
  t.ok(fresh.isRevoked(withToken(id)))
  t.ok(fresh.isRevoked({ id: 'x', keyId: 'k2' }))
  t.equal(fresh.list()?.tokens.length, 1)
})

for (const [what, damage] of [
  [
    'garbage',
    async (path: string) => {
      await writeFile(path, 'garbage\n')
    }
  ],
  [
    'garbage without a line break',
    async (path: string) => {
      await writeFile(path, 'garbage')
    }
  ],
  [
    'nothing',
    async (path: string) => {
      await truncate(path, 0)
    }
  ],
  [
    'bytes that are not text',
    async (path: string) => {
      await writeFile(path, Buffer.from([0xff, 0xfe, 0, 10]))
    }
  ],
  [
    'a copy with one changed byte',
    async (path: string) => {
      await writeFile(path, (await readFile(path, 'utf8')).replace('kept', 'kepd'))
    }
  ],
  [
    'itself, and garbage',
    async (path: string) => {
      await writeFile(path, `${await readFile(path, 'utf8')}garbage\n`)
    }
  ]
] as const) {
  t.test(`a journal replaced by ${what} stops the start`, async t => {
    const { directory, journal } = await written(t)
    await damage(journal)
    await t.rejects(Ledger.open({ directory }), {
      name: 'StateError',
      message: /is damaged, .*restore it.*\.$/
    })
  })

  t.test(`a running server rewrites a journal replaced by ${what} and reports it`, async t => {
    const { directory, journal, id } = await written(t)
    const said: string[] = []
    const state = await openState(t, {
      directory,
      report: sentence => {
        said.push(sentence)
      }
    })
    await damage(journal)
    await until(() => said.length > 0)
    t.match(said[0], /rewritten from memory/)
    t.ok(state.isRevoked(withToken(id)))
    const fresh = await openState(t, { directory })
    t.ok(fresh.isRevoked(withToken(id)))
    t.same(state.problems(), [])
  })
}

t.test('a deleted journal is rewritten by a running server', async t => {
  const { directory, journal, id } = await written(t)
  const said: string[] = []
  await openState(t, { directory, report: sentence => { said.push(sentence) } })
  await rm(journal)
  await until(() => said.length > 0)
  const fresh = await openState(t, { directory })
  t.ok(fresh.isRevoked(withToken(id)))
})

t.test('a removed directory is a problem until it returns, and revocations apply', async t => {
  const { directory } = await written(t)
  const said: string[] = []
  const state = await openState(t, { directory, report: sentence => { said.push(sentence) } })
  await rm(directory, { recursive: true })
  await t.rejects(state.revokeToken('late', commandLine), StateError)
  await t.rejects(state.mint(mintedRecord()), StateError)
  t.ok(state.isRevoked(withToken('late')))
  t.match(state.problems(), [/cannot be used/])
  await mkdir(directory, { mode: 0o700 })
  await until(() => state.problems().length === 0)
  const fresh = await openState(t, { directory })
  t.ok(fresh.isRevoked(withToken('late')))
  t.ok(fresh.isRevoked(withToken('kept')))
  t.match(said, [/cannot be used/])
})

t.test('a journal is compacted without losing live records', async t => {
  const directory = await statePath(t)
  const state = await openState(t, { directory })
  await state.revokeKey('kept', commandLine)
  const at = Date.now() - 10 * 3_600_000
  await Promise.all(Array.from({ length: 1500 }, async () => await state.mint(mintedRecord({ at, expiresAt: at + 1 }))))
  const before = (await stat(join(directory, 'journal'))).size
  const fresh = await openState(t, { directory })
  t.ok((await stat(join(directory, 'journal'))).size < before / 10)
  t.ok(fresh.isRevoked({ id: 'x', keyId: 'kept' }))
  await sleep(100)
  t.ok(state.isRevoked({ id: 'x', keyId: 'kept' }))
})

t.test('a line of a later version is skipped', async t => {
  const { directory, journal, id } = await written(t)
  await writeFile(
    journal,
    (await readFile(journal, 'utf8')) +
      lineOf({ kind: 'unheard-of', id: '1', at: 1, by: { principal: 'cli' } })
  )
  const state = await openState(t, { directory })
  t.ok(state.isRevoked(withToken(id)))
})
