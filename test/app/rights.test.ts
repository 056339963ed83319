/** Who may do what, as one table: each caller with each rule, by every way in; and what changes when a caller's rights do. */
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { AccessRule } from '../../src/principal/policy.js'
import type { Role } from '../../src/principal/principal.js'
import { generateToken } from '../../src/principal/token.js'
import { defineResource } from '../../src/tools/resource.js'
import { defineTool } from '../../src/tools/tool.js'
import { callOf, modern, post, rpc, service, withKey } from '../support/service.js'
import { secret } from '../support/tokens.js'

type Headers = Record<string, string>

const rules = {
  nobody: { allow: () => { throw new Error('a rule that fails is a no') } },
  all: undefined,
  admins: { roles: ['admin'] },
  readers: { scopes: ['files:read'] },
  'admins-who-read': { roles: ['admin'], scopes: ['files:read'] },
  ada: { allow: principal => principal.id === 'jwt:ada' }
} as const satisfies Record<string, AccessRule | undefined>

type Rule = keyof typeof rules

function token (user: string, role: Role = 'user', scopes: string[] = []): Headers {
  return { authorization: `Bearer ${generateToken(user, role, '1h', { secret, scopes })}` }
}

/** Written down by hand: an oracle that computed it would share the mistakes of what it judges. */
const callers: ReadonlyArray<[string, Headers, readonly Rule[]]> = [
  ['a key', withKey, ['all']],
  ['a user', token('bob'), ['all']],
  ['a user who reads', token('bob', 'user', ['files:read']), ['all', 'readers']],
  ['a user with all of files', token('bob', 'user', ['files:*']), ['all', 'readers']],
  ['a user who may only write', token('bob', 'user', ['files:write', 'files', 'files:reader']), ['all']],
  ['an admin', token('eve', 'admin'), ['all', 'admins']],
  ['an admin who reads', token('eve', 'admin', ['files:read']), ['all', 'admins', 'readers', 'admins-who-read']],
  ['ada', token('ada'), ['all', 'ada']]
]

const names = Object.keys(rules) as Rule[]
const uriOf = (rule: Rule): string => `files://${rule}`

async function guarded (t: Test): Promise<FastifyInstance> {
  return await service(t, {
    env: { RATE_LIMIT_MAX: '1000' },
    sessions: {},
    tools: names.map(name => defineTool({ name, handler: () => 'done', ...ruleOf(name) })),
    resources: names.map(name => defineResource({ name, uri: uriOf(name), read: () => 'read', ...ruleOf(name) }))
  })
}

function ruleOf (name: Rule): { access?: AccessRule } {
  const access: AccessRule | undefined = rules[name]
  return access === undefined ? {} : { access }
}

async function sessionOf (app: FastifyInstance, caller: Headers): Promise<Headers> {
  const { headers } = await post(app, rpc('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } }), caller)
  return { ...caller, 'mcp-session-id': String(headers['mcp-session-id']) }
}

const listed = (items: Array<{ name: string }>): string[] => items.map(({ name }) => name).filter(name => (names as string[]).includes(name)).sort()

for (const [who, caller, may] of callers) {
  const expected = [...may].sort()

  t.test(`${who} is shown what they may use, by every list`, async t => {
    const app = await guarded(t)
    const session = await sessionOf(app, caller)
    t.same(listed((await post(app, rpc('tools/list'), caller)).body.result.tools), expected)
    t.same(listed((await post(app, rpc('tools/list'), session)).body.result.tools), expected)
    t.same(listed((await post(app, rpc('resources/list'), caller)).body.result.resources), expected)
    const { payload, headers } = modern('tools/list')
    t.same(listed((await post(app, payload, { ...caller, ...headers })).body.result.tools), expected)
    const told = (await post(app, callOf('whoami'), caller)).body.result.structuredContent.tools as string[]
    t.same(told.filter(name => (names as string[]).includes(name)).sort(), expected)
  })

  for (const rule of names) {
    const allowed = may.includes(rule)

    t.test(`${who} ${allowed ? 'may' : 'may not'} call, read and subscribe to what is for ${rule}`, async t => {
      const app = await guarded(t)
      const session = await sessionOf(app, caller)
      const unknown = (await post(app, callOf('there-is-none'), caller)).body.error
      for (const by of [caller, session]) {
        const call = (await post(app, callOf(rule), by)).body
        if (allowed) t.equal(call.result.content[0].text, 'done')
        else t.match(call.error, { code: unknown.code, message: unknown.message, data: { code: 'MCP_ERR_UNKNOWN_TOOL' } })
        const read = (await post(app, rpc('resources/read', { uri: uriOf(rule) }), by)).body
        if (allowed) t.equal(read.result.contents[0].text, 'read')
        else t.equal(read.error.data.code, 'MCP_ERR_UNKNOWN_RESOURCE')
      }
      const { payload, headers } = modern('tools/call', { name: rule })
      const modernCall = (await post(app, payload, { ...caller, ...headers })).body
      t.equal(allowed ? modernCall.result?.content[0].text : modernCall.error?.data.code, allowed ? 'done' : 'MCP_ERR_UNKNOWN_TOOL')
      const subscribed = (await post(app, rpc('resources/subscribe', { uri: uriOf(rule) }), session)).body
      t.equal(subscribed.error?.data.code, allowed ? undefined : 'MCP_ERR_UNKNOWN_RESOURCE')
    })
  }
}

const full = token('eve', 'admin', ['files:read'])

for (const [what, demoted, left] of [
  ['its role', token('eve', 'user', ['files:read']), ['all', 'readers']],
  ['its scopes', token('eve', 'admin'), ['admins', 'all']],
  ['both', token('eve'), ['all']]
] as const) {
  t.test(`a caller that loses ${what} in the middle of a session keeps what is left`, async t => {
    const app = await guarded(t)
    const session = await sessionOf(app, full)
    t.same(listed((await post(app, rpc('tools/list'), session)).body.result.tools), ['admins', 'admins-who-read', 'all', 'readers'])
    t.equal((await post(app, rpc('resources/subscribe', { uri: uriOf('admins-who-read') }), session)).body.error, undefined)
    const after = { ...session, ...demoted }
    t.same(listed((await post(app, rpc('tools/list'), after)).body.result.tools), left)
    t.equal((await post(app, callOf('admins-who-read'), after)).body.error.data.code, 'MCP_ERR_UNKNOWN_TOOL')
    t.equal((await post(app, rpc('resources/subscribe', { uri: uriOf('admins-who-read') }), after)).body.error.data.code, 'MCP_ERR_UNKNOWN_RESOURCE')
    const resumed = await app.inject({ url: '/mcp', headers: { ...after, accept: 'text/event-stream', 'last-event-id': '1' } })
    t.equal(resumed.statusCode, 404, 'and is not sent again what it was sent before')
  })
}

t.test('a caller that gains rights in the middle of a session has them', async t => {
  const app = await guarded(t)
  const session = await sessionOf(app, token('eve'))
  t.equal((await post(app, callOf('admins-who-read'), session)).body.error.data.code, 'MCP_ERR_UNKNOWN_TOOL')
  t.equal((await post(app, callOf('admins-who-read'), { ...session, ...full })).body.result.content[0].text, 'done')
})

t.test('what is shown but not allowed can neither be read nor subscribed to, and says so', async t => {
  const app = await service(t, { sessions: {}, resources: [defineResource({ name: 'plans', uri: 'files://plans', access: { roles: ['admin'], denied: 'error' }, read: () => 'read' })] })
  const session = await sessionOf(app, withKey)
  t.equal((await post(app, rpc('resources/list'), session)).body.result.resources[0].name, 'plans')
  for (const method of ['resources/read', 'resources/subscribe']) {
    t.match((await post(app, rpc(method, { uri: 'files://plans' }), session)).body.error, { code: -32602, data: { code: 'MCP_ERR_NOT_ALLOWED' } })
  }
})
