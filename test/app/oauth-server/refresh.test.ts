/** Refresh tokens: rotation, tolerance for concurrent refreshes, and revocation on reuse. */
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { logSink } from '../../support/log-sink.js'
import { addKey, directory, keyFile } from '../../support/keys.js'
import { register, signIn, signInService, token } from '../../support/sign-in.js'
import { callOf, post } from '../../support/service.js'
import { wallClock } from '../../support/wall-clock.js'

type Answer = Awaited<ReturnType<typeof token>>

async function refresh (
  app: FastifyInstance,
  clientId: string,
  refreshToken: string | undefined,
  fields: Record<string, string> = {}
): Promise<Answer> {
  return await token(app, {
    grant_type: 'refresh_token',
    client_id: clientId,
    refresh_token: refreshToken,
    ...fields
  })
}

t.test('concurrent uses of a refresh token return the same successor', async t => {
  const app = await signInService(t)
  const { clientId, refreshToken } = await signIn(app)
  const all = await Promise.all(Array.from({ length: 10 }, async () => await refresh(app, clientId, refreshToken)))
  t.ok(all.every(({ status }) => status === 200))
  t.equal(new Set(all.map(({ body }) => body.refresh_token)).size, 1)
  t.equal((await refresh(app, clientId, all[0]?.body.refresh_token)).status, 200)
})

for (const seconds of [1, 30, 59]) {
  t.test(`a refresh token reused after ${seconds} s returns the same successor, even a used one`, async t => {
    const clock = wallClock(t)
    const app = await signInService(t)
    const { clientId, refreshToken } = await signIn(app)
    const first = await refresh(app, clientId, refreshToken)
    t.equal((await refresh(app, clientId, first.body.refresh_token)).status, 200)
    clock.advance(seconds)
    const again = await refresh(app, clientId, refreshToken)
    t.equal(again.status, 200)
    t.equal(again.body.refresh_token, first.body.refresh_token)
  })
}

for (const seconds of [76, 300, 599]) {
  t.test(`a refresh token works after ${seconds} s if its successor is unused`, async t => {
    const clock = wallClock(t)
    const app = await signInService(t)
    const { clientId, refreshToken } = await signIn(app)
    const first = await refresh(app, clientId, refreshToken)
    clock.advance(seconds)
    const again = await refresh(app, clientId, refreshToken)
    t.equal(again.status, 200)
    t.equal((await refresh(app, clientId, again.body.refresh_token)).status, 200)
    t.equal(first.status, 200)
  })
}

for (const [what, seconds, usesSuccessor] of [
  ['ten minutes later', 601, false],
  ['a minute after its successor was used', 61, true]
] as const) {
  t.test(`a refresh token reused ${what} revokes the grant as a security event`, async t => {
    const clock = wallClock(t)
    const sink = logSink()
    const app = await signInService(t, { logStream: sink })
    const { clientId, refreshToken, bearer } = await signIn(app)
    const first = await refresh(app, clientId, refreshToken)
    const newest = usesSuccessor ? await refresh(app, clientId, first.body.refresh_token) : first
    t.equal((await post(app, callOf('whoami'), bearer)).status, 200)
    clock.advance(seconds)
    t.match(await refresh(app, clientId, refreshToken), { status: 400, body: { error: 'invalid_grant' } })
    t.match(await refresh(app, clientId, newest.body.refresh_token), {
      status: 400,
      body: { error: 'invalid_grant' }
    })
    t.equal((await post(app, callOf('whoami'), bearer)).status, 401)
    t.ok(
      sink
        .lines()
        .some(
          ({ security, msg, client }) => security === true && msg === 'grant revoked' && client === clientId
        )
    )
  })
}

t.test('an unknown refresh token is invalid_grant and revokes nothing', async t => {
  const app = await signInService(t)
  const { clientId, refreshToken } = await signIn(app)
  const [head, generation = '', mac = ''] = /^(mcp_refresh_[0-9a-f]+_)(\d+)_(.*)$/.exec(refreshToken)?.slice(1) ?? []
  for (const forged of [
    `${head}${Number(generation) + 1}_${mac}`,
    `${head}0_${mac}`,
    `${head}${generation}_${'a'.repeat(43)}`,
    'garbage',
    `${refreshToken}a`
  ]) {
    t.match(await refresh(app, clientId, forged), { status: 400, body: { error: 'invalid_grant' } })
  }
  t.equal((await refresh(app, clientId, refreshToken)).status, 200)
})

t.test('refresh can reduce scopes, but not extend them', async t => {
  const path = await keyFile(t)
  const { key } = await addKey(path, { scopes: ['files:*', 'notes:read'] })
  const app = await signInService(t, { env: { API_KEYS_FILE: path } })
  const { clientId, refreshToken, scope } = await signIn(app, {
    key,
    fields: { scope: 'files:read notes:read admin offline_access' }
  })
  t.equal(scope, 'files:read notes:read offline_access')
  t.equal((await refresh(app, clientId, refreshToken, { scope: 'notes:read' })).body.scope, 'notes:read')
  t.match(await refresh(app, clientId, refreshToken, { scope: 'files:write' }), {
    status: 400,
    body: { error: 'invalid_scope' }
  })
})

t.test('grants survive a restart and expire after 30 days without use', async t => {
  const clock = wallClock(t)
  const stateDir = `${await directory(t)}/state`
  const before = await signInService(t, { stateDir })
  const { clientId, refreshToken } = await signIn(before)
  await before.close()
  const after = await signInService(t, { stateDir })
  const first = await refresh(after, clientId, refreshToken)
  t.equal(first.status, 200)
  clock.advance(29 * 86_400)
  const second = await refresh(after, clientId, first.body.refresh_token)
  t.equal(second.status, 200)
  clock.advance(31 * 86_400)
  t.match(await refresh(after, clientId, second.body.refresh_token), { status: 400, body: { error: 'invalid_grant' } })
})

t.test('a grant does not outlive its key', async t => {
  const clock = wallClock(t)
  const path = await keyFile(t)
  const { key } = await addKey(path, { lifetimeSeconds: 600 })
  const app = await signInService(t, { env: { API_KEYS_FILE: path } })
  const { clientId, refreshToken, bearer } = await signIn(app, { key })
  t.equal((await post(app, callOf('whoami'), bearer)).status, 200)
  clock.advance(601)
  t.equal((await post(app, callOf('whoami'), bearer)).status, 401)
  t.match(await refresh(app, clientId, refreshToken), { status: 400, body: { error: 'invalid_grant' } })
})

t.test('failures are limited per grant and never block valid requests', async t => {
  const app = await signInService(t)
  const { clientId, refreshToken } = await signIn(app)
  const forged = refreshToken.replace(/.$/, last => last === 'A' ? 'B' : 'A')
  const all = []
  for (let tries = 0; tries < 25; tries++) all.push(await refresh(app, clientId, forged))
  t.equal(all[0]?.status, 400)
  t.equal(all.at(-1)?.status, 429)
  t.ok(all.at(-1)?.headers['retry-after'])
  t.equal((await refresh(app, clientId, refreshToken)).status, 200)
  t.ok(await register(app, { client_name: 'Other' }))
})
