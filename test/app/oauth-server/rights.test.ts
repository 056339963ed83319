/** What a grant is worth: never more than the key behind it, and nothing when that ends. */
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { type KeyOptions, revokeKey, rotateKey, setDisabled } from '../../../src/api-keys/changes.js'
import { changeKeyFile } from '../../../src/api-keys/file.js'
import type { KeyRecord } from '../../../src/api-keys/record.js'
import { State } from '../../../src/ledger/ledger.js'
import { defineTool } from '../../../src/tools/tool.js'
import { addKey, directory, keyFile } from '../../support/keys.js'
import { logSink } from '../../support/log-sink.js'
import { until } from '../../support/process.js'
import {
  approve,
  authorizeUrl,
  open,
  pkce,
  press,
  register,
  signIn,
  signInService,
  type SignedIn,
  token
} from '../../support/sign-in.js'
import { adaKey, callOf, modern, post } from '../../support/service.js'

interface Shared {
  readonly app: FastifyInstance
  readonly path: string
  readonly key: string
  readonly id: string
  readonly changed: () => Promise<void>
}

const roomy = { PREAUTH_RATE_LIMIT_MAX: '100000', RATE_LIMIT_MAX: '100000' }
const forAdmins = defineTool({ name: 'for-admins', access: { roles: ['admin'] }, handler: () => 'yes' })
const forReaders = defineTool({ name: 'for-readers', access: { scopes: ['files:read'] }, handler: () => 'yes' })

async function withKey (t: Test, options: Partial<KeyOptions> = {}): Promise<Shared> {
  const path = await keyFile(t)
  const { key, record } = await addKey(path, { owner: 'ada', scopes: ['files:read'], ...options })
  const log = logSink()
  const app = await signInService(t, {
    env: { ...roomy, API_KEYS_FILE: path },
    tools: [forAdmins, forReaders],
    logStream: log
  })
  /** Waits until the server has read the changed file. */
  const changed = async (): Promise<void> => {
    await until(() => log.lines().filter(({ msg }) => msg === 'API keys read').length > 1)
  }
  return { app, path, key, id: record.id, changed }
}

async function change (path: string, id: string, fields: Partial<KeyRecord>): Promise<void> {
  await changeKeyFile(path, records => ({
    records: records.map(one => (one.id === id ? { ...one, ...fields } : one)),
    result: undefined
  }))
}

/** Asks until the answer is `status`. */
async function becomes (app: FastifyInstance, { bearer }: SignedIn, status: number): Promise<void> {
  let last = 0
  let isAsking = false
  await until(() => {
    if (!isAsking && last !== status) {
      isAsking = true
      post(app, callOf('whoami'), bearer).then(
        answer => {
          last = answer.status
          isAsking = false
        },
        () => {
          isAsking = false
        }
      )
    }
    return last === status
  })
}

const ends: Array<[string, (path: string, id: string) => Promise<unknown>]> = [
  ['revoked', async (path, id) => await changeKeyFile(path, records => revokeKey(records, id))],
  ['disabled', async (path, id) => await changeKeyFile(path, records => setDisabled(records, id, true))],
  [
    'rotated away',
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
  t.test(`a key that is ${what} ends the access, the refresh token and the streams of its clients`, async t => {
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
    t.match(
      await token(app, {
        grant_type: 'refresh_token',
        client_id: signedIn.clientId,
        refresh_token: signedIn.refreshToken
      }),
      { status: 400, body: { error: 'invalid_grant' } }
    )
  })

  t.test(`a key that is ${what} while the page is open approves nothing`, async t => {
    const { app, path, key, id, changed } = await withKey(t)
    const first = await open(app, authorizeUrl(await register(app), pkce().challenge))
    const second = await press(app, first, 'continue', { key })
    t.equal(second.status, 200)
    await end(path, id)
    await changed()
    t.match(await press(app, second, 'approve'), { status: 400, location: undefined })
  })
}

t.test('a rotated key is good for its clients until its grace ends', async t => {
  const { app, path, key, id, changed } = await withKey(t)
  const signedIn = await signIn(app, { key })
  await changeKeyFile(path, records => ({ ...rotateKey(records, id, 3600), result: undefined }))
  await changed()
  t.equal((await post(app, callOf('whoami'), signedIn.bearer)).status, 200)
})

t.test('an admin who becomes a user is one at once, and so is the client', async t => {
  const { app, path, key, id } = await withKey(t, { role: 'admin' })
  const signedIn = await signIn(app, { key })
  const role = async (): Promise<string> =>
    (await post(app, callOf('whoami'), signedIn.bearer)).body.result.structuredContent.role
  t.equal(await role(), 'admin')
  t.match((await post(app, callOf('for-admins'), signedIn.bearer)).body.result, { content: [{ text: 'yes' }] })
  await change(path, id, { role: 'user' })
  let last = ''
  await until(() => {
    role().then(found => { last = found }, t.fail)
    return last === 'user'
  })
  t.ok((await post(app, callOf('for-admins'), signedIn.bearer)).body.error)
})

t.test('a user who becomes an admin makes none of a client that was signed in before', async t => {
  const { app, path, key, id, changed } = await withKey(t)
  const signedIn = await signIn(app, { key })
  await change(path, id, { role: 'admin', scopes: ['files:read', 'files:write'] })
  await changed()
  t.match((await post(app, callOf('whoami'), signedIn.bearer)).body.result.structuredContent, {
    role: 'user',
    scopes: ['files:read']
  })
})

t.test('a key that loses a scope takes it from its clients', async t => {
  const { app, path, key, id } = await withKey(t)
  const signedIn = await signIn(app, { key })
  t.match((await post(app, callOf('for-readers'), signedIn.bearer)).body.result, { content: [{ text: 'yes' }] })
  await change(path, id, { scopes: [] })
  let isGone = false
  await until(() => {
    post(app, callOf('for-readers'), signedIn.bearer).then(({ body }) => { isGone = body.error !== undefined }, t.fail)
    return isGone
  })
  t.equal((await post(app, callOf('whoami'), signedIn.bearer)).status, 200)
})

t.test('scopes beyond the key are shown, and not granted', async t => {
  const { app, key } = await withKey(t)
  const clientId = await register(app)
  const { challenge } = pkce()
  const second = await press(
    app,
    await open(app, authorizeUrl(clientId, challenge, { scope: 'files:read files:write' })),
    'continue',
    { key }
  )
  t.match(second.html, /files:write, which your key does not have/)
  t.equal((await signIn(app, { key, clientId, fields: { scope: 'files:read files:write' } })).scope, 'files:read')
})

t.test('a key without scopes that is asked for some gives none', async t => {
  const app = await signInService(t, { tools: [forReaders] })
  const { bearer, scope } = await signIn(app, { fields: { scope: 'files:read' } })
  t.equal(scope, '')
  t.ok((await post(app, callOf('for-readers'), bearer)).body.error)
})

for (const [what, options, status] of [
  ['made with --no-oauth', { oauth: false }, 403],
  ['held to networks', { cidrs: ['127.0.0.0/8'] }, 403],
  ['held to networks, made with --oauth', { cidrs: ['127.0.0.0/8'], oauth: true }, 200],
  ['held to other networks, made with --oauth', { cidrs: ['192.0.2.0/24'], oauth: true }, 401]
] as const) {
  t.test(`a key ${what} answers ${status} at the sign-in`, async t => {
    const { app, key } = await withKey(t, options)
    const page = await press(
      app,
      await open(app, authorizeUrl(await register(app), pkce().challenge)),
      'continue',
      { key }
    )
    t.equal(page.status, status)
  })
}

t.test('a wrong key and one that ended get the same answer, and are charged', async t => {
  const { app, path, key, id, changed } = await withKey(t)
  await changeKeyFile(path, records => revokeKey(records, id))
  const clientId = await register(app)
  const first = await open(app, authorizeUrl(clientId, pkce().challenge))
  await changed()
  const answers = await Promise.all(
    [key, `${key}x`, 'nonsense', ''].map(async one => await press(app, first, 'continue', { key: one }))
  )
  t.equal(new Set(answers.map(({ html }) => html)).size, 1)
  t.ok(answers.every(({ status, headers }) => status === 401 && 'x-ratelimit-remaining' in headers))
})

t.test('what is revoked with "tokens" ends the grants of the key and of its owner', async t => {
  const stateDir = `${await directory(t)}/state`
  const path = await keyFile(t)
  const [one, other] = [await addKey(path, { owner: 'ada' }), await addKey(path, { owner: 'bob' })]
  const app = await signInService(t, { env: { ...roomy, API_KEYS_FILE: path }, stateDir })
  const [adas, bobs] = [await signIn(app, { key: one.key }), await signIn(app, { key: other.key })]
  const state = await State.open({ directory: stateDir })
  await state.revokeKey(one.record.id, { principal: 'cli' })
  await state.revokeSubject('user:bob', Date.now(), { principal: 'cli' })
  await state.close()
  await becomes(app, adas, 401)
  await becomes(app, bobs, 401)
})

t.test('the limit is the owner’s, whatever client calls', async t => {
  const app = await signInService(t, { env: { RATE_LIMIT_MAX: '4' } })
  const [one, other] = [await signIn(app), await signIn(app)]
  const statuses = []
  for (const headers of [one.bearer, other.bearer, { 'x-api-key': adaKey }, one.bearer, other.bearer]) {
    statuses.push((await post(app, callOf('whoami'), headers)).status)
  }
  t.same(statuses, [200, 200, 200, 200, 429])
})

t.test('a client of an admin mints no tokens where a key may not', async t => {
  const { app, key } = await withKey(t, { role: 'admin' })
  const { bearer } = await signIn(app, { key })
  t.ok((await post(app, callOf('generate-token', { userId: 'eve' }), bearer)).body.error)
})

t.test('a token of one endpoint is worth nothing at another with the same secret', async t => {
  const one = await signInService(t)
  const other = await signInService(t, { env: { PUBLIC_URL: 'https://other.example.com' } })
  const { bearer, refreshToken, clientId } = await signIn(one)
  t.equal((await post(one, callOf('whoami'), bearer)).status, 200)
  t.equal((await post(other, callOf('whoami'), bearer)).status, 401)
  t.match(
    await token(other, {
      grant_type: 'refresh_token',
      client_id: await register(other),
      refresh_token: refreshToken
    }),
    { status: 400 }
  )
  t.ok(clientId)
})

t.test('codes that nobody redeems leave no grant', async t => {
  const app = await signInService(t)
  await approve(app)
  t.same(await app.oauthServer.grants.list(), [])
})
