/** The state directory under kills, a full disk and concurrent writers. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { StateError } from '../../../src/ledger/file/directory.js'
import { commandLine } from '../../../src/ledger/records.js'
import { Ledger } from '../../../src/ledger/ledger.js'
import { start, viaTsx } from '../../support/process.js'
import { mintedRecord, openState, statePath } from '../../support/state.js'
import { until } from '../../support/until.js'

const writer = [
  '--import',
  import.meta.resolve('tsx'),
  fileURLToPath(new URL('../../support/state-writer.ts', import.meta.url))
]

t.test('a process killed during 200 writes loses no acknowledged one', async t => {
  const directory = await statePath(t)
  const acknowledged: string[] = []
  for (const killAfter of [1, 40, 150]) {
    const child = spawn(process.execPath, [...writer, directory, '200'], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.on('data', chunk => {
      said += String(chunk)
      if (said.split('\n').length > killAfter) child.kill('SIGKILL')
    })
    const [code] = await once(child, 'close')
    t.equal(code, null, 'it was killed')
    const complete = said.split('\n').slice(0, -1)
    t.ok(complete.length >= killAfter && complete.length < 200)
    acknowledged.push(...complete)
    const state = await Ledger.open({ directory })
    const onRecord = new Set(state.list({ limit: Infinity })?.tokens.map(({ id }) => id))
    t.same(acknowledged.filter(id => !onRecord.has(id)), [])
    await state.close()
  }
})

/** Returns true if the mount succeeded. Only root may mount, and not in every container. */
function mountSmall (directory: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0700', 'tmpfs', directory]).status === 0
}

const probe = t.testdir({})
const mayMount = mountSmall(probe)
if (mayMount) spawnSync('umount', [probe])

t.test(
  'a full disk is reported, loses nothing and recovers',
  { skip: mayMount ? false : 'no right to mount a small disk' },
  async t => {
    const directory = await statePath(t)
    await mkdir(directory, { mode: 0o700 })
    t.ok(mountSmall(directory))
    t.teardown(() => {
      spawnSync('umount', [directory])
    })
    const state = await openState(t, { directory })
    const kept: string[] = []
    const failure = await (async () => {
      for (;;) {
        const minted = mintedRecord({ scopes: Array.from({ length: 30 }, (_, index) => `scope-${index}`) })
        try {
          await state.mint(minted)
        } catch (error) {
          return error
        }
        kept.push(minted.id)
      }
    })()
    t.type(failure, StateError)
    t.match(String(failure), /ENOSPC/)
    t.ok(kept.length > 20)
    t.match(state.problems(), [/ENOSPC/])
    await t.rejects(state.revokeToken(kept[0] ?? '', commandLine), StateError)
    t.ok(state.isRevoked({ id: 'jwt:ada', tokenId: kept[0] ?? '' }), 'it still takes effect')

    t.equal(spawnSync('mount', ['-o', 'remount,size=1m', directory]).status, 0)
    await until(() => state.problems().length === 0)
    await state.mint(mintedRecord({ id: 'after' }))
    const fresh = await openState(t, { directory })
    t.same(
      fresh.list({ limit: Infinity })?.tokens.map(({ id }) => id),
      [...kept, 'after']
    )
    t.ok(fresh.isRevoked({ id: 'jwt:ada', tokenId: kept[0] ?? '' }), 'it has reached the disk')
  }
)

t.test('concurrent commands lose no writes', async t => {
  const directory = await statePath(t)
  const state = await openState(t, { directory })
  const cwd = t.testdir({})
  const ids = ['one', 'two', 'three', 'four']
  const commands = ids.map(id =>
    start(t, process.execPath, [...viaTsx, 'tokens', 'revoke', id, '--force'], {
      cwd,
      env: { STATE_DIR: directory }
    })
  )
  for (const { ended, stderr } of commands) t.same(await ended, { code: 0, signal: null }, stderr())
  await until(() => ids.every(id => state.isRevoked({ id: 'jwt:ada', tokenId: id })))
})

t.test('the lock of a killed process expires', async t => {
  const directory = await statePath(t)
  const state = await openState(t, { directory })
  await mkdir(join(directory, 'journal.lock'))
  await state.revokeKey('k', commandLine)
  t.match(await readFile(join(directory, 'journal'), 'utf8'), '"id":"k"')
})

t.test('an incomplete new journal of a killed process is replaced', async t => {
  const directory = await statePath(t)
  const first = await Ledger.open({ directory })
  await first.revokeKey('k', commandLine)
  await first.close()
  await writeFile(join(directory, 'journal.99999-0123abcd.draft'), 'half of', { mode: 0o600 })
  const state = await openState(t, { directory })
  t.ok(state.isRevoked({ id: 'x', keyId: 'k' }))
})
