/** What callers learn of themselves, and that it is all they learn. */
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

t.test('a caller with a key learns its id, its method, and that the key does not end', async t => {
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

t.test('a caller with a token learns its role, its scopes and when it expires', async t => {
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

t.test('the tools are those that this caller may call, not all that it sees', async t => {
  const user = await ask(callerOf())
  const admin = await ask(callerOf(principalOf('root', { role: 'admin' })))
  t.match(user, { structuredContent: { tools: ['for-all', 'whoami'] } })
  t.match(admin, { structuredContent: { tools: ['for-admins', 'for-all', 'listed-but-denied', 'whoami'] } })
})

t.test('what is left of the budget is told', async t => {
  const budget = { limit: 100, remaining: 7, resetSeconds: 12 }
  t.match(await ask(callerOf(principalOf(), { budget: async () => budget })), { structuredContent: { budget } })
})

t.test('the text says the same as the structure', async t => {
  const { structuredContent, content } = await ask(callerOf())
  const [block] = content as Array<{ text: string }>
  t.same(JSON.parse(block?.text ?? ''), structuredContent)
})

t.test('it tells of the caller, whoever is asked for', async t => {
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

t.test('in the app the budget is the one of the headers, and counts down', async t => {
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

t.test('in the app a key is known by a piece of its digest, never of itself', async t => {
  const app = await service(t)
  const { text, body } = await post(app, callOf('whoami'), withKey)
  t.match(body.result.structuredContent.id, /^apikey:[0-9a-f]{12}$/)
  for (let i = 0; i + 5 <= adaKey.length; i++) t.notOk(text.includes(adaKey.slice(i, i + 5)))
})

t.test('in the app a subject that imitates a key\'s id is another caller', async t => {
  const app = await service(t)
  const { id } = (await post(app, callOf('whoami'), withKey)).body.result.structuredContent
  const imitation = (
    await post(app, callOf('whoami'), { authorization: `Bearer ${forgeClaims({ sub: id })}` })
  ).body.result.structuredContent
  t.equal(imitation.id, `jwt:${String(id)}`)
  t.equal(imitation.budget.remaining, 99)
})

t.test('it shows its output schema, and answers within it', async t => {
  const app = await service(t)
  const [tool] = (await post(app, rpc('tools/list'))).body.result.tools
  t.equal(tool.name, 'whoami')
  t.match(tool, { inputSchema: { type: 'object', properties: {} }, annotations: { readOnlyHint: true } })
  const { structuredContent } = (await post(app, callOf('whoami'))).body.result
  t.same(Object.keys(structuredContent).sort(), [...tool.outputSchema.required].sort())
})

t.test('what may be null is spelled so that strict clients take it', async t => {
  const app = await service(t)
  const { text } = await post(app, rpc('tools/list'), withToken('root', 'admin'))
  t.notMatch(text, /"type":\[/)
})
