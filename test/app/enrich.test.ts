/** What an app adds to verified callers: with `enrich`, selected claims, key metadata, and its own hook. */
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { revokeKey } from '../../src/api-keys/changes.js'
import { changeKeyFile } from '../../src/api-keys/file.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import type { McpAuthOptions } from '../../src/chain/options.js'
import type { Enrichment } from '../../src/principal/identity.js'
import type { Principal } from '../../src/principal/principal.js'
import { defineTool, type Tool } from '../../src/tools/tool.js'
import { audience, claimsOf, fakeIssuer, jwksTimeoutMs, sign, signingKey } from '../support/issuer.js'
import { keyFile, newKey } from '../support/keys.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, callOf, post, rpc, service, withKey, withToken } from '../support/service.js'
import { forgeClaims, secret } from '../support/tokens.js'
import { until } from '../support/until.js'

const echo = defineTool({ name: 'echo', handler: (_args, { principal }) => ({ structuredContent: { ...principal } }) })
const bearer = (claims: Record<string, unknown>): Record<string, string> => ({
  authorization: `Bearer ${forgeClaims(claims)}`
})

async function host (
  t: Test,
  options: McpAuthOptions,
  prepare: (app: FastifyInstance) => void = () => {}
): Promise<FastifyInstance> {
  const app = Fastify({ logger: { stream: logSink() } })
  t.teardown(() => app.close())
  await app.register(async scope => {
    await scope.register(mcpAuth, {
      apiKeys: [adaKey],
      jwtSecret: secret,
      tools: [echo],
      allowWeakSecrets: true,
      jwksTimeoutMs,
      ...options
    })
  })
  prepare(app)
  await app.ready()
  return app
}

async function principalOf (
  app: FastifyInstance,
  headers: Record<string, string> = withKey
): Promise<Record<string, unknown>> {
  return (await post(app, callOf('echo'), headers)).body?.result?.structuredContent
}

t.test(
  'enrich gets token claims, and adds attributes, a role and scopes',
  async t => {
    const issuerKey = await signingKey('ES256', 'ec')
    const fake = await fakeIssuer(t, issuerKey)
    const heard: unknown[] = []
    const app = await host(t, {
      oauth: { issuer: fake.issuer },
      audience: [audience],
      enrich: async ({ id }, { claims }) => {
        heard.push([id, claims])
        return { role: 'auditor', scopes: ['a'], attributes: { tenant: String(claims.tenant ?? 'none') } }
      }
    })
    t.match(await principalOf(app), {
      id: /^apikey:/,
      role: 'auditor',
      scopes: ['a'],
      attributes: { tenant: 'none' }
    })
    t.match(await principalOf(app, bearer({ tenant: 'acme' })), {
      id: 'jwt:ada',
      role: 'auditor',
      attributes: { tenant: 'acme' }
    })
    const token = await sign(issuerKey, claimsOf(fake.issuer, { tenant: 'corp' }))
    for (let i = 0; i < 2; i++) {
      t.match(await principalOf(app, { authorization: `Bearer ${token}` }), {
        id: 'oauth:ada',
        attributes: { tenant: 'corp' }
      })
    }
    t.match(
      heard,
      [
        [/^apikey:/, {}],
        ['jwt:ada', { sub: 'ada', tenant: 'acme' }],
        ['oauth:ada', { tenant: 'corp' }],
        ['oauth:ada', { tenant: 'corp' }]
      ],
      'also for a cached token'
    )
  }
)

t.test('enrich merges attributes and keeps fields that it leaves out', async t => {
  const { record, key } = newKey({ role: 'admin', scopes: ['a'], metadata: { tenant: 'acme', plan: 'free' } })
  const app = await host(t, {
    apiKeysFile: await keyFile(t, [record]),
    enrich: () => ({ attributes: { plan: 'gold' } })
  })
  t.match(await principalOf(app, { 'x-api-key': key }), {
    role: 'admin',
    scopes: ['a'],
    attributes: { tenant: 'acme', plan: 'gold' }
  })
  const plain = await host(t, { apiKeysFile: await keyFile(t, [record]), enrich: async () => undefined })
  t.match(await principalOf(plain, { 'x-api-key': key }), {
    role: 'admin',
    attributes: { tenant: 'acme', plan: 'free' }
  })
})

t.test('enrich may return an extended principal with a limit', async t => {
  const app = await host(t, { enrich: principal => ({ ...principal, attributes: { seen: true }, rateLimitMax: 3 }) })
  const { headers, body } = await post(app, callOf('echo'), withKey)
  t.equal(headers['x-ratelimit-limit'], '3')
  t.match(body.result.structuredContent, { attributes: { seen: true } })
})

const faulty: Array<[string, object]> = [
  ['another id', { id: 'crm:7' }],
  ['another keyId', { keyId: 'k' }],
  ['another method', { method: 'jwt' }],
  ['attributes at the top level', { tenant: 'acme' }],
  ['an empty role', { role: '' }],
  ['a string for scopes', { scopes: 'a' }]
]
for (const [what, answer] of faulty) {
  t.test(`enrich that returns ${what} is a fault`, async t => {
    const app = await host(t, { enrich: () => answer as Enrichment })
    t.match(await post(app, callOf('echo'), withKey), {
      status: 500,
      body: { error: { data: { code: 'MCP_ERR_INTERNAL' } } }
    })
  })
}

for (const [what, enrich] of [
  [
    'throws',
    () => {
      throw new Error('away')
    }
  ],
  ['never answers', async () => await new Promise<never>(() => {})]
] as const) {
  t.test(`enrich that ${what} is a 503 that charges no limit`, async t => {
    const app = await host(t, { enrich, verifyKeyTimeoutMs: 30, preauthLimit: { max: 1, windowMs: 60_000 } })
    for (let i = 0; i < 3; i++) {
      t.match(await post(app, callOf('echo'), withKey), {
        status: 503,
        body: { error: { data: { code: 'MCP_ERR_UNAVAILABLE' } } }
      })
    }
  })
}

t.test('enrich is not called for an invalid credential', async t => {
  let asked = 0
  const app = await host(t, { enrich: () => { asked += 1; return {} } })
  await post(app, callOf('echo'), { 'x-api-key': 'no-key-of-anybody' })
  t.equal(asked, 0)
})

t.test('an expiry from enrich applies only if it is earlier', async t => {
  const app = await host(t, { enrich: () => ({ expiresAt: Date.now() - 1 }) })
  t.equal((await post(app, callOf('echo'), withKey)).status, 401)
  const later = await host(t, { enrich: () => ({ expiresAt: Date.now() + 1e9 }) })
  const exp = Math.floor(Date.now() / 1000) + 60
  t.match(await principalOf(later, bearer({ exp })), { expiresAt: exp * 1000 })
})

t.test('JWT_PRINCIPAL_CLAIMS copies claims of both kinds of token to attributes', async t => {
  const app = await service(t, { env: { JWT_PRINCIPAL_CLAIMS: 'tenant,realm_access.team,missing' }, tools: [echo] })
  t.same(
    (await principalOf(app, bearer({ tenant: ['a', 'b'], realm_access: { team: 7 }, other: 1 }))).attributes,
    { tenant: ['a', 'b'], 'realm_access.team': 7 }
  )
  t.same((await principalOf(app)).attributes, {}, 'a key has no claims')
  const issuerKey = await signingKey('ES256', 'ec')
  const fake = await fakeIssuer(t, issuerKey)
  const provided = await host(t, { oauth: { issuer: fake.issuer }, audience: [audience], principalClaims: ['tenant'] })
  t.same(
    (
      await principalOf(provided, {
        authorization: `Bearer ${await sign(issuerKey, claimsOf(fake.issuer, { tenant: 'corp' }))}`
      })
    ).attributes,
    { tenant: 'corp' }
  )
})

const roles: Array<[unknown, string, string[]]> = [
  ['auditor', 'auditor', ['audit', 'users']],
  [['auditor'], 'auditor', ['audit', 'users']],
  [['staff', 'auditor'], 'staff', ['audit', 'users']],
  [['admin', 'auditor'], 'admin', ['admins']],
  [[], 'user', ['users']],
  [undefined, 'user', ['users']],
  [['Admin'], 'user', ['users']],
  [['the boss'], 'user', ['users']]
]
for (const [claim, role, tools] of roles) {
  t.test(`a roles claim of ${JSON.stringify(claim)} from the provider gives the role ${role}`, async t => {
    const issuerKey = await signingKey('ES256', 'ec')
    const fake = await fakeIssuer(t, issuerKey)
    const item = (name: string, role: string) => defineTool({ name, access: { roles: [role] }, handler: () => name })
    const app = await host(t, {
      oauth: { issuer: fake.issuer, rolesClaim: 'roles' },
      audience: [audience],
      builtIns: false,
      tools: [item('admins', 'admin'), item('audit', 'auditor'), item('users', 'user')]
    })
    const headers = { authorization: `Bearer ${await sign(issuerKey, claimsOf(fake.issuer, { roles: claim }))}` }
    t.same(
      (await post(app, rpc('tools/list'), headers)).body.result.tools.map(
        ({ name }: { name: string }) => name
      ),
      tools
    )
  })
}

/** A tool whose call sends a message and never ends. `talking` counts the calls that sent theirs. */
function talkTool (): { talk: Tool, talking: () => number } {
  let count = 0
  const talk = defineTool({
    name: 'talk',
    handler: async (_args, { log }) => {
      await log('info', 'here')
      count += 1
      return await new Promise<never>(() => {})
    }
  })
  return { talk, talking: () => count }
}

for (const [what, change] of [
  ['copies request.principal', (principal: Principal) => ({ ...principal, tenant: 'acme' })],
  ['widens a copy of request.principal', (principal: Principal) => ({ ...principal, role: 'admin', scopes: ['*'] })],
  ['creates a new principal', ({ id }: Principal) => ({ id, role: 'user', scopes: [], method: 'api-key' })]
] as Array<[string, (principal: Principal) => Principal]>) {
  t.test(`a hook that ${what} keeps revocation, limits and streams correct`, async t => {
    const { record, key } = newKey({ owner: 'bob' })
    const path = await keyFile(t, [record])
    const { talk, talking } = talkTool()
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(async scope => {
      await scope.register(mcpAuth, { apiKeysFile: path, tools: [talk, echo], rateLimit: { max: 5, windowMs: 60_000 } })
    })
    app.addHook('preHandler', async request => {
      if (request.principal !== null && request.principal !== undefined) request.principal = change(request.principal)
    })
    const headers = { 'x-api-key': key }
    const answer = await post(app, callOf('echo'), headers)
    t.equal(answer.status, 200)
    t.ok(answer.body.result.structuredContent.attributes, 'attributes are always there')
    t.equal(answer.headers['x-ratelimit-remaining'], '4')
    const stream = post(app, callOf('talk'), headers)
    await until(() => talking() === 1)
    await changeKeyFile(path, records => revokeKey(records, record.id))
    t.match((await stream).body, { error: { data: { code: 'MCP_ERR_UNAUTHENTICATED' } } })
    await sleep(10)
    t.equal((await post(app, callOf('echo'), headers)).status, 401)
  })
}

t.test("a copy of a token's principal ends with the revocation of the token", async t => {
  const { talk, talking } = talkTool()
  const app = await host(t, { tools: [talk], enrich: () => ({ attributes: { tenant: 'acme' } }) })
  const stream = post(app, callOf('talk'), bearer({ sub: 'bob', jti: 'token-1' }))
  await until(() => talking() === 1)
  t.equal((await post(app, callOf('revoke-token', { id: 'token-1' }), withToken('root', 'admin'))).status, 200)
  t.match((await stream).body, { error: { data: { code: 'MCP_ERR_UNAUTHENTICATED' } } })
})
