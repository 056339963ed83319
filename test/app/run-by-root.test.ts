/** Commands that root runs in another user's directory act as that user and do not follow their links. */
import { execFile } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { heading } from '../../src/ledger/file/line.js'
import { isRoot, key, nobody, start, unlessNobodyCan, viaTsx } from '../support/process.js'

const asRoot = { skip: isRoot ? unlessNobodyCan() : 'only root can act as others' }
const secret = 's'.repeat(40)

/** `theirs` belongs to another user, who cannot read `roots`. */
function places (t: Test): { theirs: string, roots: string } {
  const base = t.testdir({ theirs: {}, roots: {} })
  const [theirs, roots] = [join(base, 'theirs'), join(base, 'roots')]
  chownSync(theirs, nobody.uid, nobody.gid)
  chmodSync(roots, 0o700)
  return { theirs, roots }
}

/** Does not use the helper `start`, because some of these commands print a key or a token on purpose. */
async function runIn (
  cwd: string,
  args: readonly string[],
  env: Record<string, string> = {}
): Promise<{ code: number | undefined; stdout: string; stderr: string }> {
  const { PATH = '', HOME = '' } = process.env
  const variables = Object.entries({ PATH, HOME, TSX_DISABLE_CACHE: '1', ...env }).map(
    ([name, value]) => `${name}=${value}`
  )
  return await new Promise(resolve => {
    execFile(
      'env',
      ['-i', ...variables, process.execPath, ...viaTsx, ...args],
      { cwd },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
      }
    )
  })
}

/** Every path below `directory`, with its owner and group. */
function ownersIn (directory: string): Array<[name: string, uid: number, gid: number]> {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort().map(name => {
    const { uid, gid } = lstatSync(join(directory, name))
    return [name, uid, gid]
  })
}

t.test('commands of root create files as the owner of the directory', asRoot, async t => {
  const { theirs } = places(t)
  for (const args of [
    ['init'],
    ['token', '--user', 'ada'],
    ['tokens', 'revoke', 'a-token', '--force'],
    ['keys', 'create', '--name', 'laptop']
  ]) {
    const { code, stderr } = await runIn(theirs, args)
    t.equal(code, 0, `${args.join(' ')}: ${stderr}`)
  }
  t.same(
    ownersIn(theirs),
    ['.env', '.gitignore', '.state', '.state/journal', 'api-keys.json'].map(name => [
      name,
      nobody.uid,
      nobody.gid
    ])
  )
})

t.test("start gives up root permanently in another user's directory", asRoot, async t => {
  const { theirs } = places(t)
  const run = start(t, process.execPath, [...viaTsx, 'start'], {
    cwd: theirs,
    env: { API_KEYS: key, PORT: '0', TSX_DISABLE_CACHE: '1' }
  })
  await run.url
  const ids = /^Uid:\t(.*)\n(?:.*\n)*?Gid:\t(.*)\n(?:.*\n)*?Groups:\t(.*?) *$/m
    .exec(readFileSync(`/proc/${run.child.pid}/status`, 'utf8'))
    ?.slice(1)
  const all = Array(4).fill(nobody.uid).join('\t')
  t.same(ids, [all, all, String(nobody.gid)])
  t.equal(lstatSync(join(theirs, '.state')).uid, nobody.uid)
})

t.test('a .env that links to a file of root is not read', asRoot, async t => {
  const { theirs, roots } = places(t)
  writeFileSync(join(roots, 'settings'), 'STATE_DIR=/from-the-file-of-root\n', { mode: 0o600 })
  symlinkSync(join(roots, 'settings'), join(theirs, '.env'))
  const { code, stdout, stderr } = await runIn(theirs, ['config'])
  t.equal(code, 1)
  t.match(stderr, /\.env cannot be read \(EACCES\)/)
  t.notMatch(stdout + stderr, 'from-the-file-of-root')
})

for (const [what, link, args] of [
  ['key file', 'api-keys.json', ['keys', 'create', '--name', 'laptop']],
  ['key file with an end', 'api-keys.json', ['keys', 'list', '--file', 'api-keys.json']],
  ['state directory', '.state', ['tokens', 'revoke', 'a-token', '--force']],
  ['.env', '.env', ['init']]
] as const) {
  t.test(`a ${what} that links into a directory of root changes nothing there`, asRoot, async t => {
    const { theirs, roots } = places(t)
    symlinkSync(join(roots, 'made'), join(theirs, link))
    const { code, stderr } = await runIn(theirs, args, { API_KEYS: key })
    if (link !== '.env') t.not(code, 0)
    t.notMatch(stderr, /^ +at /m, 'no stack')
    t.same(readdirSync(roots), [])
  })
}

t.test('a journal that links to a file of root is neither read nor written', asRoot, async t => {
  const { theirs, roots } = places(t)
  writeFileSync(join(roots, 'file'), 'of root\n', { mode: 0o600 })
  mkdirSync(join(theirs, '.state'), { mode: 0o700 })
  chownSync(join(theirs, '.state'), nobody.uid, nobody.gid)
  symlinkSync(join(roots, 'file'), join(theirs, '.state', 'journal'))
  const { code, stderr } = await runIn(theirs, ['tokens', 'revoke', 'a-token', '--force'], { API_KEYS: key })
  t.equal(code, 1)
  t.match(stderr, /cannot be used \(ELOOP\)|cannot be used \(EACCES\)/)
  t.equal(readFileSync(join(roots, 'file'), 'utf8'), 'of root\n')
})

t.test(
  "the state in another user's directory is changed as that user",
  asRoot,
  async t => {
    const { theirs, roots } = places(t)
    const STATE_DIR = join(theirs, 'state')
    mkdirSync(STATE_DIR, { mode: 0o700 })
    writeFileSync(join(STATE_DIR, 'journal'), `${heading}\n`)
    for (const path of [STATE_DIR, join(STATE_DIR, 'journal')]) chownSync(path, nobody.uid, nobody.gid)
    const API_KEYS_FILE = join(roots, 'api-keys.json')
    const env = { STATE_DIR, API_KEYS_FILE, JWT_SECRET: secret }
    t.match(await runIn(roots, ['tokens', 'revoke', 'a-token', '--force'], env), { code: 0 })
    t.match(
      await runIn(roots, ['keys', 'create', '--name', 'laptop'], env),
      { code: 0, stderr: /Key .* belongs to/ },
      "the key file stays root's"
    )
    t.equal(lstatSync(API_KEYS_FILE).uid, 0)
    t.same(
      ownersIn(theirs).map(([, uid]) => uid),
      [nobody.uid, nobody.uid]
    )
  }
)

t.test('a directory writable by others is refused with sudo -u as advice', asRoot, async t => {
  const cwd = t.testdir({})
  chmodSync(cwd, 0o777)
  const { code, stderr } = await runIn(cwd, ['init'])
  t.equal(code, 1)
  t.match(stderr, /^The directory .* can be written by everyone, so root must not write there: .*sudo -u/)
  t.notOk(existsSync(join(cwd, '.env')))
  t.match(await runIn(cwd, ['--version']), { code: 0 })
})

t.test(
  'changing symbolic links cannot lead commands of root astray',
  { ...asRoot, timeout: 120_000 },
  async t => {
    const { theirs, roots } = places(t)
    writeFileSync(join(roots, 'journal'), 'of root\n')
    const script = `
    const fs = require('node:fs')
    for (;;) {
      for (const make of [() => fs.mkdirSync('.state', 0o700), () => fs.symlinkSync(${JSON.stringify(roots)}, '.state')]) {
        fs.rmSync('.state', { recursive: true, force: true })
        try { make() } catch {}
      }
    }`
    start(t, process.execPath, ['-e', script], { cwd: theirs, ...nobody })
    for (let round = 0; round < 3; round++) {
      await runIn(theirs, ['token', '--user', 'ada'], { JWT_SECRET: secret, STATE_DIR: '.state' })
    }
    t.same(ownersIn(roots), [['journal', 0, 0]])
    t.equal(readFileSync(join(roots, 'journal'), 'utf8'), 'of root\n')
    t.same(
      ownersIn(theirs).filter(([, uid]) => uid === 0),
      []
    )
  }
)
