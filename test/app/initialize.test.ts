/** The `initialize` request of the 2025 revisions: valid, invalid, with and without sessions. */
import t from 'tap'
import { logSink } from '../support/log-sink.js'
import { post, rpc, service, withKey, withToken } from '../support/service.js'

const clientInfo = { name: 'tests', version: '0' }
const hello = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }
for (const [what, params, field] of [
  ['no parameters', undefined, 'protocolVersion'],
  ['no capabilities', { ...hello, capabilities: undefined }, 'capabilities'],
  ['a capability that is a number', { ...hello, capabilities: { elicitation: 5 } }, 'capabilities.elicitation'],
  ['a capability that is a list', { ...hello, capabilities: { sampling: [] } }, 'capabilities.sampling'],
  ['a revision that is a number', { ...hello, protocolVersion: 20251125 }, 'protocolVersion'],
  ['no client information', { ...hello, clientInfo: undefined }, 'clientInfo'],
  ['a client without a version', { ...hello, clientInfo: { name: 'tests' } }, 'clientInfo.version'],
  ['icons that are a number', { ...hello, clientInfo: { ...clientInfo, icons: 5 } }, 'clientInfo.icons']
] as const) {
  t.test(`initialize with ${what} is refused, and the error names the field`, async t => {
    const sink = logSink()
    const [alone, app] = [
      await service(t, { logStream: sink }),
      await service(t, { sessions: { maxPerPrincipal: 1, max: 1 }, logStream: sink })
    ]
    const { headers } = await post(app, rpc('initialize', hello))
    for (const each of [alone, app]) {
      const { status, body } = await post(each, rpc('initialize', params))
      t.equal(status, 200)
      t.match(body, { id: 1, error: { code: -32602, data: { code: 'MCP_ERR_INVALID_PARAMS', field } } })
    }
    t.equal(
      (await post(app, rpc('ping'), { ...withKey, 'mcp-session-id': String(headers['mcp-session-id']) }))
        .status,
      200
    )
    t.equal(sink.lines().some(({ level }) => level === 50), false)
  })
}

for (const [where, sessions] of [['without sessions', false], ['with sessions', {}]] as const) {
  for (const [asked, agreed] of [
    ['2025-06-18', '2025-06-18'],
    ['1900-01-01', '2025-11-25'],
    ['2024-10-07', '2025-11-25']
  ] as const) {
    t.test(`initialize ${where} negotiates ${asked} from its body, ignoring the header`, async t => {
      const app = await service(t, { sessions })
      for (const header of ['1900-01-01', '2024-10-07', '2025-03-26', '2026-07-28', '2099-01-01', 'x']) {
        const message = rpc('initialize', { ...hello, protocolVersion: asked })
        const { status, body } = await post(app, message, { ...withKey, 'mcp-protocol-version': header })
        t.equal(status, 200)
        t.equal(body.result.protocolVersion, agreed)
      }
    })
  }

  t.test(`a request ${where} in an unsupported revision is refused`, async t => {
    const app = await service(t, { sessions })
    for (const header of ['1900-01-01', '2024-10-07']) {
      t.match(await post(app, rpc('ping'), { ...withKey, 'mcp-protocol-version': header }), {
        status: 400,
        body: { error: { code: -32022 } }
      })
    }
  })
}

t.test('initialize with a stale or foreign session id opens a new session', async t => {
  const app = await service(t, { sessions: {} })
  const { headers } = await post(app, rpc('initialize', hello), withToken('eve'))
  for (const id of ['e3f1c1d2-0000-4000-8000-000000000000', String(headers['mcp-session-id']), 'x']) {
    const answer = await post(app, rpc('initialize', hello), { ...withKey, 'mcp-session-id': id })
    t.equal(answer.status, 200)
    t.match(answer.headers['mcp-session-id'], /^[0-9a-f-]{36}$/)
    t.not(answer.headers['mcp-session-id'], id)
  }
  t.equal(
    (
      await post(app, rpc('ping'), {
        ...withToken('eve'),
        'mcp-session-id': String(headers['mcp-session-id'])
      })
    ).status,
    200
  )
})
