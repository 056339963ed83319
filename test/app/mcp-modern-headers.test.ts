/** The headers of revision 2026-07-28: a request is refused if they do not match its body. */
import t from 'tap'
import { z } from 'zod'
import { defineTool } from '../../src/tools/tool.js'
import { modern, service, withToken } from '../support/service.js'
import { call, send, version } from '../support/modern.js'

const [notice, to] = [
  modern('notifications/x'),
  (headers: Record<string, string>, meta?: Record<string, unknown>) => ({
    headers,
    payload: {
      jsonrpc: '2.0' as const,
      method: 'notifications/x',
      ...(meta === undefined ? {} : { params: { _meta: meta } })
    }
  })
]
const later = { ...notice.headers, 'mcp-protocol-version': '2999-01-01' }

for (const [what, request, rpcCode, code] of [
  ['of a future revision', to(later, { [version]: '2999-01-01' }), -32022, 'MCP_ERR_PROTOCOL_VERSION'],
  ['with a future revision in its header', to(later), -32022, 'MCP_ERR_PROTOCOL_VERSION'],
  [
    'whose revision differs from its header',
    to(notice.headers, { [version]: '2999-01-01' }),
    -32020,
    'MCP_ERR_HEADER_MISMATCH'
  ],
  ['whose revision is not a string', to(notice.headers, { [version]: 5 }), -32602, 'MCP_ERR_ENVELOPE'],
  [
    'whose method differs from its header',
    to({ ...notice.headers, 'mcp-method': 'notifications/y' }),
    -32020,
    'MCP_ERR_HEADER_MISMATCH'
  ]
] as const) {
  t.test(`a notification ${what} gets 400 and ${rpcCode}`, async t => {
    const { status, body } = await send(await service(t), request)
    t.equal(status, 400)
    t.match(body.error, { code: rpcCode, data: { code } })
    t.notOk('id' in body)
  })
}

t.test('a notification may name its revision in _meta or only in headers', async t => {
  const app = await service(t)
  for (const request of [
    to(notice.headers, { [version]: '2026-07-28' }),
    to({}, { [version]: '2026-07-28' }),
    to(notice.headers)
  ]) { t.equal((await send(app, request)).status, 202) }
})

t.test('a session id is ignored, and none is returned', async t => {
  const app = await service(t)
  const { status, headers } = await send(app, {
    ...call,
    headers: { ...call.headers, 'mcp-session-id': 'mine', 'last-event-id': '1' }
  })
  t.equal(status, 200)
  t.equal(headers['mcp-session-id'], undefined)
})

t.test('a tool name that a header cannot contain is encoded', async t => {
  const app = await service(t, { resources: [{ name: 'note', uri: 'note:///grüße', read: () => 'Guten Tag' }] })
  const { headers, payload } = modern('resources/read', { uri: 'note:///grüße' })
  const encoded = `=?base64?${Buffer.from('note:///grüße').toString('base64')}?=`
  t.equal(
    (await send(app, { headers: { ...headers, 'mcp-name': encoded }, payload })).body.result.contents[0].text,
    'Guten Tag'
  )
  for (const bad of ['=?base64?****?=', '=?base64?4', encoded.slice(0, -3), 'note:///grüße']) {
    t.equal((await send(app, { headers: { ...headers, 'mcp-name': bad }, payload })).status, 400)
  }
})

t.test('an invalid header is refused even if the body has no name', async t => {
  const app = await service(t)
  const { headers, payload } = modern('tools/call')
  const named = async (name: string) =>
    (await send(app, { headers: { ...headers, 'mcp-name': name }, payload })).body.error.data.code
  t.equal(await named('=?base64?****?='), 'MCP_ERR_HEADER_MISMATCH')
  t.equal(await named('whoami'), 'MCP_ERR_INVALID_PARAMS')
})

t.test('an argument marked with x-mcp-header must be in its header', async t => {
  const region = defineTool({
    name: 'region',
    input: z.object({ where: z.string().meta({ 'x-mcp-header': 'Region' }) }),
    handler: ({ where }) => where
  })
  const app = await service(t, { tools: [region] })
  const { headers, payload } = modern('tools/call', { name: 'region', arguments: { where: 'eu' } })
  t.equal(
    (await send(app, { headers: { ...headers, 'mcp-param-region': 'eu' }, payload })).body.result.content[0]
      .text,
    'eu'
  )
  for (const given of [{}, { 'mcp-param-region': 'us' }]) {
    t.equal(
      (await send(app, { headers: { ...headers, ...given }, payload })).body.error.data.code,
      'MCP_ERR_HEADER_MISMATCH'
    )
  }
})

t.test('required headers of a hidden tool do not reveal it', async t => {
  const input = z.object({ where: z.string().meta({ 'x-mcp-header': 'Region' }) })
  const app = await service(t, {
    tools: [defineTool({ name: 'hidden', access: { roles: ['admin'] }, input, handler: () => 'in' })]
  })
  const { status, body } = await send(app, modern('tools/call', { name: 'hidden', arguments: { where: 'eu' } }))
  t.equal(status, 200)
  t.equal(body.error.data.code, 'MCP_ERR_UNKNOWN_TOOL')
  t.equal(
    (
      await send(
        app,
        modern('tools/call', { name: 'hidden', arguments: { where: 'eu' } }),
        withToken('root', 'admin')
      )
    ).status,
    400
  )
})
