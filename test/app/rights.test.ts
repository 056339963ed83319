/**
 * Who may do what, as one table: each caller with each rule, by every way in; and what changes when a
 * caller's rights do, or end.
 */
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { revokeKey } from '../../src/api-keys/changes.js'
import { changeKeyFile } from '../../src/api-keys/file.js'
import type { AccessRule } from '../../src/principal/access.js'
import type { OwnRole } from '../../src/principal/principal.js'
import { generateToken } from '../../src/tokens/generate.js'
import { defineResource } from '../../src/tools/resource.js'
import type { CallContext } from '../../src/tools/call-context.js'
import { defineTool } from '../../src/tools/tool.js'
import { audience, claimsOf, fakeIssuer, sign, signingKey } from '../support/issuer.js'
import { addKey, keyFile } from '../support/keys.js'
import { type Answer, callOf, eventsOf, listening, modern, post, rpc, service, withKey } from '../support/service.js'
import { secret } from '../support/tokens.js'

type Headers = Record<string, string>

const rules = {
  nobody: { allow: () => { throw new Error('a rule that fails is a no') } },
  all: undefined,
  admins: { roles: ['admin'] },
  readers: { scopes: ['files:read'] },
  'admins-who-read': { roles: ['admin'], scopes: ['files:read'] },
  ada: { allow: principal => principal.id === 'jwt:ada' },
  'told-readers': { scopes: ['files:read'], denied: 'error' },
  'challenged-readers': { scopes: ['files:read'], denied: 'challenge' },
  'challenged-admins': { roles: ['admin'], scopes: ['files:read'], denied: 'challenge' }
} as const satisfies Record<string, AccessRule | undefined>

type Rule = keyof typeof rules

const names = Object.keys(rules) as Rule[]
const uriOf = (rule: Rule): string => `files://${rule}`

interface Place {
  readonly app: FastifyInstance
  readonly url: string
  readonly issuer: string
  readonly keys: string
}

const key = await signingKey('ES256', 'first')

async function guarded (t: Test): Promise<Place> {
  const [{ issuer }, keys] = await Promise.all([fakeIssuer(t, key), keyFile(t)])
  const app = await service(t, {
    env: {
      LOG_LEVEL: 'warn',
      RATE_LIMIT_MAX: '100000',
      PREAUTH_RATE_LIMIT_MAX: '100000',
      JWT_ISSUER: issuer,
      JWT_AUDIENCE: audience,
      JWT_ROLES_CLAIM: 'roles',
      API_KEYS_FILE: keys
    },
    sessions: {},
    maxStreamsPerPrincipal: 1000,
    tools: names.map(name => defineTool({ name, handler: speaking, ...ruleOf(name) })),
    resources: names.map(name =>
      defineResource({ name, uri: uriOf(name), read: () => 'read', ...ruleOf(name) })
    )
  })
  return { app, url: await listening(app), issuer, keys }
}

/** In a session this makes the answer a stream, to which its caller can come back. */
async function speaking (_args: object, { log }: CallContext): Promise<string> {
  await log('info', 'at work')
  return 'done'
}

function ruleOf (name: Rule): { access?: AccessRule } {
  const access: AccessRule | undefined = rules[name]
  return access === undefined ? {} : { access }
}

interface Credential {
  readonly headers: Headers
  /** Ends it while the server runs. */
  readonly revoke: () => Promise<unknown>
}

type Issue = (place: Place) => Promise<Credential>

const root = bearer(generateToken('root', 'admin', '1h', { secret, scopes: ['*'] }))

function bearer (token: string): Headers {
  return { authorization: `Bearer ${token}` }
}

const byTool =
  (app: FastifyInstance, tool: string, args: Record<string, string>) => async (): Promise<unknown> =>
    await post(app, callOf(tool, args), root)

function token (user: string, role: OwnRole = 'user', scopes: string[] = []): Issue {
  return async ({ app }) => ({
    headers: bearer(generateToken(user, role, '1h', { secret, scopes })),
    revoke: byTool(app, 'revoke-subject', { subject: user })
  })
}

function minted (userId: string, role: OwnRole = 'user', scopes: string[] = []): Issue {
  return async ({ app }) => {
    const { id, token } = (await post(app, callOf('generate-token', { userId, role, scopes }), root)).body
      .result.structuredContent
    return { headers: bearer(token), revoke: byTool(app, 'revoke-token', { id }) }
  }
}

function managed (role: OwnRole = 'user', scopes: string[] = []): Issue {
  return async ({ app, keys }) => {
    const { key, record: { id } } = await addKey(keys, { owner: 'ada', role, scopes })
    const headers = { 'x-api-key': key }
    await becomes(app, headers, 200)
    return { headers, revoke: async () => { await changeKeyFile(keys, records => revokeKey(records, id)) } }
  }
}

function provided (roles: string[] = [], scope = ''): Issue {
  return async ({ app, issuer }) => ({
    headers: bearer(await sign(key, claimsOf(issuer, { roles, scope }))),
    revoke: byTool(app, 'revoke-subject', { principal: 'oauth:ada' })
  })
}

/** The key file is followed, and not at once. */
async function becomes (app: FastifyInstance, headers: Headers, status: number): Promise<void> {
  for (let waits = 0; (await post(app, rpc('ping'), headers)).status !== status; waits++) {
    if (waits === 500) throw new Error('it did not happen within ten seconds')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** What a caller meets that may not: by default the item is hidden. */
type Denied = 'told' | 'challenge'
type Rights = readonly [may: readonly Rule[], denied?: Partial<Record<Rule, Denied>>]

const told = { 'told-readers': 'told' } as const
const reads = ['readers', 'told-readers', 'challenged-readers'] as const
const everything = ['all', 'admins', 'admins-who-read', 'challenged-admins', ...reads] as const

/** Written down by hand: an oracle that computed it would share the mistakes of what it judges. */
const callers: ReadonlyArray<readonly [string, Issue, Rights]> = [
  ['a key', async () => ({ headers: withKey, revoke: async () => {} }), [['all'], told]],
  ['a managed key', managed(), [['all'], told]],
  ['a managed key of an admin with all of files', managed('admin', ['files:*']), [everything]],
  ['a user', token('bob'), [['all'], told]],
  ['a user who reads', token('bob', 'user', ['files:read']), [['all', ...reads]]],
  ['a user with all of files', token('bob', 'user', ['files:*']), [['all', ...reads]]],
  [
    'a user who may only write',
    token('bob', 'user', ['files:write', 'files', 'files:reader']),
    [['all'], told]
  ],
  ['an admin', token('eve', 'admin'), [['all', 'admins'], told]],
  ['an admin who reads', token('eve', 'admin', ['files:read']), [everything]],
  ['ada', token('ada'), [['all', 'ada'], told]],
  ['a user with a minted token', minted('ada', 'user', ['files:read']), [['all', 'ada', ...reads]]],
  ['an admin with a minted token', minted('eve', 'admin', ['files:read']), [everything]],
  ['a user of the provider', provided(), [['all'], { ...told, 'challenged-readers': 'challenge' }]],
  ['a user of the provider who reads', provided([], 'files:read'), [['all', ...reads]]],
  [
    'an admin of the provider',
    provided(['admin']),
    [['all', 'admins'], { ...told, 'challenged-readers': 'challenge', 'challenged-admins': 'challenge' }]
  ],
  ['an admin of the provider who reads', provided(['admin'], 'files:read'), [everything]]
]

/** What a caller meets at an item. */
interface Row {
  readonly listed: boolean
  readonly call: string
  readonly read: string
  readonly subscribe: string
  readonly resume?: string
}

function expected ([may, denied = {}]: Rights): Record<string, Row> {
  return Object.fromEntries(names.map((rule): [Rule, Row] => {
    if (may.includes(rule)) {
      return [rule, { listed: true, call: 'done', read: 'read', subscribe: 'done', resume: 'done' }]
    }
    // What is refused is answered at once, and so by no stream to come back to.
    if (denied[rule] === 'told') return [rule, { listed: true, call: 'told', read: 'told', subscribe: 'told' }]
    if (denied[rule] === 'challenge') {
      return [rule, { listed: true, call: 'challenge', read: 'challenge', subscribe: 'challenge' }]
    }
    return [rule, { listed: false, call: 'unknown', read: 'unknown', subscribe: 'unknown' }]
  }))
}

async function sessionOf (app: FastifyInstance, caller: Headers): Promise<Headers> {
  const { headers } = await post(
    app,
    rpc('initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'test', version: '1' }
    }),
    caller
  )
  return { ...caller, 'mcp-session-id': String(headers['mcp-session-id']) }
}

function outcomeOf (status: number, body: Answer['body']): string {
  const code = body?.error?.data?.code as string | undefined
  if (status === 403 && code === 'MCP_ERR_INSUFFICIENT_SCOPE') return 'challenge'
  if (code === 'MCP_ERR_UNKNOWN_TOOL' || code === 'MCP_ERR_UNKNOWN_RESOURCE') return 'unknown'
  if (code === 'MCP_ERR_NOT_ALLOWED') return 'told'
  if (code !== undefined) return code
  if (body?.result?.isError === true) return 'told'
  return body?.result?.contents?.[0].text ?? body?.result?.content?.[0].text ?? 'done'
}

/** One word where all ways agree, all of them where they do not. */
const agreed = (answers: readonly Answer[]): string =>
  [...new Set(answers.map(({ status, body }) => outcomeOf(status, body)))].join(' or ')

const firstId = ({ text }: Answer): string | undefined => /^id: (\S+)$/m.exec(text)?.[1]

/** What the stream of an earlier answer brings to who comes back for it. */
async function resumed (url: string, session: Headers, lastId: string): Promise<string> {
  const abort = new AbortController()
  const response = await fetch(`${url}/mcp`, {
    headers: { ...session, accept: 'text/event-stream', 'last-event-id': lastId },
    signal: abort.signal
  })
  if (response.status !== 200 || response.body === null) return outcomeOf(response.status, await response.json())
  let text = ''
  for await (const chunk of response.body) {
    text += Buffer.from(chunk).toString()
    if (/"(result|error)":.*\n\n/.test(text)) break
  }
  abort.abort()
  return outcomeOf(200, eventsOf(text).at(-1))
}

const namesIn = (items: Array<{ name: string }> = []): string =>
  items
    .map(({ name }) => name)
    .filter(name => (names as string[]).includes(name))
    .sort()
    .join()

async function listOf (app: FastifyInstance, caller: Headers, session: Headers): Promise<Set<string>> {
  const { payload, headers } = modern('tools/list')
  const tools = await Promise.all([
    post(app, rpc('tools/list'), caller),
    post(app, rpc('tools/list'), session),
    post(app, payload, { ...caller, ...headers })
  ])
  const resources = await Promise.all([
    post(app, rpc('resources/list'), caller),
    post(app, rpc('resources/list'), session)
  ])
  return new Set([
    ...tools.map(({ body }) => namesIn(body.result?.tools)),
    ...resources.map(({ body }) => namesIn(body.result?.resources))
  ])
}

async function rowsOf (place: Place, caller: Headers, session: Headers): Promise<Record<string, Row>> {
  const { app, url } = place
  const lists = [...await listOf(app, caller, session)]
  const rows = names.map(async (rule, index): Promise<[Rule, Row]> => {
    const { payload, headers } = modern('tools/call', { name: rule })
    const inSession = await post(app, callOf(rule, {}, `call-${index}`), session)
    const call = agreed([
      await post(app, callOf(rule), caller),
      inSession,
      await post(app, payload, { ...caller, ...headers })
    ])
    const read = agreed([
      await post(app, rpc('resources/read', { uri: uriOf(rule) }), caller),
      await post(app, rpc('resources/read', { uri: uriOf(rule) }, `read-${index}`), session)
    ])
    const subscribe = agreed([
      await post(app, rpc('resources/subscribe', { uri: uriOf(rule) }, `subscribe-${index}`), session)
    ])
    const id = firstId(inSession)
    return [rule, {
      listed: lists.every(list => list.split(',').includes(rule)),
      call,
      read,
      subscribe,
      ...(id === undefined ? {} : { resume: await resumed(url, session, id) })
    }]
  })
  return Object.fromEntries(await Promise.all(rows))
}

for (const [who, issue, rights] of callers) {
  t.test(
    `${who} meets at every item what the table says, by every way in, and nobody else comes back for it`,
    async t => {
      const place = await guarded(t)
      const { headers } = await issue(place)
      const session = await sessionOf(place.app, headers)
      t.same(await rowsOf(place, headers, session), expected(rights))
      t.equal((await listOf(place.app, headers, session)).size, 1, 'all lists are the same')
      const { tools } = (await post(place.app, callOf('whoami'), headers)).body.result.structuredContent
      t.same(namesIn(tools.map((name: string) => ({ name }))), [...rights[0]].sort().join())
      const id = firstId(await post(place.app, callOf('all', {}, 'last'), session)) ?? ''
      const stolen = { 'mcp-session-id': String(session['mcp-session-id']), ...root }
      t.equal(await resumed(place.url, stolen, id), 'MCP_ERR_SESSION_NOT_FOUND')
    }
  )
}

for (const [what, full, demoted, rights] of [
  [
    'a token that loses its role',
    token('eve', 'admin', ['files:read']),
    token('eve', 'user', ['files:read']),
    [['all', ...reads]]
  ],
  [
    'a token that loses its scopes',
    token('eve', 'admin', ['files:read']),
    token('eve', 'admin'),
    [['all', 'admins'], told]
  ],
  ['a minted token that loses both', minted('eve', 'admin', ['files:read']), minted('eve'), [['all'], told]],
  ['a managed key that loses both', managed('admin', ['files:*']), managed(), [['all'], told]],
  [
    'a caller of the provider who loses the role',
    provided(['admin'], 'files:read'),
    provided([], 'files:read'),
    [['all', ...reads]]
  ],
  [
    'a caller of the provider who loses the scopes',
    provided(['admin'], 'files:read'),
    provided(['admin']),
    [['all', 'admins'], { ...told, 'challenged-readers': 'challenge', 'challenged-admins': 'challenge' }]
  ]
] as ReadonlyArray<readonly [string, Issue, Issue, Rights]>) {
  t.test(`${what} in the middle of a session keeps what is left, and is sent nothing again`, async t => {
    const place = await guarded(t)
    const [before, after] = [await full(place), await demoted(place)]
    const session = await sessionOf(place.app, before.headers)
    const id = firstId(await post(place.app, callOf('admins-who-read', {}, 'first'), session)) ?? ''
    t.equal(await resumed(place.url, session, id), 'done')
    const seen = await rowsOf(place, after.headers, { ...session, ...after.headers })
    const left = Object.entries(expected(rights)).map(([rule, row]) => [
      rule,
      row.resume === undefined ? row : { ...row, resume: 'MCP_ERR_SESSION_NOT_FOUND' }
    ])
    t.same(seen, Object.fromEntries(left))
    t.equal(await resumed(place.url, { ...session, ...after.headers }, id), 'MCP_ERR_SESSION_NOT_FOUND')
    t.equal(
      (await post(place.app, callOf('admins-who-read', {}, 'second'), session)).body.result.content[0].text,
      'done',
      'as does who has them still'
    )
  })
}

for (const [what, issue] of [
  ['a token', token('eve', 'admin', ['files:read'])],
  ['a minted token', minted('eve', 'admin', ['files:read'])],
  ['a managed key', managed('admin', ['files:read'])],
  ['a caller of the provider', provided(['admin'], 'files:read')]
] as const) {
  t.test(
    `${what} that is revoked in the middle of a session is refused at every item, by every way in`,
    async t => {
      const place = await guarded(t)
      const { headers, revoke } = await issue(place)
      const session = await sessionOf(place.app, headers)
      const id = firstId(await post(place.app, callOf('admins-who-read', {}, 'first'), session)) ?? ''
      t.equal(await resumed(place.url, session, id), 'done')
      await revoke()
      await becomes(place.app, headers, 401)
      const refused = {
        listed: false,
        call: 'MCP_ERR_UNAUTHENTICATED',
        read: 'MCP_ERR_UNAUTHENTICATED',
        subscribe: 'MCP_ERR_UNAUTHENTICATED'
      }
      t.same(await rowsOf(place, headers, session), Object.fromEntries(names.map(rule => [rule, refused])))
      t.equal(await resumed(place.url, session, id), 'MCP_ERR_UNAUTHENTICATED')
    }
  )
}

t.test('a caller that gains rights in the middle of a session has them', async t => {
  const place = await guarded(t)
  const [before, after] = [await token('eve')(place), await token('eve', 'admin', ['files:read'])(place)]
  const session = await sessionOf(place.app, before.headers)
  t.same(await rowsOf(place, before.headers, session), expected([['all'], told]))
  t.same(await rowsOf(place, after.headers, { ...session, ...after.headers }), expected([everything]))
})

t.test('what is shown but not allowed can neither be read nor subscribed to, and says so', async t => {
  const app = await service(t, {
    sessions: {},
    resources: [
      defineResource({
        name: 'plans',
        uri: 'files://plans',
        access: { roles: ['admin'], denied: 'error' },
        read: () => 'read'
      })
    ]
  })
  const session = await sessionOf(app, withKey)
  t.equal((await post(app, rpc('resources/list'), session)).body.result.resources[0].name, 'plans')
  for (const method of ['resources/read', 'resources/subscribe']) {
    t.match((await post(app, rpc(method, { uri: 'files://plans' }), session)).body.error, {
      code: -32602,
      data: { code: 'MCP_ERR_NOT_ALLOWED' }
    })
  }
})
