/** The audit records of the authorization server: the caller, the key and the client of each decision. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { callOf, post, withToken } from '../../support/service.js'
import { until } from '../../support/until.js'
import {
  adaKey, approve, authorizeUrl, form, open, pkce, press, register, signIn, signInService, token
} from '../../support/sign-in.js'

type Line = Record<string, unknown>

async function build (t: Test) {
  const file = join(t.testdir({}), 'audit.jsonl')
  const app = await signInService(t, { env: { AUDIT_FILE: file } })
  const text = (): string => readFileSync(file, 'utf8')
  return {
    app,
    text,
    async recordOf (kind: string, count = 1): Promise<Line> {
      const found = (): Line[] => text().split('\n').filter(Boolean).map(line => JSON.parse(line) as Line)
        .filter(line => line.kind === kind)
      await until(() => found().length >= count)
      return found()[count - 1] ?? {}
    }
  }
}

t.test('the audit records registration, sign-in, calls and revocation by client', async t => {
  const { app, text, recordOf } = await build(t)
  const { clientId, accessToken, refreshToken, bearer } = await signIn(app)
  t.match(await recordOf('client-created'), {
    outcome: 'allowed', oauthClient: clientId, address: '127.0.0.1', requestId: String
  })
  const created = await recordOf('grant-created')
  t.match(created, {
    outcome: 'allowed',
    oauthClient: clientId,
    principal: /^apikey:/,
    keyId: String,
    tokenId: /^[0-9a-f]{24}$/,
    about: { grantType: 'authorization_code' }
  })
  const { tokenId, principal, keyId } = created
  await post(app, callOf('whoami'), bearer)
  t.match(await recordOf('called'), { oauthClient: clientId, tokenId, principal, keyId })
  await app.inject({ method: 'POST', url: '/oauth/revoke', ...form({ client_id: clientId, token: refreshToken }) })
  t.match(await recordOf('grant-revoked'), {
    oauthClient: clientId, tokenId, principal, keyId, about: { why: 'revoked by its client' }
  })
  for (const secret of [accessToken, refreshToken, adaKey]) t.notMatch(text(), secret)
})

t.test('the audit records a grant revoked by its access token', async t => {
  const { app, recordOf } = await build(t)
  const { clientId, accessToken } = await signIn(app)
  const { principal, keyId, tokenId } = await recordOf('grant-created')
  await app.inject({ method: 'POST', url: '/oauth/revoke', ...form({ client_id: clientId, token: accessToken }) })
  t.match(await recordOf('grant-revoked'), { principal, keyId, tokenId })
})

t.test('the audit records a grant revoked by an admin', async t => {
  const { app, recordOf } = await build(t)
  const { clientId } = await signIn(app)
  await post(app, callOf('revoke-grant', { client: clientId }), withToken('root', 'admin'))
  t.match(await recordOf('grant-revoked'), { principal: 'jwt:root', about: { grants: [String] } })
})

t.test('the audit records reuse of a code as a security event', async t => {
  const { app, recordOf } = await build(t)
  const { clientId, redeem } = await approve(app)
  await token(app, redeem)
  t.equal((await token(app, redeem)).status, 400)
  const { tokenId } = await recordOf('grant-created')
  t.match(await recordOf('grant-revoked'), {
    oauthClient: clientId, tokenId, about: { security: true, why: 'code used again' }
  })
  t.match(await recordOf('refused'), { status: 400, outcome: 'denied', why: 'invalid-grant' })
})

t.test('the audit records a key refused at the sign-in', async t => {
  const { app, text, recordOf } = await build(t)
  const page = await open(app, authorizeUrl(await register(app), pkce().challenge))
  t.equal((await press(app, page, 'continue', { key: 'a-key-that-nobody-has' })).status, 401)
  t.match(await recordOf('refused'), {
    status: 401, outcome: 'denied', code: 'MCP_ERR_UNAUTHENTICATED', why: String, address: '127.0.0.1'
  })
  t.notMatch(text(), 'a-key-that-nobody-has')
})

t.test('the audit records an unknown client of the token endpoint', async t => {
  const { app, recordOf } = await build(t)
  t.equal((await token(app, { grant_type: 'refresh_token', client_id: 'nobody', refresh_token: 'x' })).status, 401)
  t.match(await recordOf('refused'), { status: 401, outcome: 'denied', why: 'invalid-client' })
})
