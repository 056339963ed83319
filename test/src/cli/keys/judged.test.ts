/** `keys verify`, also after `keys rotate`, `keys disable` and `keys revoke`. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { shapeOf } from '../../../../src/api-keys/format.js'
import { directory } from '../../../support/keys.js'
import { type Said, say } from '../../../support/terminal.js'
import { file, keys, withKey } from '../../../support/key-commands.js'

t.test('keys verify accepts both secrets during the grace period', async t => {
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

t.test('keys rotate keeps the old secret for a day by default', async t => {
  const { cwd, id } = await withKey(t)
  const { secrets } = JSON.parse((await keys(cwd, ['rotate', id, '--json'])).stdout)
  t.equal(Date.parse(secrets[1].endsAt) - Date.parse(secrets[0].createdAt), 86_400_000)
})

t.test(
  'keys rotate warns about a disabled or expiring key, and refuses an expired one',
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

t.test('keys disable is temporary, keys revoke is permanent', async t => {
  const { cwd, id, key } = await withKey(t)
  await keys(cwd, ['disable', id])
  t.match(await keys(cwd, ['verify'], key), { code: 1, stdout: /disabled/ })
  await keys(cwd, ['enable', id])
  t.match(await keys(cwd, ['verify'], key), { code: 0, stdout: /^Valid/ })
  t.match(JSON.parse((await keys(cwd, ['revoke', id, '--json'])).stdout), { id, status: 'revoked' })
  t.match(await keys(cwd, ['enable', id]), { code: 1, stderr: /permanently/ })
  t.match(await keys(cwd, ['rotate', id]), { code: 1, stdout: '', stderr: /permanently/ })
})

t.test('keys verify shows the principal or the reason, also per address', async t => {
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

t.test('keys verify checks API_KEYS without a key file', async t => {
  const cwd = await directory(t)
  const ask = async (key: string): Promise<Said> =>
    await say(['keys', 'verify'], cwd, { API_KEYS: 'the-first-key-of-many' }, key)
  t.match(await ask('the-first-key-of-many'), { code: 0, stdout: /^Valid/, stderr: '' })
  t.match(await ask('another-key-of-many'), { code: 1, stdout: /^Not valid: .*is unknown/, stderr: '' })
})

t.test('keys verify warns if the server does not use the key file', async t => {
  const cwd = await directory(t)
  const { id, key } = JSON.parse((await say(['keys', 'create', '--name', 'a', '--json'], cwd)).stdout)
  const unused =
    /^This key is in .*api-keys\.json, which the server does not use until API_KEYS_FILE=api-keys\.json is set\.$/
  t.match(await say(['keys', 'verify'], cwd, {}, key), { code: 0, stdout: /^Valid/, stderr: unused })
  t.match(await say(['keys', 'verify', '--json'], cwd, {}, key), { code: 0, stdout: /"good": true/, stderr: unused })
  for (const named of [
    await keys(cwd, ['verify'], key),
    await say(['keys', 'verify', '--file', file], cwd, {}, key)
  ]) { t.match(named, { code: 0, stderr: '' }) }
  await say(['keys', 'revoke', id], cwd)
  t.match(await say(['keys', 'verify'], cwd, {}, key), { code: 1, stdout: /revoked/, stderr: unused })
  t.match(
    await say(['keys', 'verify'], cwd, { API_KEYS: key }, key),
    { code: 0, stdout: /^Valid/, stderr: unused },
    'the server checks only the list'
  )
})

t.test('a faulty .env stops keys verify', async t => {
  const { cwd, key } = await withKey(t)
  await writeFile(join(cwd, '.env'), 'API_KEYS=the-first-key-of-many\nstray\n')
  t.match(await keys(cwd, ['verify'], key), { code: 1, stdout: '', stderr: /^\.env has a line/m })
})

t.test('keys verify takes no key as an argument and repeats none', async t => {
  const { cwd, key } = await withKey(t)
  const { code, stdout, stderr } = await keys(cwd, ['verify', key])
  t.equal(code, 1)
  t.notMatch(stdout + stderr, key)
})
