/** Unknown options are refused. Ignored, a misspelled one would leave a limit at its default. */
import Fastify from 'fastify'
import t from 'tap'
import { buildApp } from '../../../src/app.js'
import { mcpAuth } from '../../../src/mcp-auth.js'
import { redisStartMs } from '../../../src/redis/stores.js'
import { startServer } from '../../../src/server/start.js'
import { defineTool } from '../../../src/tools/tool.js'
import { adaKey } from '../../support/service.js'

const whoami = defineTool({ name: 'whoami', handler: () => 'me' })

const wrong: Array<[what: string, options: Record<string, unknown>, message: RegExp]> = [
  ['nothing at all', {}, /^`mcpAuth` requires at least one of `apiKeys`, `apiKeysFile`/],
  ['an empty list of keys', { apiKeys: [] }, /^`mcpAuth` requires/],
  [
    'a misspelt option',
    { apiKeys: [adaKey], tolls: [] },
    /^The options: tolls is not an option; the options are .*tools/
  ],
  ['a key instead of a list', { apiKeys: adaKey }, /^`apiKeys` must be an array$/],
  ['a tool instead of a list', { apiKeys: [adaKey], tools: { name: 'x' } }, /^`tools` must be an array$/],
  [
    'a limit that is a number',
    { apiKeys: [adaKey], rateLimit: 30 },
    /^`rateLimit` must be an object with max, windowMs$/
  ],
  [
    'a misspelt limit',
    { apiKeys: [adaKey], preauthLimit: { maximum: 3 } },
    /^`preauthLimit`: maximum is not an option/
  ],
  [
    'a misspelt provider',
    { oauth: { issuer: 'https://id.example.com', jwks: 'https://id.example.com/keys' } },
    /^`oauth`: jwks is not an option; the options are issuer, jwksUrl/
  ],
  // Each of these would otherwise have been taken for the default, or for something wider.
  [
    'a misspelt mint policy',
    { apiKeys: [adaKey], mintPolicy: 'Off' },
    /^`mintPolicy` must be 'admin-tokens', 'admins' or 'off'$/
  ],
  [
    'a misspelt delivery',
    { apiKeys: [adaKey], tokenDelivery: 'Link' },
    /^`tokenDelivery` must be 'token' or 'link'$/
  ],
  ['a misspelt place of keys', { apiKeys: [adaKey], apiKeysIn: 'Redis' }, /^`apiKeysIn` must be 'file' or 'redis'$/],
  ['a text for false', { apiKeys: [adaKey], loopback: 'false' }, /^`loopback` must be true or false$/],
  ['a text for weak secrets', { apiKeys: [adaKey], allowWeakSecrets: 'no' }, /^`allowWeakSecrets` must be true or false$/],
  [
    'a tolerance that lets tokens live forever',
    { apiKeys: [adaKey], clockToleranceSeconds: Infinity },
    /^`clockToleranceSeconds` must be a number from 0$/
  ],
  [
    'a lifetime that is not a number',
    { apiKeys: [adaKey], tokenMaxTtlSeconds: NaN },
    /^`tokenMaxTtlSeconds` must be a number above 0$/
  ],
  ['a cache that is negative', { verifyKey: () => null, verifyKeyTtlMs: -1 }, /^`verifyKeyTtlMs` must be a whole number from 0$/],
  ['an object for enrich', { apiKeys: [adaKey], enrich: {} }, /^`enrich` must be a function$/],
  ['a secret that is a number', { jwtSecret: 5 }, /^`jwtSecret` must be a non-empty string$/],
  [
    'a former secret that is missing',
    { jwtSecret: adaKey, jwtPreviousSecrets: [undefined] },
    /^`jwtPreviousSecrets\[0\]` must be a non-empty string$/
  ],
  ['a missing origin', { apiKeys: [adaKey], origins: [null] }, /^`origins\[0\]` must be a non-empty string$/],
  ['a URL object', { apiKeys: [adaKey], publicUrl: new URL('https://a.example') }, /^`publicUrl` must be a string$/],
  ['a prefix that is a number', { apiKeys: [adaKey], prefix: 5 }, /^`prefix` must be a string$/],
  ['a path without a slash', { apiKeys: [adaKey], path: 'mcp' }, /^`path` must be a string that begins with "\/"$/],
  ['a path with a query', { apiKeys: [adaKey], path: '/mcp?a' }, /path "\/x\/mcp\?a" must not contain \? or #$/],
  ['an unknown era', { apiKeys: [adaKey], eras: ['modern', 'x'] }, /^`eras` must contain legacy, modern or both/],
  [
    'sessions that are a text',
    { apiKeys: [adaKey], sessions: 'off' },
    /^`sessions` must be true, false or an object with idleMs/
  ],
  ['a misspelt bound of sessions', { apiKeys: [adaKey], sessions: { idle: 5 } }, /^`sessions`: idle is not an option/],
  ['a misspelt bound of unread answers', { apiKeys: [adaKey], unread: { grace: 5 } }, /^`unread`: grace is not an option/],
  ['a short state key', { apiKeys: [adaKey], stateKey: 'x' }, /^`stateKey` must be a Uint8Array of at least 32 bytes$/],
  ['an issuer that is null', { issuers: [null] }, /^`issuers\[0\]` must be an object with issuer/],
  [
    'a misspelt field of an issuer',
    { issuers: [{ name: 'a', issuer: 'https://id.example', jwks: 'x' }] },
    /^`issuers\[0\]`: jwks is not an option/
  ],
  [
    'a flag of a provider that is a text',
    { oauth: { issuer: 'https://id.example.com', requireAt: 'yes' } },
    /^`oauth\.requireAt` must be true or false$/
  ],
  ['a metrics port that is a text', { apiKeys: [adaKey], metrics: { port: '1' } }, /^`metrics\.port` must be a port/],
  ['an audit key that is a number', { apiKeys: [adaKey], audit: { file: 'x', key: 5 } }, /^`audit\.key` must be a non-empty/],
  ['a directory that is a number', { apiKeys: [adaKey], stateDir: 5 }, /^`stateDir` must be a non-empty string$/],
  ['a version that is a number', { apiKeys: [adaKey], info: { name: 'x', version: 1 } }, /^`info\.version` must be/],
  [
    'a misspelt mode of Redis',
    { apiKeys: [adaKey], redis: { source: 'redis://127.0.0.1:1', whenDownRevocations: 'Refuse' } },
    /^`redis\.whenDownRevocations` must be 'keep' or 'refuse'$/
  ],
  ['upstreams that are null', { apiKeys: [adaKey], upstreams: null }, /^`upstreams` must be an object$/],
  [
    'a policy with a misspelt rule',
    { apiKeys: [adaKey], toolPolicies: { tools: { whoami: { access: { role: ['admin'] } } } } },
    /^toolPolicies is invalid at tools\.whoami\.access: /
  ],
  [
    'policies with a misspelt list',
    { apiKeys: [adaKey], toolPolicies: { tool: {} } },
    /^toolPolicies is invalid at the top: /
  ],
  [
    'a policy that replaces the handler',
    { apiKeys: [adaKey], toolPolicies: { default: { handler: () => 'x' } } },
    /^toolPolicies is invalid at default: /
  ]
]

for (const [what, options, message] of wrong) {
  t.test(`${what} stops the start without showing a credential`, async t => {
    const app = Fastify()
    t.teardown(async () => { await app.close() })
    const error = await Promise.resolve(app.register(mcpAuth, { prefix: '/x', ...options })).then(
      () => undefined,
      (reason: Error) => reason
    )
    t.match(error?.message, message)
    t.notMatch(error?.message, adaKey)
  })
}

t.test('common Fastify plugin options are accepted', async t => {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(mcpAuth, { prefix: '/x', apiKeys: [adaKey], logLevel: 'warn' })
  t.ok(app.hasRoute({ method: 'POST', url: '/x/mcp' }))
})

t.test('an entry that is not an object is named with its position', async t => {
  for (const [name, list, message] of [
    ['tools', [undefined], '`tools[0]` must be an object, not undefined'],
    ['tools', [whoami, null], '`tools[1]` must be an object, not null'],
    ['resources', ['notes://one'], '`resources[0]` must be an object, not string'],
    ['prompts', [1], '`prompts[0]` must be an object, not number']
  ] as const) {
    await t.rejects(
      Reflect.apply(buildApp, undefined, [
        { env: { API_KEYS: adaKey, LOG_LEVEL: 'silent' }, builtIns: false, [name]: list }
      ]) as Promise<unknown>,
      { name: 'TypeError', message }
    )
  }
})

t.test('startServer names its own options for an unknown one', async t => {
  const start = Reflect.apply(startServer, undefined, [
    { env: { API_KEYS: adaKey }, dotenv: false, port: 3000, onFailure: 'throw' }
  ]) as Promise<unknown>
  await t.rejects(start, {
    name: 'TypeError',
    message: /^The options: port is not an option; the options are .*env, dotenv, .*announce, onFailure$/
  })
})

t.test('startServer refuses unknown options', async t => {
  await t.rejects(
    Reflect.apply(buildApp, undefined, [
      { env: { API_KEYS: adaKey, LOG_LEVEL: 'silent' }, tolls: [] }
    ]) as Promise<unknown>,
    { message: /^The options: tolls is not an option/ }
  )
})

t.test('a tool named like a built-in one is refused with advice', async t => {
  const tool = { name: 'whoami', handler: () => 'me' }
  await t.rejects(
    async () => {
      await Fastify().register(mcpAuth, { apiKeys: [adaKey], tools: [tool] })
    },
    { message: /^whoami is a built-in tool: .*`builtIns: false`/ }
  )
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(mcpAuth, { apiKeys: [adaKey], tools: [tool], builtIns: false })
})

t.test('the start gives up on Redis before Fastify gives up on the plugin', async t => {
  t.ok(redisStartMs < Number(Fastify().initialConfig.pluginTimeout))
})
