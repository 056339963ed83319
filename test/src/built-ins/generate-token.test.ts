/** The tool `generate-token`: users, roles, lifetimes and refusals. */
import t from 'tap'
import { Catalog } from '../../../src/mcp/catalog/catalog.js'
import { Ledger } from '../../../src/ledger/ledger.js'
import { createGenerateToken } from '../../../src/built-ins/generate-token.js'
import { callerOf, during, principalOf } from '../../support/exchange.js'
import { logSink } from '../../support/log-sink.js'
import { callOf, post, rpc, service, withKey, withToken } from '../../support/service.js'
import { secret } from '../../support/tokens.js'

const admin = callerOf(principalOf('root', { role: 'admin' }))

async function mint (
  args: Record<string, unknown>,
  { caller = admin, maxTtlSeconds = 30 * 86_400 } = {}
): Promise<Record<string, unknown>> {
  const state = await Ledger.open()
  t.teardown(async () => {
    await state.close()
  })
  const catalog = new Catalog({
    info: { name: 'tests', version: '0' },
    tools: [createGenerateToken({ secret, maxTtlSeconds, state })]
  })
  return await during(
    caller,
    async exchange =>
      await catalog.dispatch('tools/call', { name: 'generate-token', arguments: args }, exchange)
  )
}

function claimsOf (token: unknown): Record<string, unknown> {
  return JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString())
}

t.test('generate-token uses the given user, role and lifetime', async t => {
  const { structuredContent } = (await mint({ userId: 'ada', role: 'admin', expiresIn: '1h' })) as {
    structuredContent: Record<string, string>
  }
  const claims = claimsOf(structuredContent.token)
  t.match(claims, { sub: 'ada', role: 'admin', iat: Number, exp: Number, jti: String })
  t.equal(Number(claims.exp) - Number(claims.iat), 3600)
  t.equal(structuredContent.expiresAt, new Date(Number(claims.exp) * 1000).toISOString())
})

t.test('generate-token defaults to the role user and one day', async t => {
  const { structuredContent } = await mint({ userId: 'ada' }) as { structuredContent: Record<string, string> }
  const claims = claimsOf(structuredContent.token)
  t.equal(claims.role, 'user')
  t.equal(Number(claims.exp) - Number(claims.iat), 86_400)
})

for (const [what, userId] of [
  ['256 characters', 'a'.repeat(256)],
  ['one character', 'a'],
  ['an address', 'ada@example.com'],
  ['other scripts', 'Ада 愛'],
  ['a name of a prototype', '__proto__']
] as const) {
  t.test(`a user id may be ${what}`, async t => {
    const { structuredContent } = (await mint({ userId })) as { structuredContent: Record<string, string> }
    t.equal(claimsOf(structuredContent.token).sub, userId)
  })
}

for (const [what, userId] of [
  ['missing', undefined],
  ['empty', ''],
  ['white space', ' \t\n'],
  ['white space of other scripts', '\u3000\u00a0'],
  ['257 characters', 'a'.repeat(257)],
  ['with a NUL', 'a\u0000b'],
  ['with a line break', 'ada\nroot'],
  ['with an escape', 'ada\u001b[0m'],
  ['with C1 controls', 'ada\u0090'],
  ['a number', 7],
  ['null', null],
  ['a list', ['ada']],
  ['an object', { sub: 'ada' }]
] as const) {
  t.test(`a user id that is ${what} is an error that names the field`, async t => {
    t.match(await mint({ userId }), { isError: true, content: [{ text: /userId/ }] })
  })
}

for (const [expiresIn, seconds] of [
  ['1', 1],
  ['3600', 3600],
  ['1h', 3600],
  ['90s', 90],
  ['15m', 900],
  ['7d', 604_800],
  ['30d', 2_592_000]
] as const) {
  t.test(`a lifetime of ${expiresIn} is ${seconds} seconds`, async t => {
    const { structuredContent } = (await mint({ userId: 'ada', expiresIn })) as {
      structuredContent: Record<string, string>
    }
    const { iat, exp } = claimsOf(structuredContent.token)
    t.equal(Number(exp) - Number(iat), seconds)
  })
}

for (const expiresIn of [
  '0',
  '0s',
  '-1h',
  '',
  ' ',
  '1.5h',
  '1e3',
  '1y',
  '1H',
  'forever',
  '31d',
  '2592001',
  '9'.repeat(30),
  '0x10',
  '１h',
  3600,
  null,
  {},
  ['1h']
]) {
  t.test(
    `a lifetime of ${JSON.stringify(expiresIn).slice(0, 20)} is an error that names the field`,
    async t => {
      t.match(await mint({ userId: 'ada', expiresIn }), { isError: true, content: [{ text: /expiresIn/ }] })
    }
  )
}

t.test('the longest lifetime is exact to the second', async t => {
  t.notOk((await mint({ userId: 'ada', expiresIn: '3600' }, { maxTtlSeconds: 3600 })).isError)
  t.match(await mint({ userId: 'ada', expiresIn: '3601' }, { maxTtlSeconds: 3600 }), { isError: true })
})

for (const role of ['root', 'Admin', 'ADMIN', ' admin', '', null, true, ['admin'], { admin: true }]) {
  t.test(`a role of ${JSON.stringify(role)} is an error that names the field`, async t => {
    t.match(await mint({ userId: 'ada', role }), { isError: true, content: [{ text: /role/ }] })
  })
}

t.test('unknown fields do not change the token', async t => {
  const result = (await mint({ userId: 'ada', sub: 'root', exp: 9e9, scope: '*', jti: 'mine' })) as {
    structuredContent: Record<string, string>
  }
  const claims = claimsOf(result.structuredContent.token)
  t.equal(claims.sub, 'ada')
  t.same(Object.keys(claims).sort(), ['exp', 'iat', 'jti', 'role', 'sub'])
  t.not(claims.jti, 'mine')
})

t.test('generate-token is unknown to callers who are not admins', async t => {
  await t.rejects(mint({ userId: 'eve', role: 'admin' }, { caller: callerOf() }), { code: 'MCP_ERR_UNKNOWN_TOOL' })
})

for (const [what, headers] of [['a key', withKey], ['a token of a user', withToken('eve')]] as const) {
  t.test(`in the app ${what} neither sees nor calls generate-token`, async t => {
    const app = await service(t)
    t.notMatch((await post(app, rpc('tools/list'), headers)).text, /generate-token/)
    const hidden = await post(app, callOf('generate-token', { userId: 'eve', role: 'admin' }), headers)
    const missing = await post(app, callOf('generate-tokens', { userId: 'eve', role: 'admin' }), headers)
    const told = [hidden, missing].map(({ status, body }) => ({
      status,
      body: { ...body, error: { ...body.error, data: { ...body.error.data, requestId: '' } } }
    }))
    t.same(told[0], told[1])
  })
}

t.test('in the app a minted token authenticates its user with its role', async t => {
  const app = await service(t)
  const { token } = (await post(app, callOf('generate-token', { userId: 'new' }), withToken('root', 'admin')))
    .body.result.structuredContent
  const { structuredContent } = (
    await post(app, callOf('whoami'), { authorization: `Bearer ${String(token)}` })
  ).body.result
  t.match(structuredContent, { id: 'jwt:new', role: 'user', tools: ['whoami'] })
})

t.test('in the app TOKEN_MAX_TTL limits the lifetime', async t => {
  const app = await service(t, { env: { TOKEN_MAX_TTL: '1h' } })
  const root = withToken('root', 'admin')
  t.notOk((await post(app, callOf('generate-token', { userId: 'new', expiresIn: '1h' }), root)).body.result.isError)
  t.equal(
    (await post(app, callOf('generate-token', { userId: 'new', expiresIn: '3601' }), root)).body.result
      .isError,
    true
  )
})

t.test('generate-token is missing without a secret', async t => {
  const app = await service(t, { env: { JWT_SECRET: '' } })
  t.notMatch((await post(app, rpc('tools/list'))).text, /generate-token/)
})

t.test('the input schema has defaults, and the description warns of the secret', async t => {
  const app = await service(t)
  const [tool] = (await post(app, rpc('tools/list'), withToken('root', 'admin'))).body.result.tools
  t.match(tool.inputSchema, {
    required: ['userId'],
    properties: {
      userId: { type: 'string', minLength: 1, maxLength: 256 },
      role: { default: 'user' },
      expiresIn: { type: 'string', default: '24h' }
    }
  })
  t.match(tool.description, /secret/)
})

t.test('minted tokens are not logged', async t => {
  const sink = logSink()
  const app = await service(t, { logStream: sink, env: { LOG_LEVEL: 'trace' } })
  const { token } = (await post(app, callOf('generate-token', { userId: 'new' }), withToken('root', 'admin')))
    .body.result.structuredContent
  for (const part of String(token).split('.').slice(1)) t.notOk(sink.text().includes(part))
})
