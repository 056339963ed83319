/** `config` shows all settings and no secrets. */
import { chmodSync, chownSync, existsSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { variableNames } from '../../../../src/config/load.js'
import { heading } from '../../../../src/ledger/file/line.js'
import { newKey } from '../../../support/keys.js'
import { isRoot, nobody, start, unlessNobodyCan, viaTsx } from '../../../support/process.js'
import { openState, statePath } from '../../../support/state.js'
import { type Said, say } from '../../../support/terminal.js'

const key = 'a-key-of-sixteen-or-more'
const secret = 'a secret of thirty-two bytes or more'

t.test('config shows each setting with its value and source', async t => {
  const directory = t.testdir({ '.env': `API_KEYS=${key}\nLOG_LEVEL=debug\nPORT=4000\n` })
  const { code, stdout, stderr } = await say(['config'], directory, {
    PORT: '5000',
    CORS_ORIGINS: 'https://a.example,https://b.example'
  })
  t.equal(code, 0)
  t.equal(stderr, '')
  const [table = '', verdict] = stdout.split('\n\n')
  t.equal(verdict, 'The server would start, at http://localhost:5000/mcp')
  const rows = table.split('\n').map(row => row.split(/ {2,}/))
  t.same(rows.map(([name]) => name), variableNames)
  const shown = Object.fromEntries(rows.map(([name, ...rest]) => [name, rest]))
  t.match(shown, {
    PORT: ['5000', 'environment'],
    LOG_LEVEL: ['debug', '.env'],
    HOST: ['localhost', 'default'],
    CORS_ORIGINS: ['https://a.example, https://b.example', 'environment'],
    API_KEYS: ['(set, 24 characters)', '.env'],
    JWT_SECRET: ['(none)', 'default']
  })
})

t.test('config shows the number of keys, not the keys', async t => {
  const { stdout } = await say(['config'], t.testdir({}), { API_KEYS: `${key},${key}2` })
  t.match(stdout, /^API_KEYS +\(2 set, 24, 25 characters\) +environment$/m)
})

for (const args of [['config'], ['config', '--json']]) {
  t.test(`${args.join(' ')} shows no part of a secret, valid or not`, async t => {
    const directory = t.testdir({ '.env': 'JWT_SECRET=change-me-canary\nCANARYSECRETINTHEWRONGPLACE=1\n' })
    const { stdout, stderr } = await say(args, directory, {
      API_KEYS: 'canary1,canary1',
      PORT: 'canary',
      PUBLIC_URL: 'https://u:canary@x.example',
      NODE_ENV: 'production'
    })
    t.notMatch(stdout + stderr, /canary/i)
  })

  t.test(`${args.join(' ')} exits with 1 if the server would not start`, async t => {
    const { code, stdout } = await say(args, t.testdir({}), { API_KEYS: key, PORT: 'x' })
    t.equal(code, 1)
    t.match(stdout, args.length === 1 ? /^The server would not start\.$/m : /"starts": false,\n *"endpoint": null/)
  })

  t.test(`${args.join(' ')} exits with 0 for warnings`, async t => {
    const { code, stdout, stderr } = await say(args, t.testdir({}), { API_KEYS: 'key1' })
    t.equal(code, 0)
    t.match(stdout + stderr, /API_KEYS is under 16 characters/)
    t.match(
      stdout,
      args.length === 1
        ? /^The server would start, at http:\/\/localhost:3000\/mcp$/m
        : /"starts": true,\n *"endpoint": "http:\/\/localhost:3000\/mcp"/
    )
  })
}

for (const args of [['config'], ['config', '--json']]) {
  t.test(`${args.join(' ')} shows no misplaced credential`, async t => {
    const { key: managed } = newKey()
    const { stdout, stderr } = await say(args, t.testdir({}), {
      API_KEYS_FILE: managed,
      JWT_ISSUER: 'https://id.example.com',
      JWT_JWKS_URL: 'https://id.example.com/keys?api_key=canary',
      PUBLIC_URL: 'https://mcp.example.com'
    })
    t.notMatch(stdout + stderr, new RegExp(`canary|${managed}`))
    t.match(stdout, 'https://id.example.com/keys?…')
  })
}

t.test('config prints problems and warnings to stderr', async t => {
  const { stdout, stderr } = await say(['config'], t.testdir({ '.env': 'RATE_LIMIT=3\n' }), {
    API_KEYS: key,
    PORT: 'x'
  })
  t.match(stdout, /^PORT +\(invalid\) +environment$/m)
  t.match(stderr, /^Warning: \.env .*RATE_LIMIT.*\nProblem: PORT .*$/)
})

for (const args of [['config'], ['config', '--json'], ['doctor'], ['doctor', '--json']]) {
  t.test(`${args.join(' ')} warns of a .env with secrets that others can read`, async t => {
    const directory = t.testdir({ '.env': `API_KEYS=${key}\n` })
    const [open, closed] = [await say(args, directory, {}, '', 0o644), await say(args, directory)]
    t.match(open.stdout + open.stderr, '.env contains secrets, but every user of this machine can read or write it')
    t.match(open.stdout + open.stderr, 'chmod 600 .env')
    t.notMatch(closed.stdout + closed.stderr, '.env contains')
  })
}

t.test('config --json is one document with parsed values', async t => {
  const { stdout } = await say(['config', '--json'], t.testdir({}), {
    API_KEYS: key,
    JWT_SECRET: secret,
    BODY_LIMIT: '2kb',
    ALLOWED_HOSTS: 'A.example'
  })
  const { settings, problems, warnings } = JSON.parse(stdout) as {
    settings: Array<{ name: string; value: unknown; from: string }>
    problems: string[]
    warnings: string[]
  }
  const values = Object.fromEntries(settings.map(({ name, value }) => [name, value]))
  t.match(values, {
    BODY_LIMIT: 2048,
    ALLOWED_HOSTS: ['a.example'],
    PORT: 3000,
    JWT_SECRET: '(set, 36 characters)',
    PUBLIC_URL: null
  })
  t.same(problems, [])
  t.same(warnings, [])
})

t.test('config reports an unusable key file', async t => {
  const { code, stderr } = await say(['config'], t.testdir({}), { API_KEYS_FILE: 'none.json' })
  t.equal(code, 1)
  t.match(
    stderr,
    /^Problem: API_KEYS_FILE names a file that does not exist; create it with: npx fastify-mcp-auth keys create/
  )
})

t.test('config accepts a valid key file', async t => {
  const { code } = await say(['config'], t.testdir({ 'keys.json': '{"version":1,"keys":[]}' }), {
    API_KEYS_FILE: 'keys.json'
  })
  t.equal(code, 0)
})

t.test('config reports an unusable policy file from any directory', async t => {
  const directory = t.testdir({ 'good.json': '\uFEFF{"default":{"cost":2}}', 'dear.json': '{"default":{"cost":200}}' })
  const run = async (file: string) => await say(['config'], directory, { API_KEYS: key, TOOL_POLICY_FILE: file })
  t.equal((await run('good.json')).code, 0)
  for (const [file, wrong] of [
    ['none.json', /names a file that does not exist; name an existing file, or remove the setting$/],
    ['.', /names a directory or a device; name a file$/],
    ['/dev/zero', /names a directory or a device; name a file$/],
    ['dear.json', /default\.cost: more than RATE_LIMIT_MAX/]
  ] as const) {
    const { code, stderr } = await run(file)
    t.equal(code, 1)
    t.match(stderr, wrong)
    t.match(stderr, /^Problem: TOOL_POLICY_FILE /)
  }
})

t.test('config reports an unusable state directory', async t => {
  const directory = t.testdir({ file: '', damaged: { journal: 'garbage\n' } })
  for (const [STATE_DIR, complaint] of [
    ['file', /ENOTDIR/],
    ['file/below', /ENOTDIR/],
    ['damaged', /contains a damaged state; restore it/]
  ] as const) {
    const { code, stderr } = await say(['config'], directory, { API_KEYS: key, STATE_DIR })
    t.equal(code, 1, STATE_DIR)
    t.match(stderr, /^Problem: STATE_DIR [^\n]+$/)
    t.match(stderr, complaint)
  }
})

t.test('config reports a shared state directory without changing it', async t => {
  const directory = t.testdir({ used: { notes: '' }, shared: {}, ours: { journal: '' }, fresh: {} })
  const modes = { used: 0o755, shared: 0o1777, ours: 0o755, fresh: 0o755 }
  for (const [name, mode] of Object.entries(modes)) chmodSync(join(directory, name), mode)
  writeFileSync(join(directory, 'ours', 'journal'), `${heading}\n`)
  for (const [STATE_DIR, complaint] of [
    ['used', /contains other files/],
    ['shared', /meant for sharing/],
    ['ours', undefined],
    ['fresh', undefined]
  ] as const) {
    const { code, stderr } = await say(['config'], directory, { API_KEYS: key, STATE_DIR })
    t.equal(code, complaint === undefined ? 0 : 1, STATE_DIR)
    if (complaint === undefined) t.equal(stderr, '')
    else {
      t.match(
        stderr,
        /^Problem: STATE_DIR names a directory that [^\n]+; set STATE_DIR to a separate directory[^\n]+$/
      )
      t.match(stderr, complaint)
    }
    t.equal(statSync(join(directory, STATE_DIR)).mode & 0o1777, modes[STATE_DIR])
  }
})

t.test(
  'config reports a state directory of another user',
  { skip: isRoot ? false : 'only root can create one' },
  async t => {
    const STATE_DIR = join(t.testdir({ theirs: {} }), 'theirs')
    chmodSync(STATE_DIR, 0o755)
    chownSync(STATE_DIR, nobody.uid, nobody.gid)
    const { code, stderr } = await say(['config'], t.testdirName, { API_KEYS: key, STATE_DIR })
    t.equal(code, 1)
    t.match(stderr, /^Problem: STATE_DIR .*belongs to another user/)
  }
)

t.test('config reports a state directory that is not writable', { skip: unlessNobodyCan() }, async t => {
  // Root can write everywhere, so root runs this as nobody.
  const STATE_DIR = isRoot ? '/state' : t.testdir({})
  if (!isRoot) chmodSync(STATE_DIR, 0o500)
  const run = start(t, process.execPath, [...viaTsx, 'config'], {
    cwd: '/',
    env: { API_KEYS: key, STATE_DIR, TSX_DISABLE_CACHE: '1' },
    ...(isRoot ? nobody : {})
  })
  t.same(await run.ended, { code: 1, signal: null })
  t.match(
    run.stderr(),
    /^Problem: STATE_DIR cannot be used \(EACCES\); name a directory that this user can write to\n$/
  )
})

t.test('config accepts an existing state and does not create one', async t => {
  const path = await statePath(t)
  const show = async (): Promise<Said> => await say(['config'], dirname(path), { API_KEYS: key, STATE_DIR: path })
  t.equal((await show()).code, 0)
  t.notOk(existsSync(path))
  await openState(t, { directory: path })
  t.equal((await show()).code, 0)
})
