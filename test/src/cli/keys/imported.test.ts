/** `keys import` copies keys from API_KEYS to the key file. */
import { readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { sha256 } from '../../../../src/lib/sha256.js'
import { mintKey } from '../../../../src/api-keys/format.js'
import { commandLine } from '../../../../src/ledger/records.js'
import { directory } from '../../../support/keys.js'
import { openState, statePath } from '../../../support/state.js'
import { type Said, say } from '../../../support/terminal.js'
import { file, keys, withKey } from '../../../support/key-commands.js'

t.test('keys import accepts the value of API_KEYS', async t => {
  const cwd = await directory(t)
  const { code, stdout } = await keys(
    cwd,
    ['import', '--name', 'old', '--json'],
    'the-first-key-of-many, the-second-key-of-many,\n'
  )
  t.equal(code, 0)
  t.match(JSON.parse(stdout), [{ name: 'old 1', status: 'active' }, { name: 'old 2' }])
  t.equal((await keys(cwd, ['verify'], 'the-second-key-of-many')).code, 0)
})

for (const [name, others] of [
  ['JWT_SECRET', {}],
  ['JWT_SECRET_PREVIOUS', { JWT_SECRET: 'j'.repeat(40) }],
  ['REQUEST_STATE_KEY', {}]
] as const) {
  t.test(`keys import refuses ${name} as a key and does not repeat it`, async t => {
    const cwd = await directory(t)
    const shared = 'x'.repeat(40)
    await writeFile(join(cwd, '.env'), `${name}=${shared}\n`)
    const { code, stdout, stderr } = await say(
      ['keys', 'import'],
      cwd,
      others,
      `the-first-key-of-many\n${shared}\n`
    )
    t.match({ code, stdout }, { code: 1, stdout: '' })
    t.match(stderr, /Nothing was imported/)
    t.notMatch(stderr, shared)
    t.same(await readdir(cwd), ['.env'])
  })
}

t.test('keys import reads API_KEYS from the environment or .env', async t => {
  const cwd = await directory(t)
  await writeFile(join(cwd, '.env'), 'API_KEYS="the-first-key-of-many,the-second-key-of-many"\n')
  t.match(await keys(cwd, ['import']), { code: 1, stderr: /--configured/ })
  const { code, stdout, stderr } = await keys(cwd, ['import', '--name', 'old', '--configured', '--json'])
  t.equal(code, 0)
  t.match(stderr, /^Remove them from API_KEYS\. /)
  t.match(JSON.parse(stdout), [{ name: 'old 1' }, { name: 'old 2' }])
  t.equal((await keys(cwd, ['verify', '--file', file], 'the-second-key-of-many')).code, 0)
})

t.test('an API_KEYS key stays valid unless the key file says otherwise', async t => {
  const { cwd } = await withKey(t)
  await writeFile(join(cwd, '.env'), 'API_KEYS=the-first-key-of-many\n')
  t.match(await keys(cwd, ['verify'], 'the-first-key-of-many'), {
    code: 0,
    stdout: /^Valid: key \w{12} of apikey:\w{12}, role user$/
  })
  const [{ id }] = JSON.parse((await keys(cwd, ['import', '--configured', '--json'])).stdout)
  await keys(cwd, ['revoke', id])
  t.match(await keys(cwd, ['verify'], 'the-first-key-of-many'), { code: 1, stdout: /revoked/ })
})

for (const [what, key] of [
  ['in the form of a managed key', mintKey().key],
  ['in another form', 'the-first-key-of-many']
] as const) {
  const id = sha256(key).slice(0, 12)
  const ends: Array<[string, string[]]> = [
    ['as a key', ['revoke-key', id]],
    ['as a caller', ['revoke-subject', '--principal', `apikey:${id}`]]
  ]
  for (const [how, args] of ends) {
    t.test(`keys import refuses an API_KEYS key ${what} that was revoked ${how}`, async t => {
      const STATE_DIR = await statePath(t)
      const cwd = dirname(STATE_DIR)
      const env = { STATE_DIR, API_KEYS: `the-good-key-of-many,${key}`, API_KEYS_FILE: file }
      await openState(t, { directory: STATE_DIR })
      t.equal((await say(['tokens', ...args], cwd, env)).code, 0)
      for (const source of [['--configured'], ['--owner', 'ada']]) {
        const { code, stdout, stderr } = await say(
          ['keys', 'import', ...source],
          cwd,
          env,
          `the-good-key-of-many,${key}`
        )
        t.match({ code, stdout }, { code: 1, stdout: '' })
        t.match(stderr, new RegExp(`^The key ${id} was revoked .*Nothing was imported`))
        t.notOk(stderr.includes(key))
      }
      t.notOk((await readdir(cwd)).includes(file))
    })
  }
}

t.test('keys import refuses a revoked managed key of another file', async t => {
  const STATE_DIR = await statePath(t)
  const { id, key } = mintKey()
  await openState(t, { directory: STATE_DIR })
  await say(['tokens', 'revoke-key', id, '--force'], dirname(STATE_DIR), { STATE_DIR })
  t.match(await say(['keys', 'import'], dirname(STATE_DIR), { STATE_DIR }, key), {
    code: 1,
    stderr: new RegExp(`^The key ${id} was revoked`)
  })
})

t.test('keys create refuses a revoked owner', async t => {
  const STATE_DIR = await statePath(t)
  const cwd = dirname(STATE_DIR)
  const env = { STATE_DIR, API_KEYS_FILE: file }
  const state = await openState(t, { directory: STATE_DIR })
  await state.revokeSubject('user:ada', Date.now() + 60_000, commandLine)
  const makeFor = async (owner: string): Promise<Said[]> =>
    await Promise.all(
      [['create', '--name', 'a'], ['import']].map(
        async args => await say(['keys', ...args, '--owner', owner], cwd, env, 'the-first-key-of-many')
      )
    )
  for (const said of await makeFor('ada')) {
    t.match(said, { code: 1, stdout: '', stderr: /^No key was created: a recent revocation of user:ada/ })
  }
  t.notOk((await readdir(cwd)).includes(file))
  for (const { code } of await makeFor('bob')) t.equal(code, 0)
})

t.test('keys import without a file says how the server finds it', async t => {
  const env = { API_KEYS: 'the-first-key-of-many' }
  t.match(await say(['keys', 'import', '--configured'], await directory(t), env), {
    code: 0,
    stderr: /^Remove them from API_KEYS and set API_KEYS_FILE=api-keys\.json\. /
  })
  t.match(await say(['keys', 'import'], await directory(t), {}, 'the-first-key-of-many'), { code: 0, stderr: '' })
})
