/** The rights of a grant: never more than those of its key, and none once the key ends. */
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { revokeKey, rotateKey, setDisabled } from '../../../src/api-keys/changes.js'
import { changeKeyFile } from '../../../src/api-keys/file.js'
import type { KeyRecord } from '../../../src/api-keys/record.js'
import { Ledger } from '../../../src/ledger/ledger.js'
import { addKey, directory, keyFile } from '../../support/keys.js'
import { until } from '../../support/until.js'
import {
  approve, authorizeUrl, isRefreshRefused, open, pkce, press, register, signIn, signInService, type SignedIn
} from '../../support/sign-in.js'
import { callOf, modern, post } from '../../support/service.js'
import { roomy, withKey } from '../../support/signed-in-with-key.js'

async function change (path: string, id: string, fields: Partial<KeyRecord>): Promise<void> {
  await changeKeyFile(path, records => ({
    records: records.map(one => (one.id === id ? { ...one, ...fields } : one)),
    result: undefined
  }))
}

/** Polls until the answer has this status. */
async function becomes (app: FastifyInstance, { bearer }: SignedIn, status: number): Promise<void> {
  await until(async () => (await post(app, callOf('whoami'), bearer)).status === status)
}

const ends: Array<[string, (path: string, id: string) => Promise<unknown>]> = [
  ['revoked', async (path, id) => await changeKeyFile(path, records => revokeKey(records, id))],
  ['disabled', async (path, id) => await changeKeyFile(path, records => setDisabled(records, id, true))],
  [
    'rotated without a grace period',
    async (path, id) =>
      await changeKeyFile(path, records => ({ ...rotateKey(records, id, 0), result: undefined }))
  ],
  [
    'given to another owner',
    async (path, id) => {
      await change(path, id, { owner: 'user:bob' })
    }
  ],
  [
    'closed to clients',
    async (path, id) => {
      await change(path, id, { oauth: false })
    }
  ],
  [
    'removed from the file',
    async (path, id) => {
      await changeKeyFile(path, records => ({
        records: records.filter(one => one.id !== id),
        result: undefined
      }))
    }
  ]
]

for (const [what, end] of ends) {
  t.test(`a key that is ${what} ends the access, refresh tokens and streams of its clients`, async t => {
    const { app, path, key, id } = await withKey(t)
    const signedIn = await signIn(app, { key })
    t.equal((await post(app, callOf('whoami'), signedIn.bearer)).status, 200)
    let stream = ''
    const { headers, payload } = modern('subscriptions/listen', { notifications: { toolsListChanged: true } })
    post(app, payload, {
      ...headers,
      ...signedIn.bearer,
      accept: 'application/json, text/event-stream'
    }).then(answer => {
      stream = answer.text
    }, t.fail)
    await end(path, id)
    await becomes(app, signedIn, 401)
    await until(() => stream !== '')
    t.match(stream, 'subscriptions/acknowledged')
    t.ok(await isRefreshRefused(app, signedIn.clientId, signedIn.refreshToken))
  })

  t.test(`a key that is ${what} while the page is open cannot approve`, async t => {
    const { app, path, key, id, changed } = await withKey(t)
    const first = await open(app, authorizeUrl(await register(app), pkce().challenge))
    const second = await press(app, first, 'continue', { key })
    t.equal(second.status, 200)
    await end(path, id)
    await changed()
    t.match(await press(app, second, 'approve'), { status: 400, location: undefined })
  })
}

t.test('a rotated key stays valid for its clients until its grace period ends', async t => {
  const { app, path, key, id, changed } = await withKey(t)
  const signedIn = await signIn(app, { key })
  await changeKeyFile(path, records => ({ ...rotateKey(records, id, 3600), result: undefined }))
  await changed()
  t.equal((await post(app, callOf('whoami'), signedIn.bearer)).status, 200)
})

t.test('lowering an admin to a user applies to its clients at once', async t => {
  const { app, path, key, id } = await withKey(t, { role: 'admin' })
  const signedIn = await signIn(app, { key })
  // A request that is under way while the rights change is refused, so it has no result.
  const role = async (): Promise<string | undefined> =>
    (await post(app, callOf('whoami'), signedIn.bearer)).body.result?.structuredContent.role
  t.equal(await role(), 'admin')
  t.match((await post(app, callOf('for-admins'), signedIn.bearer)).body.result, { content: [{ text: 'yes' }] })
  await change(path, id, { role: 'user' })
  await until(async () => await role() === 'user')
  t.ok((await post(app, callOf('for-admins'), signedIn.bearer)).body.error)
})

t.test('raising a user to admin does not extend existing grants', async t => {
  const { app, path, key, id, changed } = await withKey(t)
  const signedIn = await signIn(app, { key })
  await change(path, id, { role: 'admin', scopes: ['files:read', 'files:write'] })
  await changed()
  t.match((await post(app, callOf('whoami'), signedIn.bearer)).body.result.structuredContent, {
    role: 'user',
    scopes: ['files:read']
  })
})

t.test('removing a scope from a key removes it from its clients', async t => {
  const { app, path, key, id } = await withKey(t)
  const signedIn = await signIn(app, { key })
  t.match((await post(app, callOf('for-readers'), signedIn.bearer)).body.result, { content: [{ text: 'yes' }] })
  await change(path, id, { scopes: [] })
  await until(async () => (await post(app, callOf('for-readers'), signedIn.bearer)).body.error !== undefined)
  t.equal((await post(app, callOf('whoami'), signedIn.bearer)).status, 200)
})

t.test('tokens revoke ends the grants of a key and of its owner', async t => {
  const stateDir = `${await directory(t)}/state`
  const path = await keyFile(t)
  const [one, other] = [await addKey(path, { owner: 'ada' }), await addKey(path, { owner: 'bob' })]
  const app = await signInService(t, { env: { ...roomy, API_KEYS_FILE: path }, stateDir })
  const [adas, bobs] = [await signIn(app, { key: one.key }), await signIn(app, { key: other.key })]
  const state = await Ledger.open({ directory: stateDir })
  await state.revokeKey(one.record.id, { principal: 'cli' })
  await state.revokeSubject('user:bob', Date.now(), { principal: 'cli' })
  await state.close()
  await becomes(app, adas, 401)
  await becomes(app, bobs, 401)
})

t.test('codes that are not redeemed leave no grant', async t => {
  const app = await signInService(t)
  await approve(app)
  t.same(await app.oauthServer.grants.list(), [])
})
