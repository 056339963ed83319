/** Commands and admin tools that list and revoke signed-in clients of a running server. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { addKey, directory, keyFile } from '../../../support/keys.js'
import { callOf, post } from '../../../support/service.js'
import { isRefreshRefused, signIn, signInService, token } from '../../../support/sign-in.js'
import { say } from '../../../support/terminal.js'
import { until } from '../../../support/until.js'

const roomy = { PREAUTH_RATE_LIMIT_MAX: '100000', RATE_LIMIT_MAX: '100000' }

async function running (t: Test) {
  const parent = await directory(t)
  const STATE_DIR = `${parent}/state`
  const path = await keyFile(t)
  const [adas, bobs] = [await addKey(path, { owner: 'ada', role: 'admin' }), await addKey(path, { owner: 'bob' })]
  const app = await signInService(t, { env: { ...roomy, API_KEYS_FILE: path, STATE_DIR } })
  const run = async (...args: string[]) => await say(args, parent, { STATE_DIR, AUDIT_FILE: 'commands.jsonl' })
  return { app, adas, bobs, run, audit: `${parent}/commands.jsonl` }
}

type Test = Parameters<typeof directory>[0]

t.test('grants list shows person, client and rights, but no credential', async t => {
  const { app, adas, run } = await running(t)
  t.match(await run('grants', 'list'), { code: 0, stdout: 'No client is signed in.' })
  const { clientId, refreshToken } = await signIn(app, { key: adas.key })
  const { stdout } = await run('grants', 'list', '--json')
  t.match(JSON.parse(stdout), [
    { client: clientId, clientName: 'Tests', subject: 'user:ada', keyId: adas.record.id, role: 'admin' }
  ])
  t.notMatch(stdout, refreshToken)
  t.match((await run('grants', 'list')).stdout, /ID +APP +CLIENT.*\n.*Tests/)
})

for (const [what, args] of [
  ['its id', (id: string) => [id]],
  ['the key', (_id: string, keyId: string) => ['--key', keyId]],
  ['the caller', () => ['--subject', 'user:bob']]
] as const) {
  t.test(`grants revoke by ${what} ends only that grant in a running server`, async t => {
    const { app, adas, bobs, run, audit } = await running(t)
    const [stays, ends] = [await signIn(app, { key: adas.key }), await signIn(app, { key: bobs.key })]
    const [grant] = JSON.parse((await run('grants', 'list', '--subject', 'user:bob', '--json')).stdout)
    t.match(await run('grants', 'revoke', ...args(grant.id, bobs.record.id)), { code: 0, stdout: `Revoked: ${grant.id}` })
    const expected = { kind: 'grant-revoked', tokenId: grant.id, keyId: bobs.record.id, oauthClient: ends.clientId }
    t.match(JSON.parse(readFileSync(audit, 'utf8').split('\n')[1] ?? ''), { ...expected, principal: 'cli' })
    await until(async () => (await post(app, callOf('whoami'), ends.bearer)).status === 401)
    t.equal((await post(app, callOf('whoami'), stays.bearer)).status, 200)
    t.ok(await isRefreshRefused(app, ends.clientId, ends.refreshToken))
    t.equal((await post(app, callOf('whoami'), { 'x-api-key': bobs.key })).status, 200, 'the key stays valid')
  })
}

t.test('grants revoke reports a missing grant and that nothing was revoked', async t => {
  const { run } = await running(t)
  t.match(await run('grants', 'revoke'), { code: 1, stderr: /^Pass the id of a grant/ })
  t.match(await run('grants', 'revoke', '--key', 'one', '--key', 'two'), { code: 1, stderr: /^Nothing was done: --key/ })
  t.match(await run('grants', 'revoke', 'nonsense'), { code: 1, stderr: /not a grant id/ })
  t.match(await run('grants', 'revoke', '0'.repeat(24)), { code: 1, stderr: /Nothing was revoked/ })
})

t.test('clients add, list and remove apply to the server at once', async t => {
  const { app, adas, run } = await running(t)
  t.match(
    await run(
      'clients',
      'add',
      '--name',
      'Cursor',
      '--redirect',
      'cursor://callback',
      '--redirect',
      'https://cursor.com/callback',
      '--id',
      'cursor'
    ),
    { code: 0, stdout: /^Client cursor is registered/ }
  )
  t.match(JSON.parse((await run('clients', 'list', '--json')).stdout), [
    { id: 'cursor', name: 'Cursor', redirectUris: ['cursor://callback', 'https://cursor.com/callback'] }
  ])
  const signedIn = await signIn(app, {
    key: adas.key,
    clientId: 'cursor',
    fields: { redirect_uri: 'cursor://callback' }
  })
  t.equal((await post(app, callOf('whoami'), signedIn.bearer)).status, 200)
  t.match(await run('clients', 'remove', 'cursor'), { code: 0 })
  t.match(
    await token(app, {
      grant_type: 'refresh_token',
      client_id: 'cursor',
      refresh_token: signedIn.refreshToken
    }),
    { status: 401, body: { error: 'invalid_client' } }
  )
  t.match(await run('clients', 'remove', 'cursor'), { code: 1, stderr: /Nothing was removed/ })
})

for (const [what, args] of [
  ['a script', ['--redirect', 'javascript:alert(1)']],
  ['http', ['--redirect', 'http://app.example.com/']],
  ['a fragment', ['--redirect', 'https://app.example.com/#a']],
  ['an id of another kind', ['--redirect', 'https://app.example.com/', '--id', 'dyn-1']],
  ['a URL for an id', ['--redirect', 'https://app.example.com/', '--id', 'https://app.example.com/']]
] as const) {
  t.test(`clients add refuses ${what}`, async t => {
    const { run } = await running(t)
    t.match(await run('clients', 'add', '--name', 'x', ...args), {
      code: 1,
      stderr: /^The client cannot be registered/
    })
  })
}

t.test('admins can list and revoke grants with tools, users cannot', async t => {
  const { app, adas, bobs } = await running(t)
  const bob = await signIn(app, { key: bobs.key })
  const admin = { 'x-api-key': adas.key }
  const listed = (await post(app, callOf('list-grants', { subject: 'user:bob' }), admin)).body.result.structuredContent
  t.match(listed, { total: 1, grants: [{ subject: 'user:bob', clientName: 'Tests' }] })
  t.ok((await post(app, callOf('list-grants'), bob.bearer)).body.error)
  t.match((await post(app, callOf('revoke-grant'), admin)).body.result, { isError: true })
  t.match(
    (await post(app, callOf('revoke-grant', { id: listed.grants[0].id }), admin)).body.result
      .structuredContent,
    { revoked: [listed.grants[0].id] }
  )
  t.equal((await post(app, callOf('whoami'), bob.bearer)).status, 401)
})
