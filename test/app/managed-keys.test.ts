/** Managed keys in the whole service: which keys are valid, and what is revealed about them. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import { buildApp } from '../../src/app.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import { revokeKey, rotateKey, setDisabled } from '../../src/api-keys/changes.js'
import { type KeyRecord } from '../../src/api-keys/record.js'
import { addKey, directory, keyFile, newKey } from '../support/keys.js'
import { type Answer, callOf, post, rpc } from '../support/service.js'
import { openState, statePath } from '../support/state.js'
import { say } from '../support/terminal.js'
import { serve, whoami, statusOf, becomes, roomy } from '../support/managed-keys.js'

t.test('a key file alone is enough to start, and determines the principals', async t => {
  const own = newKey()
  const adas = newKey({ owner: 'ada', role: 'admin', scopes: ['files:*'], lifetimeSeconds: 3600 })
  const { app } = await serve(t, await keyFile(t, [own.record, adas.record]))
  t.match(await whoami(app, own.key), { id: `apikey:${own.record.id}`, role: 'user', scopes: [] })
  t.match(await whoami(app, adas.key), { id: 'user:ada', role: 'admin', scopes: ['files:*'] })
})

t.test('an empty key file is enough to start, and refuses everyone', async t => {
  const { app } = await serve(t, await keyFile(t))
  t.equal(await statusOf(app, newKey().key), 401)
})

t.test('managed keys, API_KEYS and tokens work together', async t => {
  const { key } = newKey()
  const { app } = await serve(t, await keyFile(t, [newKey().record]), { API_KEYS: 'a-key-in-the-environment' })
  t.equal(await statusOf(app, 'a-key-in-the-environment'), 200)
  t.equal(await statusOf(app, key), 401)
})

t.test('a missing key file stops the start and says how to create it', async t => {
  const path = join(await directory(t), 'api-keys.json')
  await t.rejects(buildApp({ env: { API_KEYS_FILE: path } }), {
    name: 'ConfigError',
    message:
      'API_KEYS_FILE names a file that does not exist; create it with: npx fastify-mcp-auth keys create --name <name>'
  })
})

t.test('a broken key file stops the start and is not quoted', async t => {
  const path = await keyFile(t)
  await writeFile(path, '{"version":1,"keys":[{"id":"secret"}]}')
  await t.rejects(buildApp({ env: { API_KEYS_FILE: path } }), {
    name: 'ConfigError',
    message: /^API_KEYS_FILE names a file that cannot be used: keys\[0\](?!.*secret)/
  })
})

const past = new Date(Date.now() - 1000).toISOString()
const refused: Array<[string, (record: KeyRecord) => KeyRecord[]]> = [
  ['unknown', () => []],
  ['revoked', record => [revokeKey([record], record.id).result]],
  ['disabled', record => [setDisabled([record], record.id, true).result]],
  ['expired', record => [{ ...record, expiresAt: past }]],
  ['replaced', record => [rotateKey([record], record.id, 0).result.record]],
  ['used from another network', record => [{ ...record, cidrs: ['10.0.0.0/8'] }]]
]

for (const [what, change] of refused) {
  t.test(`a key that is ${what} gets the answer of an unknown key`, async t => {
    const { record, key } = newKey()
    const { app, log } = await serve(t, await keyFile(t, change(record)))
    const [wrong, its] = [
      await post(app, rpc('tools/list'), { 'x-api-key': 'wrong' }),
      await post(app, rpc('tools/list'), { 'x-api-key': key })
    ]
    t.equal(its.status, 401)
    t.same(comparable(its), comparable(wrong))
    t.match(log.lines().findLast(({ msg }) => msg === 'request'), { reason: /the .*API key/ })
  })
}

/** The answer without the parts that differ between requests. */
function comparable ({ status, headers, body }: Answer): object {
  const {
    date,
    'x-ratelimit-remaining': remaining,
    'x-ratelimit-reset': reset,
    'x-request-id': id,
    ratelimit,
    ...rest
  } = headers
  const { requestId, ...data } = body.error.data
  return { status, rest, error: { ...body.error, data } }
}

t.test('cidrs are checked against the address of the request', async t => {
  const { record, key } = newKey({ cidrs: ['192.0.2.0/24'] })
  const { app } = await serve(t, await keyFile(t, [record]))
  const from = async (remoteAddress: string): Promise<number> =>
    (
      await app.inject({
        method: 'POST',
        url: '/mcp',
        remoteAddress,
        headers: { 'x-api-key': key, 'content-type': 'application/json' },
        payload: rpc('tools/list')
      })
    ).statusCode
  t.equal(await from('192.0.2.7'), 200)
  t.equal(await from('::ffff:192.0.2.7'), 200)
  t.equal(await from('198.51.100.7'), 401)
})

t.test('keys of an owner share a budget, except for keys with a rateLimit', async t => {
  const path = await keyFile(t)
  const [a, b, own] = [
    await addKey(path, { owner: 'ada' }),
    await addKey(path, { owner: 'ada' }),
    await addKey(path, { owner: 'ada', rateLimitMax: 3 })
  ]
  const { app } = await serve(t, path, { RATE_LIMIT_MAX: '2' })
  const left = async (key: string): Promise<unknown> => {
    const { status, headers } = await post(app, rpc('tools/list'), { 'x-api-key': key })
    return [status, headers['x-ratelimit-limit'], headers['x-ratelimit-remaining']].map(Number)
  }
  t.same(await left(a.key), [200, 2, 1])
  t.same(await left(b.key), [200, 2, 0])
  t.same(await left(a.key), [429, 2, 0])
  t.same(await left(own.key), [200, 3, 2])
  t.match(await whoami(app, own.key), { id: 'user:ada', budget: { limit: 3, remaining: 1 } })
  t.same(await left(own.key), [200, 3, 0])
  t.same(await left(own.key), [429, 3, 0])
})

t.test('an owner, a token subject and a key with one name are different callers', async t => {
  const path = await keyFile(t)
  const { key, record } = await addKey(path)
  const names = [
    (await addKey(path, { owner: `apikey:${record.id}` })).key,
    (await addKey(path, { owner: 'jwt:ada' })).key,
    (await addKey(path, { owner: 'ada' })).key
  ]
  const { app } = await serve(t, path)
  const ids = await Promise.all([key, ...names].map(async key => (await whoami(app, key)).id))
  t.same(ids, [`apikey:${record.id}`, `user:apikey:${record.id}`, 'user:jwt:ada', 'user:ada'])
})

t.test('two registrations in one host do not share keys', async t => {
  const [one, two] = [newKey(), newKey()]
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(mcpAuth, { prefix: '/one', apiKeysFile: await keyFile(t, [one.record]) })
  await app.register(mcpAuth, { prefix: '/two', apiKeysFile: await keyFile(t, [two.record]) })
  const statuses = async (key: string): Promise<number[]> =>
    await Promise.all(
      ['/one/mcp', '/two/mcp'].map(
        async url => (await post(app, rpc('tools/list'), { 'x-api-key': key }, url)).status
      )
    )
  t.same(await statuses(one.key), [200, 401])
  t.same(await statuses(two.key), [401, 200])
})

t.test('keys list shows the last use once the server wrote it', async t => {
  const path = await keyFile(t)
  const { key, record } = await addKey(path)
  const { app } = await serve(t, path)
  await statusOf(app, key)
  await app.close()
  const { stdout } = await say(['keys', 'show', record.id, '--json'], dirname(path), { API_KEYS_FILE: path })
  t.match(JSON.parse(stdout).lastUsedAt, /^\d{4}-/)
})

t.test('a key revoked in STATE_DIR is refused and not counted as used', async t => {
  const path = await keyFile(t)
  const { key, record } = await addKey(path)
  const STATE_DIR = await statePath(t)
  const state = await openState(t, { directory: STATE_DIR })
  await state.revokeKey(record.id, { principal: 'cli' })
  const { app } = await serve(t, path, { STATE_DIR })
  t.equal(await statusOf(app, key), 401)
  await app.close()
  const { stdout } = await say(['keys', 'show', record.id, '--json'], dirname(path), { API_KEYS_FILE: path, STATE_DIR })
  t.match(JSON.parse(stdout), { lastUsedAt: null, status: 'revoked' })
})

t.test('secrets appear in no file, log line, answer or error output', async t => {
  const path = join(await directory(t), 'api-keys.json')
  const env = { API_KEYS_FILE: path }
  const spoken: string[] = []
  const keys = async (args: string[], input = ''): Promise<string> => {
    const { stdout, stderr } = await say(['keys', ...args], dirname(path), env, input)
    spoken.push(stderr)
    return stdout
  }
  const shown = await keys(['create', '--name', 'a'])
  const { id, key } = JSON.parse(await keys(['create', '--name', 'b', '--json']))
  const old = 'an-imported-key-0123456789'
  spoken.push(await keys(['import', '--name', 'c'], old))
  const { app, log } = await serve(t, path, { ...roomy, LOG_LEVEL: 'trace' })
  const rotated = await keys(['rotate', id, '--grace', '1h'])
  await becomes(app, rotated, 200)
  for (const secret of [shown, key, old, rotated, `${key}x`, key.slice(0, -1)]) {
    spoken.push((await post(app, callOf('whoami'), { 'x-api-key': secret })).text)
    spoken.push(await keys(['verify', '--json'], secret))
  }
  spoken.push(
    await keys(['revoke', id]),
    await keys(['list']),
    await keys(['list', '--json']),
    await keys(['show', id, '--json'])
  )
  await becomes(app, key, 401)
  await app.close()
  const files = await Promise.all(
    (await readdir(dirname(path))).map(async name => await readFile(join(dirname(path), name), 'utf8'))
  )
  t.ok(files.length > 1)
  t.match(log.text(), 'the API key was revoked')
  const everything = [...files, ...spoken, log.text()].join('\n')
  for (const secret of [shown, key, rotated].map(key => key.split('_')[2] ?? '').concat(old)) {
    for (let i = 0; i + 8 <= secret.length; i++) {
      if (everything.includes(secret.slice(i, i + 8))) return t.fail('a part of a secret was written')
    }
  }
})
