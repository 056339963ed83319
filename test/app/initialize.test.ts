/** How a client of the 2025 revisions begins, and what comes of a beginning that is wrong. */
import t from 'tap'
import { logSink } from '../support/log-sink.js'
import { post, rpc, service, withKey } from '../support/service.js'

const clientInfo = { name: 'tests', version: '0' }
const hello = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }
for (const [what, params] of [
  ['no parameters', undefined],
  ['no capabilities', { ...hello, capabilities: undefined }],
  ['a capability that is a number', { ...hello, capabilities: { elicitation: 5 } }],
  ['a capability that is a list', { ...hello, capabilities: { sampling: [] } }],
  ['a revision that is a number', { ...hello, protocolVersion: 20251125 }],
  ['a client without a version', { ...hello, clientInfo: { name: 'tests' } }],
  ['icons that are a number', { ...hello, clientInfo: { ...clientInfo, icons: 5 } }]
] as const) {
  t.test(`an initialize with ${what} is refused as the caller's mistake, and takes the place of no session`, async t => {
    const sink = logSink()
    const [alone, app] = [await service(t, { logStream: sink }), await service(t, { sessions: { maxPerPrincipal: 1, max: 1 }, logStream: sink })]
    const { headers } = await post(app, rpc('initialize', hello))
    for (const each of [alone, app]) t.match(await post(each, rpc('initialize', params)), { status: 400, body: { id: 1, error: { data: { code: 'MCP_ERR_INVALID_REQUEST' } } } })
    t.equal((await post(app, rpc('ping'), { ...withKey, 'mcp-session-id': String(headers['mcp-session-id']) })).status, 200)
    t.equal(sink.lines().some(({ level }) => level === 50), false)
  })
}
