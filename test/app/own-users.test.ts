/** Keys that an app verifies itself (`verifyKey`): which keys are accepted, and with which identity. */
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import auth from '../../plugins/auth.js'
import { buildApp } from '../../src/app.js'
import { sha256 } from '../../src/lib/sha256.js'
import type { Principal } from '../../src/principal/principal.js'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, callOf, post, rpc, withToken } from '../support/service.js'
import { secret } from '../support/tokens.js'
import { crmKey, withCrmKey, echo, host, good } from '../support/own-users.js'

async function principalOf (
  app: FastifyInstance,
  headers: Record<string, string> = withCrmKey
): Promise<Record<string, unknown>> {
  return (await post(app, callOf('echo'), headers)).body?.result?.structuredContent
}

t.test('verifyKey needs only to return an id', async t => {
  const { app } = await host(t, { verifyKey: key => key === crmKey ? { id: 'crm:7' } : null })
  t.same(await principalOf(app), { id: 'crm:7', role: 'user', scopes: [], method: 'api-key', attributes: {} })
  t.equal((await post(app, callOf('echo'), { 'x-api-key': `${crmKey}x` })).status, 401)
})

t.test('verifyKey gets the key, its digest, the address and the request id', async t => {
  const asked: unknown[] = []
  const { app } = await host(t, { verifyKey: async (key, context) => { asked.push([key, context]); return null } })
  const { headers } = await post(app, callOf('echo'), withCrmKey)
  t.match(asked, [
    [
      crmKey,
      {
        digest: sha256(crmKey),
        address: '127.0.0.1',
        requestId: headers['x-request-id'],
        signal: AbortSignal
      }
    ]
  ])
})

t.test('tools and limits get the whole identity, frozen', async t => {
  const expiresAt = Date.now() + 60_000
  const rows = [{ team: 'a' }]
  const seen: Principal[] = []
  const { app } = await host(t, {
    tools: [echo(seen)],
    verifyKey: () => ({
      id: 'crm:7',
      role: 'auditor',
      scopes: ['files:read'],
      expiresAt,
      keyId: 'k-1',
      rateLimitMax: 7,
      attributes: { tenant: 'acme', rows }
    })
  })
  const { headers, body } = await post(app, callOf('echo'), withCrmKey)
  t.same(body.result.structuredContent, {
    id: 'crm:7',
    role: 'auditor',
    scopes: ['files:read'],
    method: 'api-key',
    expiresAt,
    keyId: 'k-1',
    attributes: { tenant: 'acme', rows }
  })
  t.equal(headers['x-ratelimit-limit'], '7')
  const [principal] = seen
  t.throws(() => Object.assign(principal?.attributes ?? {}, { tenant: 'other' }), TypeError)
  t.throws(() => (principal?.attributes.rows as unknown[]).push(1), TypeError)
  rows.push({ team: 'b' })
  t.same((await principalOf(app)).attributes, { tenant: 'acme', rows: [{ team: 'a' }] }, 'it is a copy')
})

t.test('access rules use roles and attributes of the app', async t => {
  const item = (name: string, access: object) => defineTool({ name, access, handler: () => name })
  const { app } = await host(t, {
    verifyKey: key =>
      ({
        id: key,
        role: key.includes('audit') ? 'auditor' : 'user',
        attributes: { tenant: key.includes('acme') ? 'acme' : 'other' }
      }) as never,
    tools: [
      item('audit', { roles: ['auditor', 'admin'] }),
      item('acme', { allow: ({ attributes }: Principal) => attributes.tenant === 'acme' })
    ]
  })
  t.equal((await post(app, rpc('tools/list'), { 'x-api-key': 'a' })).status, 500, 'a key is not an id')
  const { app: sound } = await host(t, {
    verifyKey: key => ({
      id: 'crm:1',
      role: key.includes('audit') ? 'auditor' : 'user',
      attributes: { tenant: key.includes('acme') ? 'acme' : 'other' }
    }),
    builtIns: false,
    tools: [
      item('audit', { roles: ['auditor', 'admin'] }),
      item('acme', { allow: ({ attributes }: Principal) => attributes.tenant === 'acme' })
    ]
  })
  const names = async (key: string): Promise<string[]> =>
    (await post(sound, rpc('tools/list'), { 'x-api-key': key })).body.result.tools.map(
      ({ name }: { name: string }) => name
    )
  t.same(await names('plain'), [])
  t.same(await names('audit'), ['audit'])
  t.same(await names('acme'), ['acme'])
  t.same(await names('audit-acme'), ['acme', 'audit'])
})

t.test('verifyKey is not called for listed or managed keys or tokens', async t => {
  let asked = 0
  const { app } = await host(t, { apiKeys: [adaKey], jwtSecret: secret, verifyKey: () => { asked += 1; return null } })
  t.equal((await post(app, callOf('echo'), { 'x-api-key': adaKey })).status, 200)
  t.equal((await post(app, callOf('echo'), withToken('ada'))).status, 200)
  t.equal(asked, 0)
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 401)
  t.equal(asked, 1)
})

t.test('verifyKey replaces every credential in the settings', async t => {
  await t.rejects(buildApp({ logStream: logSink() }), { message: /no credential is configured/ })
  const app = await buildApp({ logStream: logSink(), verifyKey: good, tools: [echo()] })
  t.teardown(() => app.close())
  t.equal((await principalOf(app)).id, 'crm:7')
})

t.test('plugins/auth accepts verifyKey', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(auth, { verifyKey: good })
  app.get('/private', async request => ({ id: request.principal?.id, tenant: request.principal?.attributes.tenant }))
  t.same((await app.inject({ url: '/private', headers: withCrmKey })).json(), { id: 'crm:7', tenant: 'acme' })
})
