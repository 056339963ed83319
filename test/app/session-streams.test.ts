/** The streams of a session, as the revision that was agreed on at its start has them. */
import t from 'tap'
import { callOf, post, rpc, service, withKey } from '../support/service.js'

for (const [agreed, header, resumable] of [
  ['2025-11-25', '2025-11-25', true],
  ['2025-11-25', undefined, true],
  ['2025-11-25', '2025-03-26', true],
  ['2025-06-18', '2025-06-18', false],
  ['2025-06-18', '2025-11-25', false]
] as const) {
  t.test(`a session of ${agreed} with ${header ?? 'no revision'} in the header has ${resumable ? '' : 'no '}streams to come back to`, async t => {
    const app = await service(t, { sessions: {} })
    const clientInfo = { name: 'test', version: '1' }
    const { headers } = await post(app, rpc('initialize', { protocolVersion: agreed, capabilities: {}, clientInfo }))
    const { text } = await post(app, callOf('whoami'), {
      ...withKey,
      'mcp-session-id': String(headers['mcp-session-id']),
      ...(header === undefined ? {} : { 'mcp-protocol-version': header })
    })
    t.match(text, '"structuredContent"')
    t.equal(/^id: \S+\nretry: \d+\ndata: ?\n\n/.test(text), resumable)
  })
}
