/** Attempts to gain rights by minting tokens or by claims in a token. */
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { generateToken } from '../../src/tokens/generate.js'
import { addKey, keyFile } from '../support/keys.js'
import { callOf, post, rpc, service, withKey, withToken } from '../support/service.js'
import { forgeClaims, secret } from '../support/tokens.js'

type Headers = Record<string, string>
type Result = Record<string, ReturnType<typeof JSON.parse>>

const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` })
const adminWith = (...scopes: string[]): Headers => bearer(generateToken('root', 'admin', '1h', { secret, scopes }))

async function call (
  app: FastifyInstance,
  name: string,
  args: Record<string, unknown>,
  headers: Headers
): Promise<Result> {
  const { body } = await post(app, callOf(name, args), headers)
  return body.result ?? body.error
}

async function mint (app: FastifyInstance, headers: Headers, args: Record<string, unknown> = {}): Promise<Result> {
  const { structuredContent } = await call(app, 'generate-token', { userId: 'new', ...args }, headers)
  return structuredContent
}

async function isUnknown (t: Test, app: FastifyInstance, headers: Headers): Promise<void> {
  t.notMatch((await post(app, rpc('tools/list'), headers)).text, /generate-token|list-tokens|revoke-/)
  for (const tool of ['generate-token', 'list-tokens', 'revoke-token', 'revoke-subject']) {
    const { code, message } = await call(app, tool, { userId: 'eve', role: 'admin', id: 'x', subject: 'x' }, headers)
    t.same({ code, message }, { code: -32602, message: 'Unknown tool' }, tool)
  }
}

t.test('a user cannot mint tokens', async t => {
  await isUnknown(t, await service(t), withToken('ada'))
})

t.test('a key of API_KEYS cannot mint tokens', async t => {
  await isUnknown(t, await service(t), withKey)
})

t.test('a minted token of a user cannot mint tokens', async t => {
  const app = await service(t)
  const { token } = await mint(app, withToken('root', 'admin'))
  await isUnknown(t, app, bearer(token))
})

for (const [what, role] of [
  ['in upper case', 'ADMIN'],
  ['capitalized', 'Admin'],
  ['with white space', 'admin '],
  ['in an array', ['admin']],
  ['in an object', { admin: true }],
  ['as an object with toString', { toString: 'admin' }],
  ['as a number', 1],
  ['true', true],
  ['null', null],
  ['missing', undefined],
  ['with a NUL', 'admin\0'],
  ['in look-alike letters', 'аdmin']
] as const) {
  t.test(`a token whose role is ${what} has the role user`, async t => {
    const app = await service(t)
    const headers = bearer(forgeClaims({ role }))
    await isUnknown(t, app, headers)
    t.equal((await call(app, 'whoami', {}, headers)).structuredContent.role, 'user')
  })
}

t.test('a token whose scope is a list has the scopes of the list', async t => {
  const app = await service(t)
  t.same(
    (await call(app, 'whoami', {}, bearer(forgeClaims({ scope: ['files:read', 'tools'] })))).structuredContent
      .scopes,
    ['files:read', 'tools']
  )
})

for (const [what, claim] of [
  ['a list of invalid scopes', ['a b', 1]],
  ['an object', { 'files:read': true }],
  ['a number', 1],
  ['null', null]
] as const) {
  t.test(`a token whose scope is ${what} has none`, async t => {
    const app = await service(t)
    t.same(
      (await call(app, 'whoami', {}, bearer(forgeClaims({ scope: claim })))).structuredContent.scopes,
      []
    )
  })
}

for (const role of ['ADMIN', ['admin'], 'root', null, '', 'user,admin'] as const) {
  t.test(`generate-token refuses the role ${JSON.stringify(role)}`, async t => {
    const app = await service(t)
    t.equal((await call(app, 'generate-token', { userId: 'eve', role }, withToken('root', 'admin'))).isError, true)
  })
}

for (const [what, held, asked, isGiven] of [
  ['a scope that the admin has', ['files:read'], ['files:read'], true],
  ['a scope covered by a wildcard', ['files:*'], ['files:read', 'files:read:all'], true],
  ['the same wildcard', ['files:*'], ['files:*'], true],
  ['a narrower wildcard', ['files:*'], ['files:read:*'], true],
  ['no scopes', [], [], true],
  ['a scope if the admin has none', [], ['files:read'], false],
  ['a wider wildcard', ['files:read'], ['files:*'], false],
  ['the wildcard *', ['files:*'], ['*'], false],
  ['an additional scope', ['files:read'], ['files:read', 'mail'], false],
  ['a scope with a similar beginning', ['files:*'], ['filesystem'], false],
  ['the prefix of a wildcard', ['files:*'], ['files:'], false],
  ['two scopes in one string', ['files:read', 'x'], ['files:read admin'], false],
  ['a scope in upper case', ['files:read'], ['FILES:READ'], false],
  ['an empty scope', ['*'], [''], false],
  ['65 scopes', ['*'], Array.from({ length: 65 }, (_, index) => `s${index}`), false],
  ['a string instead of a list', ['*'], 'files:read', false]
] as const) {
  t.test(`generate-token ${isGiven ? 'gives' : 'refuses'} ${what}`, async t => {
    const app = await service(t)
    const result = await call(app, 'generate-token', { userId: 'new', scopes: asked }, adminWith(...held))
    t.equal(result.isError ?? false, !isGiven)
    if (!isGiven) return t.notMatch(JSON.stringify(result), /eyJ/)
    const { structuredContent } = await call(app, 'whoami', {}, bearer(result.structuredContent.token))
    t.same(structuredContent.scopes, asked)
    t.same(result.structuredContent.scopes, asked)
  })
}

t.test('generate-token refuses a user id that looks like a caller id', async t => {
  const app = await service(t)
  for (const userId of ['jwt:ada', 'user:ada', 'apikey:0123456789ab', 'oauth:ada']) {
    t.match(await call(app, 'generate-token', { userId }, withToken('root', 'admin')), {
      isError: true,
      content: [{ text: /userId.*must not begin with jwt:/ }]
    })
  }
})

t.test('a token for a user id equal to a key id is a different caller', async t => {
  const app = await service(t)
  const { structuredContent: key } = await call(app, 'whoami', {}, withKey)
  for (const userId of [key.id, key.id.replace('apikey:', '')]) {
    // A token of another issuer, because this server refuses to mint for such a user id.
    const token = forgeClaims({ sub: userId })
    const { structuredContent: imitation } = await call(app, 'whoami', {}, bearer(token))
    t.equal(imitation.id, `jwt:${userId}`)
    t.equal(imitation.budget.remaining, imitation.budget.limit - 1)
    await call(app, 'revoke-subject', { principal: `jwt:${userId}` }, withToken('root', 'admin'))
    t.equal((await post(app, rpc('tools/list'), bearer(token))).status, 401)
    t.equal((await post(app, rpc('tools/list'), withKey)).status, 200)
  }
})

t.test("an admin's minted token can mint, and the chain is recorded", async t => {
  const app = await service(t)
  const root = withToken('root', 'admin')
  const first = await mint(app, root, { userId: 'second', role: 'admin' })
  const second = await mint(app, bearer(first.token), { userId: 'third' })
  const { structuredContent: { tokens } } = await call(app, 'list-tokens', {}, root)
  t.match(tokens, [
    { id: first.id, subject: 'second', role: 'admin', mintedBy: 'jwt:root', mintedWith: String, revoked: false },
    { id: second.id, subject: 'third', role: 'user', mintedBy: 'jwt:second', mintedWith: first.id, revoked: false }
  ])
  t.notMatch(JSON.stringify(tokens), /eyJ/)
})

for (const [policy, isGiven] of [['admin-tokens', false], ['admins', true], ['off', false]] as const) {
  t.test(`an admin's managed key ${isGiven ? 'mints' : 'does not mint'} under the policy ${policy}`, async t => {
    const file = await keyFile(t)
    const { key, record } = await addKey(file, { role: 'admin', scopes: ['files:*'] })
    const app = await service(t, { env: { API_KEYS_FILE: file, MINT_POLICY: policy } })
    const headers = { 'x-api-key': key }
    t.equal((await post(app, rpc('tools/list'), headers)).text.includes('generate-token'), isGiven)
    const { structuredContent, code } = await call(
      app,
      'generate-token',
      { userId: 'new', scopes: ['files:read'] },
      headers
    )
    if (!isGiven) return t.equal(code, -32602)
    const { structuredContent: { tokens } } = await call(app, 'list-tokens', {}, headers)
    t.match(tokens, [{ id: structuredContent.id, mintedBy: record.owner, mintedWith: record.id }])
  })
}

t.test('minted tokens do not outlive the key that minted them', async t => {
  const file = await keyFile(t)
  const [{ key }, { key: endless }] = [
    await addKey(file, { role: 'admin', lifetimeSeconds: 3600 }),
    await addKey(file, { role: 'admin', name: 'endless' })
  ]
  const app = await service(t, { env: { API_KEYS_FILE: file, MINT_POLICY: 'admins' } })
  const refusal = { isError: true, content: [{ text: /expiresIn: cannot outlive your own credential/ }] }
  for (const expiresIn of ['3602', '24h']) {
    t.match(await call(app, 'generate-token', { userId: 'new', expiresIn }, { 'x-api-key': key }), refusal)
  }
  let headers: Headers = { 'x-api-key': key }
  for (const [userId, expiresIn] of [['first', '50m'], ['second', '40m']] as const) {
    headers = bearer((await mint(app, headers, { userId, role: 'admin', expiresIn })).token)
    t.match(await call(app, 'generate-token', { userId: 'new', expiresIn: '55m' }, headers), refusal)
  }
  const cut = await mint(app, { 'x-api-key': key }, {})
  t.ok(Date.parse(cut.expiresAt) <= Date.now() + 3_600_000, 'the default is the longest allowed lifetime')
  t.ok((await mint(app, { 'x-api-key': endless }, { expiresIn: '30d' })).token)
  t.ok((await mint(app, withToken('root', 'admin'), { expiresIn: '30d' })).token)
})

t.test('MINT_POLICY=off stops minting, but not revocation', async t => {
  const app = await service(t, { env: { MINT_POLICY: 'off' } })
  const names = (await post(app, rpc('tools/list'), withToken('root', 'admin'))).body.result.tools.map(
    ({ name }: { name: string }) => name
  )
  t.same(names, ['list-tokens', 'revoke-subject', 'revoke-token', 'whoami'])
})

t.test('PUBLIC_URL sets iss and aud, and tokens of other servers are refused', async t => {
  const app = await service(t, { env: { PUBLIC_URL: 'https://mcp.example.com', ALLOWED_HOSTS: 'localhost' } })
  const { token } = await mint(app, withToken('root', 'admin'))
  const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())
  t.match(claims, { iss: 'https://mcp.example.com', aud: 'https://mcp.example.com/mcp' })
  t.equal((await post(app, rpc('tools/list'), bearer(token))).status, 200)
  const elsewhere = generateToken('new', 'user', '1h', {
    secret,
    issuer: 'https://other.example',
    audience: 'https://other.example/mcp'
  })
  t.equal((await post(app, rpc('tools/list'), bearer(elsewhere))).status, 401)
})

t.test('TOKEN_DELIVERY=link returns a link, and only the link returns the token', async t => {
  const app = await service(t, {
    env: { TOKEN_DELIVERY: 'link', PUBLIC_URL: 'https://mcp.example.com/base', ALLOWED_HOSTS: 'localhost' }
  })
  const answer = await post(app, callOf('generate-token', { userId: 'new' }), withToken('root', 'admin'))
  t.notMatch(answer.text, /eyJ/)
  const { link, linkExpiresAt, id } = answer.body.result.structuredContent
  t.match(link, /^https:\/\/mcp\.example\.com\/base\/claim\/mcp_claim_[\w-]{43}$/)
  t.ok(Date.parse(linkExpiresAt) - Date.now() <= 600_000)
  const url = link.replace('https://mcp.example.com/base', '')
  const claimed = (await app.inject({ method: 'POST', url })).json()
  t.match((await call(app, 'whoami', {}, bearer(claimed.token))).structuredContent, { id: 'jwt:new' })
  t.match((await call(app, 'list-tokens', {}, withToken('root', 'admin'))).structuredContent.tokens, [{ id }])
  t.equal((await app.inject({ method: 'POST', url })).statusCode, 404)
})

for (const [what, tool, argsOf] of [
  ['its id', 'revoke-token', (id: string) => ({ id })],
  ['its subject', 'revoke-subject', () => ({ subject: 'new' })]
] as const) {
  t.test(`a link does not deliver a token revoked by ${what} in the meantime`, async t => {
    const app = await service(t, {
      env: { TOKEN_DELIVERY: 'link', PUBLIC_URL: 'https://mcp.example.com', ALLOWED_HOSTS: 'localhost' }
    })
    const root = withToken('root', 'admin')
    const [revoked, other] = [
      await mint(app, root),
      (await call(app, 'generate-token', { userId: 'other' }, root)).structuredContent
    ]
    await call(app, tool, argsOf(revoked.id), root)
    const claimed = await app.inject({ method: 'POST', url: new URL(revoked.link).pathname })
    t.equal(claimed.statusCode, 404)
    t.notMatch(claimed.payload, /eyJ/)
    t.equal((await app.inject({ method: 'POST', url: new URL(other.link).pathname })).statusCode, 200)
  })
}

t.test("neither the token nor the link's code is in the log", async t => {
  const lines: string[] = []
  const app = await service(t, {
    logStream: {
      write: line => {
        lines.push(line)
      }
    },
    env: {
      LOG_LEVEL: 'trace',
      TOKEN_DELIVERY: 'link',
      PUBLIC_URL: 'https://mcp.example.com',
      ALLOWED_HOSTS: 'localhost'
    }
  })
  const { link } = await mint(app, withToken('root', 'admin'))
  const url = new URL(link).pathname
  await app.inject(url)
  const { token } = (await app.inject({ method: 'POST', url })).json()
  const log = lines.join('')
  t.match(log, /token claimed/)
  t.notMatch(log, url.slice(-20))
  for (const part of token.split('.').slice(1)) t.notOk(log.includes(part))
})

t.test('TOKEN_DELIVERY=link without PUBLIC_URL stops the start', async t => {
  await t.rejects(service(t, { env: { TOKEN_DELIVERY: 'link' } }), { message: /^TOKEN_DELIVERY .*PUBLIC_URL/ })
})
