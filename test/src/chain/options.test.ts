/** Unknown options are refused. Ignored, a misspelled one would leave a limit at its default. */
import Fastify from 'fastify'
import t from 'tap'
import { buildApp } from '../../../src/app.js'
import { mcpAuth } from '../../../src/mcp-auth.js'
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
