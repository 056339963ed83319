/** The gate for items: who sees and uses an item, and how others are refused. */
import t from 'tap'
import { NotAllowedError, UnknownToolError } from '../../../../src/errors.js'
import { type Refusals, RightsGate } from '../../../../src/mcp/catalog/rights.js'
import type { AccessRule } from '../../../../src/principal/access.js'
import type { Item } from '../../../../src/tools/tool.js'
import { principalOf } from '../../../support/exchange.js'

const bob = principalOf('bob')
const refusals: Refusals = {
  unknown: reason => new UnknownToolError({ reason }),
  denied: reason => new NotAllowedError({ reason })
}
const held = (access?: AccessRule): { item: Item } => ({
  item: { name: 'tool', ...(access === undefined ? {} : { access }) }
})

for (const [what, access, sees, code] of [
  ['without a rule', undefined, true, undefined],
  ['with a rule that admits', { roles: ['user'] }, true, undefined],
  ['that is hidden', { roles: ['admin'] }, false, 'MCP_ERR_UNKNOWN_TOOL'],
  ['with denied: error', { roles: ['admin'], denied: 'error' }, true, 'MCP_ERR_NOT_ALLOWED'],
  ['with denied: challenge', { scopes: ['x'], denied: 'challenge' }, false, 'MCP_ERR_UNKNOWN_TOOL']
] as const) {
  t.test(`an item ${what}: listed ${sees}, used ${code === undefined}`, async t => {
    const rights = new RightsGate()
    const entry = held(access)
    t.equal(rights.sees(bob, entry.item), sees)
    t.equal(rights.mayUse(bob, entry.item), code === undefined)
    if (code === undefined) t.equal(rights.admit(entry, bob, refusals), entry)
    else t.throws(() => rights.admit(entry, bob, refusals), { code })
  })
}

t.test('a missing item and a hidden item give the same answer', async t => {
  const rights = new RightsGate()
  t.throws(() => rights.admit(undefined, bob, refusals), { code: 'MCP_ERR_UNKNOWN_TOOL' })
  t.throws(() => rights.admit(held({ roles: ['admin'] }), bob, refusals), { code: 'MCP_ERR_UNKNOWN_TOOL' })
})

t.test("a provider's token is challenged for the missing scopes", async t => {
  const rights = new RightsGate()
  const ada = principalOf('ada', { issuer: 'https://id.example', scopes: ['a'] })
  const entry = held({ scopes: ['b'], denied: 'challenge' })
  t.throws(() => rights.admit(entry, ada, refusals), { code: 'MCP_ERR_INSUFFICIENT_SCOPE', data: { scope: 'b' } })
  t.match(rights.denial(ada, entry.item, true), { data: { scope: 'a b' } })
  t.throws(
    () => rights.admit(held({ scopes: ['b'], roles: ['admin'], denied: 'challenge' }), ada, refusals),
    { code: 'MCP_ERR_UNKNOWN_TOOL' }
  )
})

t.test('a failing access rule is reported once per gate', async t => {
  const { item } = held({ allow: () => { throw new Error('the database is away') } })
  const told: string[] = []
  const first = new RightsGate(({ name }) => { told.push(`first ${name}`) })
  const second = new RightsGate(({ name }, error) => { told.push(`second ${name}: ${String(error)}`) })
  for (const rights of [first, second, first, second]) t.equal(rights.mayUse(bob, item), false)
  t.same(told, ['first tool', 'second tool: Error: the database is away'])
})
