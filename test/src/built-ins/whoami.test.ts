/** The tool `whoami` tells callers about themselves, and nothing else. */
import t from 'tap'
import { Catalog } from '../../../src/mcp/catalog/catalog.js'
import type { Caller } from '../../../src/mcp/exchange/caller.js'
import { defineTool } from '../../../src/tools/tool.js'
import { whoami } from '../../../src/built-ins/whoami.js'
import { callerOf, during, principalOf } from '../../support/exchange.js'
import { adaKey, callOf, post, rpc, service, withKey, withToken } from '../../support/service.js'
import { forgeClaims } from '../../support/tokens.js'

const others = [
  defineTool({ name: 'for-admins', access: { roles: ['admin'] }, handler: () => '' }),
  defineTool({ name: 'for-all', handler: () => '' }),
  defineTool({ name: 'listed-but-denied', access: { roles: ['admin'], denied: 'error' }, handler: () => '' })
]
const catalog = new Catalog({ info: { name: 'tests', version: '0' }, tools: [whoami, ...others] })

async function ask (caller: Caller): Promise<Record<string, unknown>> {
  const result = await during(
    caller,
    async exchange => await catalog.dispatch('tools/call', { name: 'whoami' }, exchange)
  )
  return result as Record<string, unknown>
}

t.test('whoami with a key returns id and method, without an expiry', async t => {
  const { structuredContent } = await ask(
    callerOf(principalOf('', { id: 'apikey:0123456789ab', method: 'api-key', keyId: '0123456789ab' }))
  )
  t.same(structuredContent, {
    id: 'apikey:0123456789ab',
    role: 'user',
    scopes: [],
    method: 'api-key',
    client: null,
    expiresAt: null,
    budget: null,
    tools: ['for-all', 'whoami']
  })
})

t.test('whoami with a token returns role, scopes and expiry', async t => {
  const expiresAt = Date.UTC(2030, 0, 2, 3, 4, 5)
  const { structuredContent } = await ask(
    callerOf(principalOf('ada', { role: 'admin', scopes: ['files:read'], expiresAt }))
  )
  t.match(structuredContent, {
    id: 'jwt:ada',
    role: 'admin',
    scopes: ['files:read'],
    method: 'jwt',
    expiresAt: '2030-01-02T03:04:05.000Z'
  })
})

t.test('whoami lists the tools that the caller may call', async t => {
  const user = await ask(callerOf())
  const admin = await ask(callerOf(principalOf('root', { role: 'admin' })))
  t.match(user, { structuredContent: { tools: ['for-all', 'whoami'] } })
  t.match(admin, { structuredContent: { tools: ['for-admins', 'for-all', 'listed-but-denied', 'whoami'] } })
})

t.test('whoami returns the remaining budget', async t => {
  const budget = { limit: 100, remaining: 7, resetSeconds: 12 }
  t.match(await ask(callerOf(principalOf(), { budget: async () => budget })), { structuredContent: { budget } })
})

t.test('the text of whoami matches its structured content', async t => {
  const { structuredContent, content } = await ask(callerOf())
  const [block] = content as Array<{ text: string }>
  t.same(JSON.parse(block?.text ?? ''), structuredContent)
})

t.test('whoami ignores arguments and describes the caller', async t => {
  const result = await during(
    callerOf(),
    async exchange =>
      await catalog.dispatch(
        'tools/call',
        { name: 'whoami', arguments: { of: 'bob', id: 'jwt:bob' } },
        exchange
      )
  )
  t.match(result, { structuredContent: { id: 'jwt:ada' } })
})

t.test('in the app the budget matches the headers and counts down', async t => {
  const app = await service(t)
  for (const remaining of [99, 98]) {
    const { headers, body } = await post(app, callOf('whoami'))
    t.match(body.result.structuredContent.budget, { limit: 100, remaining })
    t.equal(headers['x-ratelimit-remaining'], String(remaining))
    t.ok(
      body.result.structuredContent.budget.resetSeconds > 0 &&
        body.result.structuredContent.budget.resetSeconds <= 60
    )
  }
})

t.test('in the app a key id is part of a digest, not of the key', async t => {
  const app = await service(t)
  const { text, body } = await post(app, callOf('whoami'), withKey)
  t.match(body.result.structuredContent.id, /^apikey:[0-9a-f]{12}$/)
  for (let i = 0; i + 5 <= adaKey.length; i++) t.notOk(text.includes(adaKey.slice(i, i + 5)))
})

t.test('in the app a subject like a key id is another caller', async t => {
  const app = await service(t)
  const { id } = (await post(app, callOf('whoami'), withKey)).body.result.structuredContent
  const imitation = (
    await post(app, callOf('whoami'), { authorization: `Bearer ${forgeClaims({ sub: id })}` })
  ).body.result.structuredContent
  t.equal(imitation.id, `jwt:${String(id)}`)
  t.equal(imitation.budget.remaining, 99)
})

t.test('whoami declares its output schema and matches it', async t => {
  const app = await service(t)
  const [tool] = (await post(app, rpc('tools/list'))).body.result.tools
  t.equal(tool.name, 'whoami')
  t.match(tool, { inputSchema: { type: 'object', properties: {} }, annotations: { readOnlyHint: true } })
  const { structuredContent } = (await post(app, callOf('whoami'))).body.result
  t.same(Object.keys(structuredContent).sort(), [...tool.outputSchema.required].sort())
})

t.test('nullable fields use a form that strict clients accept', async t => {
  const app = await service(t)
  const { text } = await post(app, rpc('tools/list'), withToken('root', 'admin'))
  t.notMatch(text, /"type":\[/)
})
