/** What the key commands make, show and refuse. */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { sha256 } from '../../../../src/lib/sha256.js'
import { readKeyFile } from '../../../../src/api-keys/file.js'
import { mintKey, shapeOf } from '../../../../src/api-keys/format.js'
import { commandLine } from '../../../../src/ledger/records.js'
import { directory } from '../../../support/keys.js'
import { start, viaTsx } from '../../../support/process.js'
import { openState, statePath } from '../../../support/state.js'
import { type Said, say } from '../../../support/terminal.js'

const file = 'api-keys.json'

async function keys (directory: string, args: string[], input = ''): Promise<Said> {
  return await say(['keys', ...args], directory, { API_KEYS_FILE: file }, input)
}

/** A directory with one key, as the command makes it. */
async function withKey (
  t: Parameters<typeof directory>[0],
  ...args: string[]
): Promise<{ cwd: string; id: string; key: string }> {
  const cwd = await directory(t)
  const { id, key } = JSON.parse((await keys(cwd, ['create', '--name', 'laptop', '--json', ...args])).stdout)
  return { cwd, id, key }
}

t.test('a name is enough: the key alone is on stdout, and what there is to say on stderr', async t => {
  const cwd = await directory(t)
  const { code, stdout, stderr } = await keys(cwd, ['create', '--name', 'laptop'])
  t.equal(code, 0)
  t.equal(shapeOf(stdout), 'managed')
  t.match(stderr, /^Key \w{12} is for apikey:\w{12}, role user\. .*once/)
  t.notMatch(stderr, stdout)
  t.match(await readKeyFile(join(cwd, file)), [{ name: 'laptop', role: 'user', scopes: [], owner: /^apikey:/ }])
})

t.test('as JSON the key comes with its id and all that is known of it, and nothing on stderr', async t => {
  const cwd = await directory(t)
  const { stdout, stderr } = await keys(cwd, [
    'create',
    '--name',
    'ci',
    '--owner',
    'ada',
    '--role',
    'admin',
    '--scopes',
    'files:read,b',
    '--scopes',
    'c',
    '--expires',
    '90d',
    '--cidrs',
    '10.0.0.0/8',
    '--rate-limit',
    '5',
    '--json'
  ])
  const made = JSON.parse(stdout)
  t.equal(stderr, '')
  t.match(made, {
    id: /^\w{12}$/,
    key: `mcp_${made.id}_`,
    name: 'ci',
    owner: 'user:ada',
    role: 'admin',
    scopes: ['files:read', 'b', 'c'],
    status: 'active',
    cidrs: ['10.0.0.0/8'],
    rateLimitMax: 5
  })
  t.equal(Date.parse(made.expiresAt) - Date.parse(made.createdAt), 90 * 86_400_000)
})

t.test('keys create takes a role and metadata of the app\'s own, which keys show tells', async t => {
  const cwd = await directory(t)
  const made = await keys(cwd, [
    'create',
    '--name',
    'ci',
    '--role',
    'auditor',
    '--meta',
    'tenant=acme',
    '--meta',
    'plan=gold=1',
    '--json'
  ])
  const { id } = JSON.parse(made.stdout) as { id: string }
  const shown = await keys(cwd, ['show', id, '--json'])
  t.match(JSON.parse(shown.stdout), { role: 'auditor', metadata: { tenant: 'acme', plan: 'gold=1' } })
  t.match((await keys(cwd, ['show', id])).stdout, /metadata +tenant=acme\n +plan=gold=1/)
})

t.test(
  'where no file is set the key is in one of the working directory, and stderr says how the server gets it',
  async t => {
    const cwd = await directory(t)
    const { code, stderr } = await say(['keys', 'create', '--name', 'laptop'], cwd)
    t.equal(code, 0)
    t.match(stderr, `API_KEYS_FILE=${file}`)
    t.equal((await readKeyFile(join(cwd, file))).length, 1)
  }
)

t.test('the file is the one of .env, and --file wins over it', async t => {
  const cwd = await directory(t)
  await writeFile(join(cwd, '.env'), 'API_KEYS_FILE=of-env.json\n')
  await say(['keys', 'create', '--name', 'a'], cwd)
  await say(['keys', 'create', '--name', 'b', '--file', 'given.json'], cwd)
  t.match(await readKeyFile(join(cwd, 'of-env.json')), [{ name: 'a' }])
  t.match(await readKeyFile(join(cwd, 'given.json')), [{ name: 'b' }])
})

t.test('a .env with a fault stops a command that would work on another file, and --file lets it work', async t => {
  const cwd = await directory(t)
  await writeFile(join(cwd, '.env'), 'API_KEYS_FILE=of-env.json\nstray\n')
  const { code, stdout, stderr } = await say(['keys', 'create', '--name', 'a'], cwd)
  t.match({ code, stdout }, { code: 1, stdout: '' })
  t.match(stderr, /^\.env has a line that is not NAME=value \(line 2\); /)
  t.same(await readdir(cwd), ['.env'])
  t.equal((await say(['keys', 'create', '--name', 'a', '--file', 'given.json'], cwd)).code, 0)
})

t.test('the list is a table, or JSON', async t => {
  const { cwd, id } = await withKey(t)
  await keys(cwd, ['create', '--name', 'the other', '--owner', 'ada', '--scopes', 'a,b'])
  const table = (await keys(cwd, ['list'])).stdout.split('\n')
  t.match(table[0], /^ID +NAME +OWNER +ROLE +SCOPES +STATUS +EXPIRES +LAST USED$/)
  t.match(table[1], new RegExp(`^${id} +laptop +apikey:${id} +user +- +active +never +never$`))
  t.match(table[2], /the other +user:ada +user +a b +active/)
  t.match(JSON.parse((await keys(cwd, ['list', '--json'])).stdout), [{ id, lastUsedAt: null }, { name: 'the other' }])
})

t.test('where it cannot be read when keys were used, that is unknown and not never', async t => {
  const { cwd, id } = await withKey(t)
  await mkdir(join(cwd, `${file}.used`))
  t.match((await keys(cwd, ['list'])).stdout, /unknown$/)
  t.match((await keys(cwd, ['show', id])).stdout, /last used +unknown/)
  t.notOk('lastUsedAt' in JSON.parse((await keys(cwd, ['show', id, '--json'])).stdout))
})

t.test('a file without keys lists none', async t => {
  const cwd = await directory(t)
  await writeFile(join(cwd, file), '{"version":1,"keys":[]}')
  t.equal((await keys(cwd, ['list'])).stdout, 'There are no keys.')
  t.equal((await keys(cwd, ['list', '--json'])).stdout, '[]')
})

t.test('no command but create and rotate shows a key, and none a digest', async t => {
  const { cwd, id, key } = await withKey(t)
  const [{ secrets: [{ digest }] }] = JSON.parse(await readFile(join(cwd, file), 'utf8')).keys
  for (const args of [
    ['list'],
    ['list', '--json'],
    ['show', id],
    ['show', id, '--json'],
    ['disable', id],
    ['enable', id, '--json'],
    ['revoke', id]
  ]) {
    const { code, stdout, stderr } = await keys(cwd, args)
    t.equal(code, 0, args.join(' '))
    t.notOk([stdout, stderr].some(text => text.includes(key) || text.includes(digest)))
  }
})

t.test('both secrets verify while the grace of a rotation lasts, and without grace the new one alone', async t => {
  const { cwd, id, key } = await withKey(t)
  const graced = await keys(cwd, ['rotate', id, '--grace', '2h'])
  t.equal(shapeOf(graced.stdout), 'managed')
  t.match(graced.stderr, /works until \d{4}-/)
  for (const good of [key, graced.stdout]) t.equal((await keys(cwd, ['verify'], good)).code, 0)
  const last = JSON.parse((await keys(cwd, ['rotate', id, '--grace', '0', '--json'])).stdout)
  t.equal(last.id, id)
  t.equal((await keys(cwd, ['verify'], last.key)).code, 0)
  for (const old of [key, graced.stdout]) t.match(await keys(cwd, ['verify'], old), { code: 1, stdout: /replaced/ })
})

t.test('without a word about it the old secret works for a day', async t => {
  const { cwd, id } = await withKey(t)
  const { secrets } = JSON.parse((await keys(cwd, ['rotate', id, '--json'])).stdout)
  t.equal(Date.parse(secrets[1].endsAt) - Date.parse(secrets[0].createdAt), 86_400_000)
})

t.test(
  'another secret of a key that is disabled or ends soon comes with a word about that, and of one that has ' +
    'ended there is none',
  async t => {
    const { cwd, id } = await withKey(t, '--expires', '1h')
    await keys(cwd, ['disable', id])
    const { expiresAt } = JSON.parse((await keys(cwd, ['show', id, '--json'])).stdout)
    t.match(await keys(cwd, ['rotate', id]), {
      code: 0,
      stderr: new RegExp(`works until ${expiresAt}\\.\\n.*disabled.*keys enable ${id}`)
    })
    t.intercept(Date, 'now', { value: () => Date.parse(expiresAt) })
    t.match(await keys(cwd, ['rotate', id]), { code: 1, stdout: '', stderr: /has expired.*create another/ })
  }
)

t.test('disabled is for a while, revoked is for good', async t => {
  const { cwd, id, key } = await withKey(t)
  await keys(cwd, ['disable', id])
  t.match(await keys(cwd, ['verify'], key), { code: 1, stdout: /disabled/ })
  await keys(cwd, ['enable', id])
  t.match(await keys(cwd, ['verify'], key), { code: 0, stdout: /^Good/ })
  t.match(JSON.parse((await keys(cwd, ['revoke', id, '--json'])).stdout), { id, status: 'revoked' })
  t.match(await keys(cwd, ['enable', id]), { code: 1, stderr: /for good/ })
  t.match(await keys(cwd, ['rotate', id]), { code: 1, stdout: '', stderr: /for good/ })
})

t.test('verify tells whom a key proves, or why it is not good, also for one address', async t => {
  const { cwd, id, key } = await withKey(t, '--owner', 'ada', '--cidrs', '10.0.0.0/8')
  t.same(JSON.parse((await keys(cwd, ['verify', '--json'], `${key}\n`)).stdout), {
    good: true,
    id,
    owner: 'user:ada',
    role: 'user',
    scopes: []
  })
  t.equal((await keys(cwd, ['verify', '--address', '10.1.2.3'], key)).code, 0)
  t.match(await keys(cwd, ['verify', '--address', '192.0.2.1', '--json'], key), { code: 1, stdout: /"good": false/ })
  t.match(await keys(cwd, ['verify'], key.slice(0, -1)), { code: 1, stdout: /mistyped/ })
})

t.test('where no file is set and none is there, a key of API_KEYS is judged all the same', async t => {
  const cwd = await directory(t)
  const ask = async (key: string): Promise<Said> =>
    await say(['keys', 'verify'], cwd, { API_KEYS: 'the-first-key-of-many' }, key)
  t.match(await ask('the-first-key-of-many'), { code: 0, stdout: /^Good/, stderr: '' })
  t.match(await ask('another-key-of-many'), { code: 1, stdout: /^Not good: .*not known/, stderr: '' })
})

t.test('verify says of a key that it is in a file which the server does not use', async t => {
  const cwd = await directory(t)
  const { id, key } = JSON.parse((await say(['keys', 'create', '--name', 'a', '--json'], cwd)).stdout)
  const unused =
    /^That key is in .*api-keys\.json, which the server does not use until API_KEYS_FILE=api-keys\.json is set\.$/
  t.match(await say(['keys', 'verify'], cwd, {}, key), { code: 0, stdout: /^Good/, stderr: unused })
  t.match(await say(['keys', 'verify', '--json'], cwd, {}, key), { code: 0, stdout: /"good": true/, stderr: unused })
  for (const named of [
    await keys(cwd, ['verify'], key),
    await say(['keys', 'verify', '--file', file], cwd, {}, key)
  ]) { t.match(named, { code: 0, stderr: '' }) }
  await say(['keys', 'revoke', id], cwd)
  t.match(await say(['keys', 'verify'], cwd, {}, key), { code: 1, stdout: /revoked/, stderr: unused })
  t.match(
    await say(['keys', 'verify'], cwd, { API_KEYS: key }, key),
    { code: 0, stdout: /^Good/, stderr: unused },
    'where the list is all that the server asks'
  )
})

t.test('a .env with a fault stops a judgement by keys that could be in it', async t => {
  const { cwd, key } = await withKey(t)
  await writeFile(join(cwd, '.env'), 'API_KEYS=the-first-key-of-many\nstray\n')
  t.match(await keys(cwd, ['verify'], key), { code: 1, stdout: '', stderr: /^\.env has a line/m })
})

t.test('verify takes no key as an argument, and repeats none', async t => {
  const { cwd, key } = await withKey(t)
  const { code, stdout, stderr } = await keys(cwd, ['verify', key])
  t.equal(code, 1)
  t.notMatch(stdout + stderr, key)
})

t.test('what API_KEYS holds can be taken over as it is', async t => {
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
  t.test(`the ${name} is not taken over as a key, and not repeated`, async t => {
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
    t.match(stderr, /nothing was imported/)
    t.notMatch(stderr, shared)
    t.same(await readdir(cwd), ['.env'])
  })
}

t.test('what API_KEYS holds is taken over from where it is set, .env as well', async t => {
  const cwd = await directory(t)
  await writeFile(join(cwd, '.env'), 'API_KEYS="the-first-key-of-many,the-second-key-of-many"\n')
  t.match(await keys(cwd, ['import']), { code: 1, stderr: /--configured/ })
  const { code, stdout, stderr } = await keys(cwd, ['import', '--name', 'old', '--configured', '--json'])
  t.equal(code, 0)
  t.match(stderr, /^Take them out of API_KEYS: /)
  t.match(JSON.parse(stdout), [{ name: 'old 1' }, { name: 'old 2' }])
  t.equal((await keys(cwd, ['verify', '--file', file], 'the-second-key-of-many')).code, 0)
})

t.test('a key of API_KEYS is good as long as the file does not say otherwise', async t => {
  const { cwd } = await withKey(t)
  await writeFile(join(cwd, '.env'), 'API_KEYS=the-first-key-of-many\n')
  t.match(await keys(cwd, ['verify'], 'the-first-key-of-many'), {
    code: 0,
    stdout: /^Good: key \w{12} of apikey:\w{12}, role user$/
  })
  const [{ id }] = JSON.parse((await keys(cwd, ['import', '--configured', '--json'])).stdout)
  await keys(cwd, ['revoke', id])
  t.match(await keys(cwd, ['verify'], 'the-first-key-of-many'), { code: 1, stdout: /revoked/ })
})

for (const [what, key] of [['of its own form', mintKey().key], ['of another form', 'the-first-key-of-many']] as const) {
  const id = sha256(key).slice(0, 12)
  const ends: Array<[string, string[]]> = [
    ['as a key', ['revoke-key', id]],
    ['as a caller', ['revoke-subject', '--principal', `apikey:${id}`]]
  ]
  for (const [how, args] of ends) {
    t.test(`a key of API_KEYS ${what} that was revoked ${how} is not taken over, and no other with it`, async t => {
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
        t.match(stderr, new RegExp(`^The key ${id} was revoked .*nothing was imported`))
        t.notOk(stderr.includes(key))
      }
      t.notOk((await readdir(cwd)).includes(file))
    })
  }
}

t.test('a managed key that was revoked in another file is not taken over under another id', async t => {
  const STATE_DIR = await statePath(t)
  const { id, key } = mintKey()
  await openState(t, { directory: STATE_DIR })
  await say(['tokens', 'revoke-key', id, '--force'], dirname(STATE_DIR), { STATE_DIR })
  t.match(await say(['keys', 'import'], dirname(STATE_DIR), { STATE_DIR }, key), {
    code: 1,
    stderr: new RegExp(`^The key ${id} was revoked`)
  })
})

t.test('no key is made that would be refused at once because its owner was revoked', async t => {
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
    t.match(said, { code: 1, stdout: '', stderr: /^What user:ada is given now is still revoked/ })
  }
  t.notOk((await readdir(cwd)).includes(file))
  for (const { code } of await makeFor('bob')) t.equal(code, 0)
})

t.test('who imports keys of API_KEYS without a file that is named hears how the server gets it', async t => {
  const env = { API_KEYS: 'the-first-key-of-many' }
  t.match(await say(['keys', 'import', '--configured'], await directory(t), env), {
    code: 0,
    stderr: /^Take them out of API_KEYS and set API_KEYS_FILE=api-keys\.json: /
  })
  t.match(await say(['keys', 'import'], await directory(t), {}, 'the-first-key-of-many'), { code: 0, stderr: '' })
})

t.test('the help of create begins with the one option that has to be there', async t => {
  t.match(
    (await say(['keys', 'create', '--help'], '.')).stdout,
    /Options:\n +-n, --name <name> +its name \(required\)\n/
  )
})

t.test('the help of a rotation says its default once', async t => {
  const { stdout } = await say(['keys', 'rotate', '--help'], '.')
  t.match(stdout, '(default: 24h)')
  t.notMatch(stdout, '86400')
})

const refused: Array<[string, string[], RegExp]> = [
  ['no name', ['create'], /--name/],
  ['an empty name', ['create', '--name', ''], /A name is text/],
  [
    'a role that only looks like admin',
    ['create', '--name', 'a', '--role', 'Admin'],
    /must be admin, user or a name of your own/
  ],
  ['metadata without a value', ['create', '--name', 'a', '--meta', 'tenant'], /name=value/],
  ['metadata without a name', ['create', '--name', 'a', '--meta', '=acme'], /name=value/],
  ['metadata twice', ['create', '--name', 'a', '--meta', 'a=1', '--meta', 'a=2'], /given twice/],
  ['a lifetime that is none', ['create', '--name', 'a', '--expires', 'soon'], /lifetime/],
  ['a network that is none', ['create', '--name', 'a', '--cidrs', '10.0.0.0/99'], /A network is/],
  ['networks that are none', ['create', '--name', 'a', '--cidrs', ''], /--cidrs .*It is empty/],
  [
    'nothing between the commas of networks',
    ['create', '--name', 'a', '--cidrs', ' ,'],
    /--cidrs .*It is empty/
  ],
  ['no network for imported keys', ['import', '--cidrs', ''], /--cidrs .*It is empty/],
  ['empty scopes', ['create', '--name', 'a', '--scopes', ','], /--scopes .*It is empty/],
  ['a limit of zero', ['create', '--name', 'a', '--rate-limit', '0'], /whole number/],
  ['an unknown id', ['revoke', 'k00000000000'], /No key has that id/],
  ['no id', ['show'], /missing required argument/],
  ['a grace that is none', ['rotate', 'k00000000000', '--grace', 'long'], /lifetime/],
  [
    'a grace that is none, with the one that ends it now',
    ['rotate', 'k00000000000', '--grace', '-1'],
    /A grace is 0, or/
  ],
  ['an address that is none', ['verify', '--address', 'nonsense'], /It is an address/],
  ['no address', ['verify', '--address', ''], /It is an address/],
  ['no key in API_KEYS to import', ['import', '--configured'], /API_KEYS is not set/],
  ['no input to import', ['import'], /no key to import/],
  ['no input to verify', ['verify'], /no key on standard input/],
  ['a command that is none', ['destroy'], /unknown command/]
]

for (const [what, args, sentence] of refused) {
  t.test(`${what} is told on stderr, with exit code 1 and nothing changed`, async t => {
    const { cwd } = await withKey(t)
    const before = await readFile(join(cwd, file), 'utf8')
    const { code, stdout, stderr } = await keys(cwd, args)
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, sentence)
    t.equal(await readFile(join(cwd, file), 'utf8'), before)
  })
}

t.test('a key with a space in it is refused as what it is, and not taken for two', async t => {
  const cwd = await directory(t)
  const { code, stderr } = await keys(cwd, ['import'], 'a-key-of-sixteen-or-more with-a-space-in-between')
  t.equal(code, 1)
  t.match(stderr, /^The key contains a character that is not allowed in a header/)
  t.same(await readdir(cwd), [])
})

for (const args of [
  ['list'],
  ['show', 'k00000000000'],
  ['verify'],
  ['rotate', 'k00000000000'],
  ['revoke', 'k00000000000']
]) {
  t.test(`${args[0]} without a file says how to make one`, async t => {
    const { code, stderr } = await keys(await directory(t), args, 'a-key')
    t.equal(code, 1)
    t.match(stderr, /does not exist; create it with: npx fastify-mcp-auth keys create --name/)
  })
}

t.test('the help of each command teaches it', async t => {
  const cwd = await directory(t)
  t.match((await say(['keys', '--help'], cwd)).stdout, /create[\s\S]+\$ fastify-mcp-auth keys create --name laptop/)
  for (const command of ['create', 'list', 'show', 'rotate', 'revoke', 'disable', 'enable', 'import', 'verify']) {
    const { code, stdout } = await say(['keys', command, '--help'], cwd)
    t.equal(code, 0)
    t.match(stdout, new RegExp(`Usage: fastify-mcp-auth keys ${command} [\\s\\S]*--file[\\s\\S]*--json`))
  }
})

t.test('several commands at once each make a key, and the file has all of them', async t => {
  const cwd = await directory(t)
  const runs = ['a', 'b', 'c'].map(name =>
    start(t, process.execPath, [...viaTsx, 'keys', 'create', '--name', name], {
      cwd,
      env: { API_KEYS_FILE: file }
    })
  )
  for (const run of runs) {
    t.equal((await run.ended).code, 0)
    t.equal(shapeOf(run.stdout().trim()), 'managed')
  }
  t.same((await readKeyFile(join(cwd, file))).map(({ name }) => name).sort(), ['a', 'b', 'c'])
})

t.test('a key is read from standard input', async t => {
  const { cwd, key } = await withKey(t)
  const run = start(
    t,
    'sh',
    ['-c', 'printf %s "$KEY" | "$@"', 'sh', process.execPath, ...viaTsx, 'keys', 'verify'],
    { cwd, env: { API_KEYS_FILE: file, KEY: key } }
  )
  t.equal((await run.ended).code, 0)
  t.match(run.stdout(), /^Good: key/)
})
