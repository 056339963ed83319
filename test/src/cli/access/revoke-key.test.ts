/** `tokens revoke-key`, and the keys commands for keys that it revoked. */
import { writeFileSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { sha256 } from '../../../../src/lib/sha256.js'
import { formatKeyFile } from '../../../../src/api-keys/record.js'
import { keyFile, newKey } from '../../../support/keys.js'
import { adaKey, bobKey } from '../../../support/service.js'
import { openState, mintedRecord, statePath } from '../../../support/state.js'
import { say } from '../../../support/terminal.js'
import { until } from '../../../support/until.js'

t.test('tokens revoke-key accepts the API_KEYS id from whoami', async t => {
  const STATE_DIR = await statePath(t)
  const state = await openState(t, { directory: STATE_DIR })
  const id = sha256(adaKey).slice(0, 12)
  t.equal(
    (
      await say(['tokens', 'revoke-key', `apikey:${id}`], dirname(STATE_DIR), {
        STATE_DIR,
        API_KEYS: `${adaKey},${bobKey}`
      })
    ).code,
    0
  )
  await until(() => state.isRevoked({ id: `apikey:${id}`, keyId: id }))
  t.notOk(state.isRevoked({ id: 'x', keyId: sha256(bobKey).slice(0, 12) }))
})

t.test('tokens revoke refuses an unknown id without --force', async t => {
  const STATE_DIR = await statePath(t)
  const state = await openState(t, { directory: STATE_DIR })
  await state.mint(mintedRecord({ id: 'first' }))
  for (const id of ['firs', 'undefined']) {
    const { code, stdout, stderr } = await say(['tokens', 'revoke', id], '.', { STATE_DIR })
    t.same({ code, stdout }, { code: 1, stdout: '' })
    t.match(stderr, new RegExp(`^Nothing was revoked: .* ${id} .*--force`))
  }
  t.notMatch(await readFile(join(STATE_DIR, 'journal'), 'utf8'), 'revoked')
  const { code, stdout } = await say(['tokens', 'revoke', 'firs', '--force', '--json'], '.', { STATE_DIR })
  t.equal(code, 0)
  t.same(JSON.parse(stdout), { id: 'firs', onRecord: false, revoked: ['firs'] })
  await until(() => state.isRevoked({ id: 'x', tokenId: 'firs' }))
})

t.test(
  'tokens revoke-key refuses the unused id of an imported key',
  async t => {
    const STATE_DIR = await statePath(t)
    const state = await openState(t, { directory: STATE_DIR })
    const { record, key } = newKey()
    const id = sha256(key).slice(0, 12)
    const env = { STATE_DIR, API_KEYS: key, API_KEYS_FILE: await keyFile(t, [record]) }
    const revoke = async (which: string) =>
      await say(['tokens', 'revoke-key', which], dirname(STATE_DIR), env)
    t.match(await revoke(id), {
      code: 1,
      stdout: '',
      stderr: new RegExp(`^Nothing was revoked: .*${record.id}`)
    })
    t.notMatch(await readFile(join(STATE_DIR, 'journal'), 'utf8'), 'revoked')
    t.equal((await revoke(record.id)).code, 0)
    await until(() => state.isRevoked({ id: 'x', keyId: record.id }))
  }
)

t.test(
  'tokens revoke-key accepts an API_KEYS id with an unrelated or unusable key file',
  async t => {
    const STATE_DIR = await statePath(t)
    await openState(t, { directory: STATE_DIR })
    const { record, key } = newKey()
    const id = sha256(key).slice(0, 12)
    writeFileSync(join(dirname(STATE_DIR), 'api-keys.json'), formatKeyFile([record]))
    for (const file of [
      {},
      { API_KEYS_FILE: await keyFile(t, [newKey().record]) },
      { API_KEYS_FILE: 'none.json' }
    ]) {
      t.equal(
        (await say(['tokens', 'revoke-key', id], dirname(STATE_DIR), { STATE_DIR, API_KEYS: key, ...file }))
          .code,
        0
      )
    }
  }
)

t.test('tokens revoke-key refuses an unknown id without --force', async t => {
  const STATE_DIR = await statePath(t)
  const state = await openState(t, { directory: STATE_DIR })
  const [API_KEYS_FILE, id] = [await keyFile(t, [newKey().record]), 'kqqqqqqqqqqq']
  for (const env of [{ API_KEYS_FILE }, { API_KEYS_FILE: `${API_KEYS_FILE}.none` }, {}]) {
    const { code, stderr } = await say(['tokens', 'revoke-key', id], dirname(STATE_DIR), { STATE_DIR, ...env })
    t.equal(code, 1)
    t.match(stderr, /^Nothing was revoked: .*--force/)
  }
  t.notMatch(await readFile(join(STATE_DIR, 'journal'), 'utf8'), 'revoked')
  t.equal((await say(['tokens', 'revoke-key', id, '--force'], dirname(STATE_DIR), { STATE_DIR })).code, 0)
  await until(() => state.isRevoked({ id: 'x', keyId: id }))
})

t.test('keys commands show a key revoked by tokens revoke-key, and refuse to rotate it', async t => {
  const STATE_DIR = await statePath(t)
  const { record, key } = newKey({ owner: 'ada' })
  const other = newKey()
  const env = { STATE_DIR, API_KEYS_FILE: await keyFile(t, [record, other.record]) }
  const ask = async (...args: string[]) => await say(['keys', ...args], dirname(STATE_DIR), env, key)
  t.match(await ask('verify'), { code: 0, stderr: '' }, 'without a state nothing is revoked')
  await openState(t, { directory: STATE_DIR })
  t.equal((await say(['tokens', 'revoke-key', record.id], dirname(STATE_DIR), env)).code, 0)
  t.match(JSON.parse((await ask('list', '--json')).stdout), [{ status: 'revoked' }, { status: 'active' }])
  t.match(JSON.parse((await ask('show', record.id, '--json')).stdout), { status: 'revoked' })
  t.match(await ask('verify'), { code: 1, stdout: /revoked/ })
  t.match(await ask('rotate', record.id), { code: 1, stdout: '', stderr: /create another/ })
})

t.test('keys rotate makes a key valid again after its owner was revoked', async t => {
  const STATE_DIR = await statePath(t)
  const { record } = newKey({ owner: 'ada' }, Date.now() - 60_000)
  const env = { STATE_DIR, API_KEYS_FILE: await keyFile(t, [record]) }
  await openState(t, { directory: STATE_DIR })
  await say(
    [
      'tokens',
      'revoke-subject',
      '--principal',
      'user:ada',
      '--before',
      new Date(Date.now() - 1000).toISOString()
    ],
    dirname(STATE_DIR),
    env
  )
  const status = async () =>
    JSON.parse((await say(['keys', 'show', record.id, '--json'], dirname(STATE_DIR), env)).stdout).status
  t.equal(await status(), 'revoked')
  t.equal((await say(['keys', 'rotate', record.id], dirname(STATE_DIR), env)).code, 0)
  t.equal(await status(), 'active')
})

t.test('keys commands report an unreadable state', async t => {
  const STATE_DIR = await statePath(t)
  await mkdir(join(STATE_DIR, 'journal'), { recursive: true })
  const { code, stdout, stderr } = await say(['keys', 'list'], dirname(STATE_DIR), {
    STATE_DIR,
    API_KEYS_FILE: await keyFile(t, [newKey().record])
  })
  t.equal(code, 0)
  t.match(stdout, 'active')
  t.match(stderr, /^Warning: .*STATE_DIR/)
})
