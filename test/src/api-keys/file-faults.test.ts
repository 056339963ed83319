/** Errors of key files that cannot be read or written. Each names the fault and the fix in one sentence. */
import { spawnSync } from 'node:child_process'
import {
  chmod, lstat, mkdir, readdir, readFile, rename, stat, symlink, truncate, writeFile
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import t from 'tap'
import { KeyFileError, readKeyFile } from '../../../src/api-keys/file.js'
import { addKey, directory, keyFile, newKey } from '../../support/keys.js'
import { isRoot, nobody, start, unlessNobodyCan, viaTsx } from '../../support/process.js'

t.test('a full disk is reported, shows no key and leaves the file unchanged', async t => {
  const path = await keyFile(t, Array.from({ length: 200 }, () => newKey().record))
  const before = await readFile(path)
  // A file size limit of the process replaces a full disk. It works everywhere and fails the same write.
  const run = start(
    t,
    'sh',
    ['-c', 'ulimit -f 16; exec "$@"', 'sh', process.execPath, ...viaTsx, 'keys', 'create', '--name', 'late'],
    {
      cwd: dirname(path),
      env: { API_KEYS_FILE: path, TSX_DISABLE_CACHE: '1' }
    }
  )
  t.equal((await run.ended).code, 1)
  t.equal(run.stdout(), '')
  t.match(run.stderr(), /^The key file .* cannot be written: .*; .*nothing was changed\n$/)
  t.ok(before.equals(await readFile(path)))
  t.same(await readdir(dirname(path)), ['api-keys.json'])
  t.equal((await addKey(path)).record.name, 'test')
})

const broken: Array<[string, (path: string) => Promise<void>, RegExp]> = [
  [
    'garbage',
    async path => {
      await writeFile(path, Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7) & 255)))
    },
    /is not JSON/
  ],
  [
    'nothing',
    async path => {
      await truncate(path, 0)
    },
    /is empty/
  ],
  [
    'half of it',
    async path => {
      await truncate(path, Math.floor((await stat(path)).size / 2))
    },
    /is not JSON/
  ],
  [
    'something else',
    async path => {
      await writeFile(path, '{"version":1,"keys":[{"id":"k"}]}')
    },
    /cannot be used: keys\[0\]/
  ],
  [
    'a directory',
    async path => {
      await rename(path, `${path}.old`)
      await mkdir(path)
    },
    /is a directory/
  ]
]

for (const [what, breakIt, sentence] of broken) {
  t.test(`a key file replaced by ${what} is neither read nor overwritten`, async t => {
    const path = await keyFile(t, [newKey().record])
    await breakIt(path)
    await t.rejects(readKeyFile(path), { name: 'KeyFileError', wrong: sentence })
    await t.rejects(addKey(path), { name: 'KeyFileError', wrong: sentence })
    await t.rejects(readKeyFile(path), { name: 'KeyFileError', wrong: sentence })
  })
}

for (const [what, text, right] of [
  ['a later version', '{"version":2,"keys":[]}', 'update this program'],
  ['nothing', '', 'restore a valid copy, or start with {"version":1,"keys":[]}']
] as const) {
  t.test(`a key file of ${what} has its own advice`, async t => {
    const path = await keyFile(t)
    await writeFile(path, text)
    await t.rejects(readKeyFile(path), { name: 'KeyFileError', right })
  })
}

/** Returns true if the mount succeeded. Only root may mount, and not in every container. */
function mount (...args: string[]): boolean {
  return spawnSync('mount', args).status === 0
}

const probe = t.testdir({})
const mayMount = mount('--bind', probe, probe)
if (mayMount) spawnSync('umount', [probe])

t.test(
  'a mounted key file gives advice to mount its directory',
  { skip: mayMount ? false : 'no right to mount' },
  async t => {
    const path = await keyFile(t)
    t.ok(mount('--bind', path, path))
    t.teardown(() => {
      spawnSync('umount', [path])
    })
    await t.rejects(addKey(path), { name: 'KeyFileError', right: 'mount its directory, not the file' })
  }
)

t.test('a read-only file system is reported', { skip: mayMount ? false : 'no right to mount' }, async t => {
  const path = await keyFile(t)
  t.ok(mount('--bind', dirname(path), dirname(path)) && mount('-o', 'remount,bind,ro', dirname(path)))
  t.teardown(() => { spawnSync('umount', [dirname(path)]) })
  await t.rejects(addKey(path), { name: 'KeyFileError', wrong: /is read-only/ })
})

t.test(
  'a key file of another user is reported with advice',
  { skip: isRoot ? unlessNobodyCan() : 'only root can change to another user' },
  async t => {
    const path = await keyFile(t)
    await chmod(path, 0o644)
    await chmod(dirname(path), 0o777)
    const run = start(t, process.execPath, [...viaTsx, 'keys', 'create', '--name', 'a', '--file', path], {
      cwd: '/',
      ...nobody,
      env: { TSX_DISABLE_CACHE: '1' }
    })
    t.same(await run.ended, { code: 1, signal: null })
    t.match(run.stderr(), /cannot be written \(EPERM\); run this as the owner of the file or as root/)
  }
)

t.test('a link to a missing key file is followed and kept', async t => {
  const path = join(await directory(t), 'api-keys.json')
  const link = join(await directory(t), 'link.json')
  await symlink(path, link)
  await addKey(link)
  t.ok((await lstat(link)).isSymbolicLink())
  t.equal((await readKeyFile(path)).length, 1)
})

t.test('a circular link is reported', async t => {
  const link = join(await directory(t), 'link.json')
  await symlink('link.json', link)
  await t.rejects(addKey(link), { name: 'KeyFileError', wrong: /ELOOP/ })
})

t.test('a key file in a missing directory is reported', async t => {
  await t.rejects(addKey(join(await directory(t), 'none', 'api-keys.json')), {
    name: 'KeyFileError',
    wrong: /directory does not exist/
  })
})

t.test('an error names the file and the fix in one sentence', async t => {
  const path = join(await directory(t), 'api-keys.json')
  const error: unknown = await readKeyFile(path).catch((error: unknown) => error)
  if (!(error instanceof KeyFileError)) return t.fail('no fault')
  t.match(
    error.message,
    new RegExp(
      `^The key file .*${basename(path)} does not exist; create it with: npx fastify-mcp-auth keys create`
    )
  )
})
