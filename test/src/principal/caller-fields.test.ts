/** The principals that a host passes to `endpoint.callTool` and `createTestClient`. */
import Fastify from 'fastify'
import t from 'tap'
import { createTestClient, defineTool, mcpAuth } from '../../../src/index.js'
import { type Endpoint } from '../../../src/mcp/endpoint.js'
import { principalOf } from '../../../src/principal/principal.js'
import { adaKey } from '../../support/service.js'

const noId = 'principal.id must be a non-empty string'
const odd: ReadonlyArray<readonly [what: string, fields: unknown, says: string]> = [
  ['undefined', undefined, 'principal must be an object with an id'],
  ['null', null, 'principal must be an object with an id'],
  ['an id alone', 'job', 'principal must be an object with an id'],
  ['an array', [{ id: 'job' }], 'principal must be an object with an id'],
  ['no id', {}, noId],
  ['an empty id', { id: '' }, noId],
  ['a blank id', { id: ' \t' }, noId],
  ['a number as id', { id: 7 }, noId],
  ['null as id', { id: null }, noId],
  ['an object as id', { id: { toString: () => 'job' } }, noId],
  ['null as role', { id: 'job', role: null }, 'principal.role must be admin, user or your own name'],
  ['a role that looks like admin', { id: 'job', role: 'Admin' }, 'principal.role must be admin, user or your own name'],
  ['a list as role', { id: 'job', role: ['admin'] }, 'principal.role must be admin, user or your own name'],
  ['a string as roles', { id: 'job', roles: 'admin' }, 'principal.roles must be an array'],
  ['a bad name among roles', { id: 'job', roles: ['user', ''] }, 'principal.roles must be an array'],
  ['a string as scopes', { id: 'job', scopes: 'a b' }, 'principal.scopes must be an array of strings'],
  ['null as scopes', { id: 'job', scopes: null }, 'principal.scopes must be an array of strings'],
  ['numbers as scopes', { id: 'job', scopes: [1] }, 'principal.scopes must be an array of strings'],
  ['an unknown method', { id: 'job', method: 'session' }, 'principal.method must be api-key or jwt'],
  ['a map as attributes', { id: 'job', attributes: new Map() }, 'principal.attributes must be a plain object'],
  ['null as attributes', { id: 'job', attributes: null }, 'principal.attributes must be a plain object'],
  ['NaN as expiresAt', { id: 'job', expiresAt: NaN }, 'principal.expiresAt must be milliseconds'],
  ['a date as expiresAt', { id: 'job', expiresAt: new Date() }, 'principal.expiresAt must be milliseconds']
]

for (const [what, fields, says] of odd) {
  t.test(`callTool and createTestClient refuse a principal with ${what}, and run nothing`, async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    let calls = 0
    let endpoint: Endpoint | undefined
    const count = defineTool({ name: 'count', handler: () => String(++calls) })
    const onEndpoint = (made: Endpoint): void => { endpoint = made }
    await app.register(mcpAuth, { apiKeys: [adaKey], tools: [count], onEndpoint })
    const error: unknown = await endpoint?.callTool(fields as never, 'count').catch((reason: unknown) => reason)
    t.ok(error instanceof TypeError)
    t.match(error, { message: `callTool: ${says}` })
    // Without a principal, the client is anonymous.
    if (fields !== undefined) {
      t.throws(() => createTestClient(app, { principal: fields as never }), { message: `createTestClient: ${says}` })
    }
    t.equal(calls, 0)
  })
}

t.test('missing or undefined fields get their defaults', async t => {
  const complete = { id: 'job', role: 'user', scopes: [], method: 'api-key', attributes: {} }
  t.same(principalOf('callTool', { id: 'job' }), complete)
  const names = ['role', 'roles', 'scopes', 'method', 'attributes', 'expiresAt']
  const fields = Object.fromEntries(names.map(name => [name, undefined]))
  t.same(principalOf('callTool', { id: 'job', ...fields } as never), complete)
})

t.test('a principal of a request keeps its additional members', async t => {
  const given = {
    id: 'oauth:ada',
    role: 'auditor',
    roles: ['auditor', 'user'],
    scopes: ['a'],
    method: 'jwt',
    expiresAt: 1,
    issuer: 'https://id.example',
    attributes: { tenant: 'acme' },
    extra: true
  } as const
  const principal = principalOf('callTool', given)
  t.same(principal, given)
  t.ok(Object.isFrozen(principal) && Object.isFrozen(principal.scopes) && Object.isFrozen(principal.attributes))
})
