/** Batches of revision 2025-03-26: answered with an array, and charged per message. */
import t from 'tap'
import { defineTool } from '../../src/tools/tool.js'
import { callOf, post, rpc, service, withKey } from '../support/service.js'

const clientInfo = { name: 'tests', version: '0' }

t.test('a batch of 2025-03-26 returns an array with the id of each answer', async t => {
  const app = await service(t)
  const batch = [
    rpc('ping', undefined, 'a'),
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    callOf('nobody', {}, 'b'),
    callOf('whoami', {}, 3)
  ]
  for (const headers of [withKey, { ...withKey, 'mcp-protocol-version': '2025-03-26' }]) {
    const { status, body } = await post(app, batch, headers)
    t.equal(status, 200)
    t.same(body.map(({ id }: { id: unknown }) => id).sort(), [3, 'a', 'b'])
    t.equal(body.find(({ id }: { id: unknown }) => id === 'b').error.data.code, 'MCP_ERR_UNKNOWN_TOOL')
  }
})

t.test('a batch of one returns an array, and one of notifications returns 202', async t => {
  const app = await service(t)
  t.same((await post(app, [rpc('ping')])).body, [{ jsonrpc: '2.0', id: 1, result: {} }])
  t.equal((await post(app, [{ jsonrpc: '2.0', method: 'notifications/initialized' }])).status, 202)
})

for (const [what, batch, headers] of [
  ['empty', [], {}],
  ['of more than a hundred', Array.from({ length: 101 }, (_, id) => rpc('ping', undefined, id)), {}],
  ['of revision 2025-06-18', [rpc('ping')], { 'mcp-protocol-version': '2025-06-18' }],
  ['of revision 2025-11-25', [rpc('ping')], { 'mcp-protocol-version': '2025-11-25' }],
  ['of revision 2024-11-05', [rpc('ping')], { 'mcp-protocol-version': '2024-11-05' }],
  [
    'with an initialize',
    [rpc('ping'), rpc('initialize', { protocolVersion: '2025-03-26', capabilities: {}, clientInfo }, 2)],
    {}
  ],
  ['with an element that is not a message', [rpc('ping'), null], {}],
  ['inside a batch', [[rpc('ping')]], {}]
] as const) {
  t.test(`a batch ${what} is refused`, async t => {
    const app = await service(t, { env: { RATE_LIMIT_MAX: '1000' } })
    const { status, body } = await post(app, batch, { ...withKey, ...headers })
    t.equal(status, 400)
    t.equal(body.error.data.code, 'MCP_ERR_INVALID_REQUEST')
    t.notOk('id' in body)
  })
}

t.test('each message of a batch is charged', async t => {
  const app = await service(t, { env: { RATE_LIMIT_MAX: '10' } })
  const four = [1, 2, 3, 4].map(id => rpc('ping', undefined, id))
  t.equal((await post(app, four)).headers['x-ratelimit-remaining'], '6')
  const withNotification = [...four, { jsonrpc: '2.0', method: 'notifications/initialized' }]
  t.equal((await post(app, withNotification)).headers['x-ratelimit-remaining'], '1')
})

t.test('a batch beyond the limit gets one 429 and runs nothing', async t => {
  let runs = 0
  const count = defineTool({ name: 'count', handler: () => { runs += 1; return 'done' } })
  const app = await service(t, { tools: [count], env: { RATE_LIMIT_MAX: '3' } })
  const { status, headers, body } = await post(app, [1, 2, 3, 4].map(id => callOf('count', {}, id)))
  t.equal(status, 429)
  t.equal(body.error.data.code, 'MCP_ERR_RATE_LIMITED')
  t.ok(body.error.data.retryAfterMs > 0 && Number(headers['retry-after']) > 0)
  t.equal(runs, 0)
})
