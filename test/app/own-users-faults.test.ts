/** A `verifyKey` that fails, returns invalid values or is misconfigured gives no access and is logged. */
import Fastify from 'fastify'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { mcpAuth } from '../../src/mcp-auth.js'
import type { McpAuthOptions } from '../../src/chain/options.js'
import type { VerifyKey } from '../../src/app-keys/app-keys.js'
import { adaKey, callOf, post } from '../support/service.js'
import { crmKey, withCrmKey, host, good } from '../support/own-users.js'

for (const nothing of [null, undefined] as const) {
  t.test(`verifyKey that returns ${nothing} gives the usual 401 and charges the address`, async t => {
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
  t.test(`a verifyKey that ${what} is a logged 503 that charges nobody`, async t => {
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

t.test('the signal of verifyKey is aborted when the caller disconnects', async t => {
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
  ['an id like that of a key', { id: 'apikey:0123456789ab' }],
  ['an id like that of an owner', { id: 'user:ada' }],
  ['an id like that of a token', { id: 'jwt:ada' }],
  ['an id like that of a provider', { id: 'oauth:ada' }],
  ['an id like that of a named provider', { id: 'oauth@corp:ada' }],
  ['no id', {}],
  ['an empty id', { id: '' }],
  ['a number for an id', { id: 7 }],
  ['an id of 257 characters', { id: 'x'.repeat(257) }],
  ['an id with a line break', { id: 'a\nb' }],
  ['the key as its id', { id: crmKey }],
  ['the key in its keyId', { id: 'crm:7', keyId: `key ${crmKey}` }],
  ['true', true],
  ['a string', 'crm:7'],
  ['a list', [{ id: 'crm:7' }]],
  ['a role of white space', { id: 'crm:7', role: ' ' }],
  ['a role that looks like admin', { id: 'crm:7', role: 'Admin' }],
  ['scopes in a string', { id: 'crm:7', scopes: 'a b' }],
  ['a scope with a space', { id: 'crm:7', scopes: ['a b'] }],
  ['a Date as expiresAt', { id: 'crm:7', expiresAt: new Date() }],
  ['a limit of 0', { id: 'crm:7', rateLimitMax: 0 }],
  ['attributes that are a list', { id: 'crm:7', attributes: [] }],
  ['circular attributes', circular()],
  ['a misspelt field', { id: 'crm:7', scope: ['a'] }]
]

function circular (): unknown {
  const attributes: Record<string, unknown> = {}
  attributes.itself = attributes
  return { id: 'crm:7', attributes }
}

for (const [what, answer] of faulty) {
  t.test(`verifyKey that returns ${what} is a fault and grants no access`, async t => {
    const { app, log } = await host(t, { verifyKey: () => answer as never })
    t.match(await post(app, callOf('echo'), withCrmKey), {
      status: 500,
      body: { error: { data: { code: 'MCP_ERR_INTERNAL' } } }
    })
    t.match(log.lines().filter(({ level }) => level === 50), [{ err: { message: /verifyKey|attributes|role/ } }])
    t.notMatch(log.text(), crmKey)
  })
}

t.test('attributes named __proto__ give no rights', async t => {
  const { app } = await host(t, {
    verifyKey: () => ({
      id: 'crm:7',
      attributes: JSON.parse('{"__proto__":{"tenant":"acme"},"constructor":"x"}')
    })
  })
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 200)
  t.equal(({} as { tenant?: string }).tenant, undefined)
})

for (const [what, options, message] of [
  ['a verifyKey that is not a function', { verifyKey: 'x' }, /`verifyKey` must be a function/],
  [
    'stillGood without verifyKey',
    { apiKeys: [adaKey], stillGood: () => true },
    /`stillGood` requires `verifyKey`/
  ],
  ['a verifyKeyTimeoutMs of 0', { verifyKey: good, verifyKeyTimeoutMs: 0 }, /verifyKeyTimeoutMs/],
  ['a negative verifyKeyTtlMs', { verifyKey: good, verifyKeyTtlMs: -1 }, /verifyKeyTtlMs/]
] as Array<[string, McpAuthOptions, RegExp]>) {
  t.test(`${what} stops the start`, async t => {
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

t.test('times longer than a timer can wait are as long as it can wait', async t => {
  const warnings: string[] = []
  const note = ({ name }: Error): void => { warnings.push(name) }
  process.on('warning', note)
  t.teardown(() => { process.off('warning', note) })
  const { app } = await host(t, {
    verifyKey: async (...asked) => {
      await sleep(20)
      return good(...asked)
    },
    stillGood: () => true,
    enrich: async () => { await sleep(20) },
    verifyKeyTimeoutMs: 2 ** 31,
    verifyKeyTtlMs: 2 ** 31
  })
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 200)
  t.same(warnings, [])
})
