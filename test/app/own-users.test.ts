/** Keys that an app looks up itself: whom they let in, what is remembered of them, and how they end. */
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import auth from '../../plugins/auth.js'
import { buildApp } from '../../src/app.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import type { McpAuthOptions } from '../../src/chain/options.js'
import type { Endpoint } from '../../src/mcp/endpoint.js'
import { sha256 } from '../../src/lib/sha256.js'
import type { VerifyKey } from '../../src/app-keys/app-keys.js'
import type { Principal } from '../../src/principal/principal.js'
import { defineTool } from '../../src/tools/tool.js'
import { logSink, type LogSink } from '../support/log-sink.js'
import { until } from '../support/process.js'
import { adaKey, callOf, eventsOf, listening, modern, post, rpc, withToken } from '../support/service.js'
import { secret } from '../support/tokens.js'
import { secretOfTests } from '../support/witness.js'

const crmKey = secretOfTests('crm-key-of-the-tests-000000001')
const withCrmKey = { 'x-api-key': crmKey }

/** Tells its caller all that it knows of them. */
function echo (seen: Principal[] = []) {
  return defineTool({
    name: 'echo',
    handler: (_args, { principal }) => {
      seen.push(principal)
      return { structuredContent: { ...principal } }
    }
  })
}

interface Host { readonly app: FastifyInstance, readonly log: LogSink, readonly endpoint: Endpoint }

async function host (t: Test, options: McpAuthOptions): Promise<Host> {
  const log = logSink()
  const app = Fastify({ logger: { stream: log } })
  t.teardown(() => app.close())
  let endpoint: Endpoint | undefined
  await app.register(mcpAuth, { tools: [echo()], onEndpoint: given => { endpoint = given }, ...options })
  await app.ready()
  if (endpoint === undefined) throw new Error('there is no endpoint')
  return { app, log, endpoint }
}

async function principalOf (
  app: FastifyInstance,
  headers: Record<string, string> = withCrmKey
): Promise<Record<string, unknown>> {
  return (await post(app, callOf('echo'), headers)).body?.result?.structuredContent
}

/** One caller, whose key is good while `isGood`. */
const good: VerifyKey = key => key === crmKey ? { id: 'crm:7', keyId: 'k-1', attributes: { tenant: 'acme' } } : null

t.test('verifyKey alone opens the door, and an id alone is an identity', async t => {
  const { app } = await host(t, { verifyKey: key => key === crmKey ? { id: 'crm:7' } : null })
  t.same(await principalOf(app), { id: 'crm:7', role: 'user', scopes: [], method: 'api-key', attributes: {} })
  t.equal((await post(app, callOf('echo'), { 'x-api-key': `${crmKey}x` })).status, 401)
})

t.test('verifyKey is told the key, its digest, the address and the id of the request', async t => {
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

t.test('all of an identity reaches tools and limits, frozen', async t => {
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
  t.equal((await post(app, rpc('tools/list'), { 'x-api-key': 'a' })).status, 500, 'a key is no id')
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

t.test('a key of the list or of the file never reaches verifyKey, and a token does not', async t => {
  let asked = 0
  const { app } = await host(t, { apiKeys: [adaKey], jwtSecret: secret, verifyKey: () => { asked += 1; return null } })
  t.equal((await post(app, callOf('echo'), { 'x-api-key': adaKey })).status, 200)
  t.equal((await post(app, callOf('echo'), withToken('ada'))).status, 200)
  t.equal(asked, 0)
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 401)
  t.equal(asked, 1)
})

for (const nothing of [null, undefined] as const) {
  t.test(`verifyKey that answers ${nothing} is the 401 of every bad key, and charges the address`, async t => {
    const { app } = await host(t, {
      apiKeys: [adaKey],
      verifyKey: () => nothing,
      preauthLimit: { max: 2, windowMs: 60_000 }
    })
    const refused = await post(app, callOf('echo'), withCrmKey)
    t.match(refused, { status: 401, body: { error: { data: { code: 'MCP_ERR_UNAUTHENTICATED' } } } })
    await post(app, callOf('echo'), withCrmKey)
    t.equal((await post(app, callOf('echo'), withCrmKey)).status, 429)
  })
}

const unable: Array<[string, VerifyKey]> = [
  ['throws', key => { throw new Error(`no row for ${key}`) }],
  ['rejects', async key => { throw new Error(`no row for ${key}`) }],
  ['rejects with no error', async () => await Promise.reject(new Proxy({}, {}))],
  ['never answers', async () => await new Promise<never>(() => {})]
]

for (const [what, verifyKey] of unable) {
  t.test(`verifyKey that ${what} is a 503 that charges nobody and is logged without the key`, async t => {
    const { app, log } = await host(t, {
      verifyKey,
      verifyKeyTimeoutMs: 50,
      preauthLimit: { max: 1, windowMs: 60_000 }
    })
    for (let i = 0; i < 3; i++) {
      const { status, headers, body } = await post(app, callOf('echo'), withCrmKey)
      t.equal(status, 503)
      t.ok(Number(headers['retry-after']) >= 1)
      t.equal(body.error.data.code, 'MCP_ERR_UNAVAILABLE')
      t.match(
        log
          .lines()
          .filter(({ msg }) => msg === '`verifyKey` failed')
          .at(-1),
        { level: 50, reqId: body.error.data.requestId, err: {} }
      )
    }
    t.notMatch(log.text(), crmKey)
  })
}

t.test('verifyKey hears that nobody waits any longer', async t => {
  let aborted = false
  const { app } = await host(t, {
    verifyKeyTimeoutMs: 20,
    verifyKey: async (_key, { signal }) =>
      await new Promise<never>(() => {
        signal.addEventListener('abort', () => {
          aborted = true
        })
      })
  })
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 503)
  t.ok(aborted)
})

const faulty: Array<[string, unknown]> = [
  ['an id like a key of ours', { id: 'apikey:0123456789ab' }],
  ['an id like an owner', { id: 'user:ada' }],
  ['an id like a token', { id: 'jwt:ada' }],
  ['an id like a provider', { id: 'oauth:ada' }],
  ['an id like a named provider', { id: 'oauth@corp:ada' }],
  ['no id', {}],
  ['an empty id', { id: '' }],
  ['a number for an id', { id: 7 }],
  ['an id of 257 characters', { id: 'x'.repeat(257) }],
  ['an id with a line break', { id: 'a\nb' }],
  ['the key as its id', { id: crmKey }],
  ['the key in its keyId', { id: 'crm:7', keyId: `key ${crmKey}` }],
  ['true', true],
  ['a text', 'crm:7'],
  ['a list', [{ id: 'crm:7' }]],
  ['a role of white space', { id: 'crm:7', role: ' ' }],
  ['a role that looks like admin', { id: 'crm:7', role: 'Admin' }],
  ['scopes in a text', { id: 'crm:7', scopes: 'a b' }],
  ['a scope with a space', { id: 'crm:7', scopes: ['a b'] }],
  ['a date for its end', { id: 'crm:7', expiresAt: new Date() }],
  ['a limit of 0', { id: 'crm:7', rateLimitMax: 0 }],
  ['attributes that are a list', { id: 'crm:7', attributes: [] }],
  ['attributes that hold themselves', circular()],
  ['a misspelt field', { id: 'crm:7', scope: ['a'] }]
]

function circular (): unknown {
  const attributes: Record<string, unknown> = {}
  attributes.itself = attributes
  return { id: 'crm:7', attributes }
}

for (const [what, answer] of faulty) {
  t.test(`verifyKey that answers ${what} is a fault, and lets nobody in`, async t => {
    const { app, log } = await host(t, { verifyKey: () => answer as never })
    t.match(await post(app, callOf('echo'), withCrmKey), {
      status: 500,
      body: { error: { data: { code: 'MCP_ERR_INTERNAL' } } }
    })
    t.match(log.lines().filter(({ level }) => level === 50), [{ err: { message: /verifyKey|attributes|role/ } }])
    t.notMatch(log.text(), crmKey)
  })
}

t.test('attributes called __proto__ give nobody anything', async t => {
  const { app } = await host(t, {
    verifyKey: () => ({
      id: 'crm:7',
      attributes: JSON.parse('{"__proto__":{"tenant":"acme"},"constructor":"x"}')
    })
  })
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 200)
  t.equal(({} as { tenant?: string }).tenant, undefined)
})

t.test('a good answer counts for verifyKeyTtlMs, a bad one is not remembered', async t => {
  let asked = 0
  const { app } = await host(t, {
    preauthLimit: { max: 1000, windowMs: 60_000 },
    verifyKey: (key, context) => {
      asked += 1
      return good(key, context)
    }
  })
  for (let i = 0; i < 5; i++) t.equal((await post(app, callOf('echo'), withCrmKey)).status, 200)
  t.equal(asked, 1)
  for (let i = 0; i < 3; i++) await post(app, callOf('echo'), { 'x-api-key': 'another-key' })
  t.equal(asked, 4)
})

t.test('verifyKeyTtlMs: 0 asks on every request', async t => {
  let asked = 0
  const { app } = await host(t, {
    verifyKeyTtlMs: 0,
    verifyKey: (key, context) => {
      asked += 1
      return good(key, context)
    }
  })
  await Promise.all([
    post(app, callOf('echo'), withCrmKey),
    post(app, callOf('echo'), withCrmKey),
    post(app, callOf('echo'), withCrmKey)
  ])
  t.equal(asked, 3)
})

t.test('many requests with one key at once are one question', async t => {
  let asked = 0
  const { app } = await host(t, {
    verifyKey: async (key, context) => {
      asked += 1
      await sleep(20)
      return await good(key, context)
    }
  })
  const answers = await Promise.all(Array.from({ length: 20 }, () => post(app, callOf('echo'), withCrmKey)))
  t.ok(answers.every(({ status }) => status === 200))
  t.equal(asked, 1)
})

t.test('an answer is good no longer than the key', async t => {
  let expiresAt = Date.now() + 60_000
  const { app } = await host(t, { verifyKey: () => ({ id: 'crm:7', expiresAt }) })
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 200)
  expiresAt = Date.now() - 1
  t.equal((await post(app, callOf('echo'), { 'x-api-key': 'another-key' })).status, 401)
})

t.test('endpoint.forget has the key looked up anew, also while it is being looked up', async t => {
  let isGood = true
  let open = (): void => {}
  const gate = new Promise<void>(resolve => { open = resolve })
  let asked = 0
  const { app, endpoint } = await host(t, {
    verifyKey: async (key, context) => {
      const answer = isGood ? await good(key, context) : null
      if (++asked === 1) await gate
      return answer
    }
  })
  const first = post(app, callOf('echo'), withCrmKey)
  await until(() => asked === 1)
  isGood = false
  endpoint.forget('k-1')
  open()
  await first
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 401, 'the old answer was not remembered')
  isGood = true
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 200)
  endpoint.forget('another')
  isGood = false
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 200, 'other keys are remembered')
  endpoint.forget('k-1')
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 401)
})

/** A call that speaks first and never ends: resolves to its last message when its stream ends. */
function talkingCall (
  url: string,
  headers: Record<string, string>
): Promise<Record<string, { code?: string; data?: { code: string } }>> {
  const { headers: more, payload } = modern('tools/call', {
    name: 'talk',
    arguments: {},
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
      progressToken: 1
    }
  })
  return fetch(`${url}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...more,
      ...headers
    },
    body: JSON.stringify(payload)
  }).then(async response => eventsOf(await response.text()).at(-1))
}

for (const withStillGood of [true, false]) {
  t.test(
    'endpoint.forget ends the streams and the calls of a key ' +
      `${withStillGood ? 'of which stillGood says no' : 'where there is no stillGood'}`,
    { timeout: 30_000 },
    async t => {
      let isGood = true
      let talking = 0
      const talk = defineTool({
        name: 'talk',
        handler: async (_args, { progress }) => {
          await progress(1)
          talking += 1
          return await new Promise<never>(() => {})
        }
      })
      const quiet = defineTool({
        name: 'quiet',
        handler: async (_args, { signal }) => {
          talking += 1
          return await new Promise<never>((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              reject(new Error('ended'))
            })
          })
        }
      })
      const { app, endpoint } = await host(t, {
        tools: [talk, quiet, echo()],
        verifyKey: (key, context) => (isGood ? good(key, context) : null),
        ...(withStillGood
          ? {
              stillGood: async ({ keyId, attributes }: Principal) =>
                keyId === 'k-1' && attributes.tenant === 'acme' && isGood
            }
          : {})
      })
      const url = await listening(app)
      const stream = talkingCall(url, withCrmKey)
      const call = post(app, callOf('quiet'), withCrmKey)
      await until(() => talking === 2)
      if (withStillGood) {
        endpoint.forget('k-1')
        await sleep(600)
        t.equal(
          (await post(app, callOf('echo'), withCrmKey)).status,
          200,
          'what stillGood says yes to goes on'
        )
      }
      isGood = false
      endpoint.forget('k-1')
      t.match(await stream, { error: { data: { code: 'MCP_ERR_UNAUTHENTICATED' } } })
      t.match((await call).body, { error: { data: { code: 'MCP_ERR_UNAUTHENTICATED' } } })
    }
  )
}

t.test(
  'stillGood is asked for open streams once every verifyKeyTtlMs, and its fault is a no',
  { timeout: 30_000 },
  async t => {
    const talk = defineTool({
      name: 'talk',
      handler: async (_args, { progress }) => {
        await progress(1)
        return await new Promise<never>(() => {})
      }
    })
    let asked = 0
    const { app, log } = await host(t, {
      tools: [talk],
      verifyKey: good,
      verifyKeyTtlMs: 50,
      stillGood: async () => {
        if (++asked > 1) throw new Error('the database is away')
        return true
      }
    })
    t.match(await talkingCall(await listening(app), withCrmKey), {
      error: { data: { code: 'MCP_ERR_UNAUTHENTICATED' } }
    })
    t.equal(asked, 2)
    t.match(
      log.lines().filter(({ level }) => level === 50),
      [{ msg: '`stillGood` failed, which counts as no' }]
    )
  }
)

t.test('a service takes verifyKey in place of every credential among its settings', async t => {
  await t.rejects(buildApp({ logStream: logSink() }), { message: /no credential is configured/ })
  const app = await buildApp({ logStream: logSink(), verifyKey: good, tools: [echo()] })
  t.teardown(() => app.close())
  t.equal((await principalOf(app)).id, 'crm:7')
})

t.test('plugins/auth alone takes verifyKey', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(auth, { verifyKey: good })
  app.get('/private', async request => ({ id: request.principal?.id, tenant: request.principal?.attributes.tenant }))
  t.same((await app.inject({ url: '/private', headers: withCrmKey })).json(), { id: 'crm:7', tenant: 'acme' })
})

for (const [what, options, message] of [
  ['verifyKey that is no function', { verifyKey: 'x' }, /`verifyKey` must be a function/],
  [
    'stillGood without verifyKey',
    { apiKeys: [adaKey], stillGood: () => true },
    /`stillGood` is about the callers of `verifyKey`/
  ],
  ['verifyKeyTimeoutMs of 0', { verifyKey: good, verifyKeyTimeoutMs: 0 }, /verifyKeyTimeoutMs/],
  ['verifyKeyTtlMs below 0', { verifyKey: good, verifyKeyTtlMs: -1 }, /verifyKeyTtlMs/]
] as Array<[string, McpAuthOptions, RegExp]>) {
  t.test(`${what} stops the boot`, async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    await t.rejects(
      async () => {
        await app.register(mcpAuth, options)
      },
      { message }
    )
  })
}
