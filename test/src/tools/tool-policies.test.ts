/** The tool policy file and the errors that stop the start. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildApp } from '../../../src/app.js'
import { ConfigError, type Environment } from '../../../src/config/load.js'
import { defineTool } from '../../../src/tools/tool.js'
import { callOf, post, withKey } from '../../support/service.js'

const search = defineTool({ name: 'search', cost: 2, handler: () => 'found' })
const API_KEYS = withKey['x-api-key']

async function build (t: Test, policies: unknown, env: Environment = {}) {
  const directory = t.testdir({ 'policies.json': typeof policies === 'string' ? policies : JSON.stringify(policies) })
  const app = await buildApp({
    env: { API_KEYS, LOG_LEVEL: 'silent', TOOL_POLICY_FILE: join(directory, 'policies.json'), ...env },
    tools: [search]
  })
  t.teardown(() => app.close())
  return app
}

for (const [what, policies, where] of [
  [
    'an unknown tool',
    { tools: { nope: { cost: 2 }, search: {}, constructor: {} } },
    /tools\.nope: .*tools\.constructor: /
  ],
  ['a name that no object holds', '{"tools":{"__proto__":{"cost":2}}}', /__proto__/],
  ['no JSON', '{', /JSON/],
  ['a list', [], /invalid at the top/],
  ['a misspelt limit', { tools: { search: { costs: 2 } } }, /tools\.search/],
  ['a cost that no caller can pay', { tools: { search: { cost: 101 } } }, /tools\.search\.cost/],
  ['the same cost for all tools', { default: { cost: 101 } }, /default\.cost/],
  [
    'a window of more than a day',
    { default: { rate: { max: 1, windowMs: 86_400_001 } } },
    /default\.rate\.windowMs/
  ],
  [
    'a scope with a space',
    { tools: { search: { access: { scopes: ['a b'] } } } },
    /tools\.search\.access\.scopes\.0/
  ]
] as const) {
  t.test(`a policy file with ${what} stops the start like an invalid setting`, async t => {
    const error: unknown = await build(t, policies).catch((error: unknown) => error)
    t.ok(error instanceof ConfigError)
    t.match(error, {
      message: /^TOOL_POLICY_FILE .*docs\/tools\.md shows$/,
      problems: [{ variable: 'TOOL_POLICY_FILE', wrong: where }]
    })
  })
}

t.test('a missing policy file stops the start like an invalid setting', async t => {
  await t.rejects(build(t, {}, { TOOL_POLICY_FILE: join(t.testdir({}), 'none.json') }), {
    message: /^TOOL_POLICY_FILE names a file that does not exist; name an existing file, or remove the setting$/
  })
})

t.test('a cost equal to the whole budget is accepted', async t => {
  const app = await build(t, { tools: { search: { cost: 100 } } })
  t.equal((await post(app, callOf('search'))).status, 200)
  t.equal((await post(app, callOf('search'))).status, 429)
})

t.test('a cost above the common budget is accepted if keys have their own', async t => {
  const keys = t.testdir({
    'keys.json': '{"version":1,"keys":[]}',
    'policies.json': '{"tools":{"search":{"cost":101}}}'
  })
  const env = {
    API_KEYS,
    LOG_LEVEL: 'silent',
    TOOL_POLICY_FILE: join(keys, 'policies.json'),
    API_KEYS_FILE: join(keys, 'keys.json')
  }
  const app = await buildApp({ env, tools: [search] })
  t.teardown(() => app.close())
  t.pass()
})

t.test('policies passed as an option are not reported as a setting', async t => {
  const options = { env: { API_KEYS, LOG_LEVEL: 'silent' }, toolPolicies: { tools: { nope: {} } } }
  await t.rejects(buildApp(options), { name: 'ToolPolicyError', message: /tools\.nope/ })
})
