/** `keys create`, `keys list` and `keys show`. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readKeyFile } from '../../../../src/api-keys/file.js'
import { shapeOf } from '../../../../src/api-keys/format.js'
import { directory } from '../../../support/keys.js'
import { start, viaTsx } from '../../../support/process.js'
import { say } from '../../../support/terminal.js'
import { file, keys, withKey } from '../../../support/key-commands.js'

t.test('keys create needs only a name, and prints only the key on stdout', async t => {
  const cwd = await directory(t)
  const { code, stdout, stderr } = await keys(cwd, ['create', '--name', 'laptop'])
  t.equal(code, 0)
  t.equal(shapeOf(stdout), 'managed')
  t.match(stderr, /^Key \w{12} belongs to apikey:\w{12}, with the role user\. It is not shown again/)
  t.notMatch(stderr, stdout)
  t.match(await readKeyFile(join(cwd, file)), [{ name: 'laptop', role: 'user', scopes: [], owner: /^apikey:/ }])
})

t.test('keys create --json includes id and fields, with an empty stderr', async t => {
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

t.test('keys create takes a custom role and metadata, which keys show prints', async t => {
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
  'keys create without a file creates one and says how to use it',
  async t => {
    const cwd = await directory(t)
    const { code, stderr } = await say(['keys', 'create', '--name', 'laptop'], cwd)
    t.equal(code, 0)
    t.match(stderr, `API_KEYS_FILE=${file}`)
    t.equal((await readKeyFile(join(cwd, file))).length, 1)
  }
)

t.test('keys uses the file of .env unless --file is given', async t => {
  const cwd = await directory(t)
  await writeFile(join(cwd, '.env'), 'API_KEYS_FILE=of-env.json\n')
  await say(['keys', 'create', '--name', 'a'], cwd)
  await say(['keys', 'create', '--name', 'b', '--file', 'given.json'], cwd)
  t.match(await readKeyFile(join(cwd, 'of-env.json')), [{ name: 'a' }])
  t.match(await readKeyFile(join(cwd, 'given.json')), [{ name: 'b' }])
})

t.test('a faulty .env stops keys commands unless --file is given', async t => {
  const cwd = await directory(t)
  await writeFile(join(cwd, '.env'), 'API_KEYS_FILE=of-env.json\nstray\n')
  const { code, stdout, stderr } = await say(['keys', 'create', '--name', 'a'], cwd)
  t.match({ code, stdout }, { code: 1, stdout: '' })
  t.match(stderr, /^\.env has a line that is not NAME=value \(line 2\); /)
  t.same(await readdir(cwd), ['.env'])
  t.equal((await say(['keys', 'create', '--name', 'a', '--file', 'given.json'], cwd)).code, 0)
})

t.test('keys list prints a table or JSON', async t => {
  const { cwd, id } = await withKey(t)
  await keys(cwd, ['create', '--name', 'the other', '--owner', 'ada', '--scopes', 'a,b'])
  const table = (await keys(cwd, ['list'])).stdout.split('\n')
  t.match(table[0], /^ID +NAME +OWNER +ROLE +SCOPES +STATUS +EXPIRES +LAST USED$/)
  t.match(table[1], new RegExp(`^${id} +laptop +apikey:${id} +user +- +active +never +never$`))
  t.match(table[2], /the other +user:ada +user +a b +active/)
  t.match(JSON.parse((await keys(cwd, ['list', '--json'])).stdout), [{ id, lastUsedAt: null }, { name: 'the other' }])
})

t.test('keys list shows an unreadable last use as unknown', async t => {
  const { cwd, id } = await withKey(t)
  await mkdir(join(cwd, `${file}.used`))
  t.match((await keys(cwd, ['list'])).stdout, /unknown$/)
  t.match((await keys(cwd, ['show', id])).stdout, /last used +unknown/)
  t.notOk('lastUsedAt' in JSON.parse((await keys(cwd, ['show', id, '--json'])).stdout))
})

t.test('keys list of an empty file lists nothing', async t => {
  const cwd = await directory(t)
  await writeFile(join(cwd, file), '{"version":1,"keys":[]}')
  t.equal((await keys(cwd, ['list'])).stdout, 'There are no keys.')
  t.equal((await keys(cwd, ['list', '--json'])).stdout, '[]')
})

t.test('concurrent keys create calls are all stored', async t => {
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

t.test('keys reads a key from standard input', async t => {
  const { cwd, key } = await withKey(t)
  const run = start(
    t,
    'sh',
    ['-c', 'printf %s "$KEY" | "$@"', 'sh', process.execPath, ...viaTsx, 'keys', 'verify'],
    { cwd, env: { API_KEYS_FILE: file, KEY: key } }
  )
  t.equal((await run.ended).code, 0)
  t.match(run.stdout(), /^Valid: key/)
})
