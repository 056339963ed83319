/** Tools, resources and prompts for each rule, callers of each kind, and the expected rights. */
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { revokeKey } from '../../src/api-keys/changes.js'
import { changeKeyFile } from '../../src/api-keys/file.js'
import type { AccessRule } from '../../src/principal/access.js'
import type { OwnRole } from '../../src/principal/principal.js'
import { generateToken } from '../../src/tokens/generate.js'
import { defineResource } from '../../src/tools/resource.js'
import type { CallContext } from '../../src/tools/call-context.js'
import { defineTool } from '../../src/tools/tool.js'
import { audience, claimsOf, fakeIssuer, patient, sign, signingKey } from './issuer.js'
import { addKey, keyFile } from './keys.js'
import { type Answer, callOf, eventsOf, listening, modern, post, rpc, service } from './service.js'
import { secret } from './tokens.js'
import { until } from './until.js'

type Headers = Record<string, string>

const rules = {
  nobody: { allow: () => { throw new Error('a rule that throws denies access') } },
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

export const names = Object.keys(rules) as Rule[]
const uriOf = (rule: Rule): string => `files://${rule}`

interface Place {
  readonly app: FastifyInstance
  readonly url: string
  readonly issuer: string
  readonly keys: string
}

export const key = await signingKey('ES256', 'first')

export async function guarded (t: Test): Promise<Place> {
  const [{ issuer }, keys] = await Promise.all([fakeIssuer(t, key), keyFile(t)])
  const app = await service(t, {
    env: {
      LOG_LEVEL: 'warn',
      RATE_LIMIT_MAX: '100000',
      PREAUTH_RATE_LIMIT_MAX: '100000',
      JWT_ISSUER: issuer,
      ...patient,
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

/** Logs a message. In a session the answer then is a stream that its caller can resume. */
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
  /** Revokes the credential while the server runs. */
  readonly revoke: () => Promise<unknown>
}

export type Issue = (place: Place) => Promise<Credential>

export const root = bearer(generateToken('root', 'admin', '1h', { secret, scopes: ['*'] }))

function bearer (token: string): Headers {
  return { authorization: `Bearer ${token}` }
}

const byTool =
  (app: FastifyInstance, tool: string, args: Record<string, string>) => async (): Promise<unknown> =>
    await post(app, callOf(tool, args), root)

export function token (user: string, role: OwnRole = 'user', scopes: string[] = []): Issue {
  return async ({ app }) => ({
    headers: bearer(generateToken(user, role, '1h', { secret, scopes })),
    revoke: byTool(app, 'revoke-subject', { subject: user })
  })
}

export function minted (userId: string, role: OwnRole = 'user', scopes: string[] = []): Issue {
  return async ({ app }) => {
    const { id, token } = (await post(app, callOf('generate-token', { userId, role, scopes }), root)).body
      .result.structuredContent
    return { headers: bearer(token), revoke: byTool(app, 'revoke-token', { id }) }
  }
}

export function managed (role: OwnRole = 'user', scopes: string[] = []): Issue {
  return async ({ app, keys }) => {
    const { key, record: { id } } = await addKey(keys, { owner: 'ada', role, scopes })
    const headers = { 'x-api-key': key }
    await becomes(app, headers, 200)
    return { headers, revoke: async () => { await changeKeyFile(keys, records => revokeKey(records, id)) } }
  }
}

export function provided (roles: string[] = [], scope = ''): Issue {
  return async ({ app, issuer }) => ({
    headers: bearer(await sign(key, claimsOf(issuer, { roles, scope }))),
    revoke: byTool(app, 'revoke-subject', { principal: 'oauth:ada' })
  })
}

/** Waits until requests with these headers get this status. The key file is read again with a delay. */
export async function becomes (app: FastifyInstance, headers: Headers, status: number): Promise<void> {
  await until(async () => (await post(app, rpc('ping'), headers)).status === status)
}

/** How an item refuses a caller. By default the item is hidden. */
type Denied = 'told' | 'challenge'
export type Rights = readonly [may: readonly Rule[], denied?: Partial<Record<Rule, Denied>>]

export const told = { 'told-readers': 'told' } as const
export const reads = ['readers', 'told-readers', 'challenged-readers'] as const
export const everything = ['all', 'admins', 'admins-who-read', 'challenged-admins', ...reads] as const

/** What a caller can do with an item. */
interface Row {
  readonly listed: boolean
  readonly call: string
  readonly read: string
  readonly subscribe: string
  readonly resume?: string
}

export function expected ([may, denied = {}]: Rights): Record<string, Row> {
  return Object.fromEntries(names.map((rule): [Rule, Row] => {
    if (may.includes(rule)) {
      return [rule, { listed: true, call: 'done', read: 'read', subscribe: 'done', resume: 'done' }]
    }
    // A refusal is answered at once, without a stream to resume.
    if (denied[rule] === 'told') return [rule, { listed: true, call: 'told', read: 'told', subscribe: 'told' }]
    if (denied[rule] === 'challenge') {
      return [rule, { listed: true, call: 'challenge', read: 'challenge', subscribe: 'challenge' }]
    }
    return [rule, { listed: false, call: 'unknown', read: 'unknown', subscribe: 'unknown' }]
  }))
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

/** Returns one word if all answers agree, otherwise all of them. */
const agreed = (answers: readonly Answer[]): string =>
  [...new Set(answers.map(({ status, body }) => outcomeOf(status, body)))].join(' or ')

export const firstId = ({ text }: Answer): string | undefined => /^id: (\S+)$/m.exec(text)?.[1]

/** Resumes the stream of an earlier answer and returns its outcome. */
export async function resumed (url: string, session: Headers, lastId: string): Promise<string> {
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

export const namesIn = (items: Array<{ name: string }> = []): string =>
  items
    .map(({ name }) => name)
    .filter(name => (names as string[]).includes(name))
    .sort()
    .join()

export async function listOf (app: FastifyInstance, caller: Headers, session: Headers): Promise<Set<string>> {
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

export async function rowsOf (place: Place, caller: Headers, session: Headers): Promise<Record<string, Row>> {
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
