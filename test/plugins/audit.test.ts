/** The audit plugin: one record per decision, without credentials or arguments. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { z } from 'zod'
import audit from '../../plugins/audit.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import { verifyAudit } from '../../src/telemetry/audit/verify.js'
import { defineTool } from '../../src/tools/tool.js'
import type { Endpoint } from '../../src/mcp/endpoint.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, callOf, post, rpc, service, withKey, withToken } from '../support/service.js'
import { until } from '../support/until.js'

type Line = Record<string, unknown>

const tools = [
  defineTool({
    name: 'search',
    input: z.object({ ticket: z.string().meta({ loggable: true }).optional(), comment: z.string().optional() }),
    handler: () => 'done'
  }),
  defineTool({ name: 'breaks', handler: () => { throw new Error('a disk is full') } }),
  defineTool({ name: 'for-admins', access: { roles: ['admin'] }, handler: () => 'done' }),
  defineTool({ name: 'rare', rate: { max: 1, windowMs: 60_000 }, handler: () => 'done' })
]

async function build (
  t: Test,
  env: Record<string, string> = {}
): Promise<{
  app: Awaited<ReturnType<typeof service>>
  file: string
  records: () => Line[]
  recordsOf: (count: number) => Promise<Line[]>
}> {
  const file = join(t.testdir({}), 'audit.jsonl')
  const app = await service(t, { tools, env: { AUDIT_FILE: file, ...env } })
  const all = (): Line[] =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line))
  const records = (): Line[] =>
    all().filter(({ kind }) => ['called', 'refused', 'limited'].includes(String(kind)))
  return {
    app,
    file,
    records: all,
    async recordsOf (count) {
      await until(() => records().length >= count)
      return records()
    }
  }
}

t.test('each outcome of a request is one record', async t => {
  const { app, file, recordsOf } = await build(t)
  await post(app, callOf('search', { ticket: 'T-1', comment: 'the-diary-of-ada' }))
  await post(app, callOf('breaks'))
  await post(app, callOf('for-admins'))
  await post(app, callOf('missing'))
  await post(app, callOf('rare'))
  await post(app, callOf('rare'))
  await post(app, rpc('tools/list'), { 'x-api-key': 'a-key-that-nobody-has' })
  await post(app, rpc('tools/list'))
  const found = await recordsOf(8)
  t.match(found, [
    {
      kind: 'called',
      outcome: 'allowed',
      item: 'search',
      itemKind: 'tool',
      method: 'tools/call',
      credential: 'api-key',
      principal: /^apikey:/,
      args: { values: { ticket: 'T-1' } }
    },
    { kind: 'called', outcome: 'failed', item: 'breaks', code: 'MCP_ERR_INTERNAL', why: 'internal' },
    { kind: 'called', outcome: 'denied', item: 'for-admins' },
    { kind: 'called', outcome: 'denied', item: 'missing', code: 'MCP_ERR_UNKNOWN_TOOL' },
    { kind: 'called', outcome: 'allowed', item: 'rare' },
    { kind: 'limited', outcome: 'denied', item: 'rare', code: 'MCP_ERR_RATE_LIMITED' },
    {
      kind: 'refused',
      outcome: 'denied',
      code: 'MCP_ERR_UNAUTHENTICATED',
      address: '127.0.0.1',
      status: 401
    },
    { kind: 'called', outcome: 'allowed', method: 'tools/list' }
  ])
  t.equal(found.length, 8)
  t.equal(new Set(found.map(({ requestId }) => requestId)).size, 8)
  t.notMatch(readFileSync(file, 'utf8'), /the-diary-of-ada|a-key-that-nobody-has/)
})

t.test('each message of a batch is a record', async t => {
  const { app, recordsOf } = await build(t)
  await post(app, [callOf('search', {}, 1), callOf('missing', {}, 2)], {
    ...withKey,
    'mcp-protocol-version': '2025-03-26'
  })
  t.match(await recordsOf(2), [
    { item: 'search', batch: 0, outcome: 'allowed' },
    { item: 'missing', batch: 1, outcome: 'denied' }
  ])
})

t.test('a call by the app is recorded without a credential', async t => {
  let endpoint: Endpoint | undefined
  const file = join(t.testdir({}), 'audit.jsonl')
  const sink = logSink()
  const env = { AUDIT_FILE: file, METRICS_PORT: '0' }
  const app = await service(t, { tools, env, logStream: sink, onEndpoint: made => { endpoint = made } })
  await app.ready()
  if (endpoint === undefined) throw new Error('no endpoint')
  await endpoint.callTool({ id: 'job:nightly' }, 'search', { ticket: 'T-1', comment: 'the-diary-of-ada' })
  await endpoint.callTool({ id: 'job:nightly' }, 'breaks')
  await t.rejects(endpoint.callTool({ id: 'job:nightly' }, 'for-admins'), { code: 'MCP_ERR_UNKNOWN_TOOL' })
  await app.close()
  const records = readFileSync(file, 'utf8').trimEnd().split('\n').map(line => JSON.parse(line))
  const own = records.filter(({ kind }) => kind === 'called')
  const common = { principal: 'job:nightly', method: 'tools/call', about: { inProcess: true }, requestId: /./ }
  t.match(own, [
    { ...common, item: 'search', outcome: 'allowed', args: { values: { ticket: 'T-1' } } },
    { ...common, item: 'breaks', outcome: 'failed', code: 'MCP_ERR_INTERNAL', why: 'internal' },
    { ...common, item: 'for-admins', outcome: 'denied', code: 'MCP_ERR_UNKNOWN_TOOL' }
  ])
  t.equal(own.length, 3)
  for (const record of own) t.notOk('credential' in record || 'address' in record)
  t.notMatch(readFileSync(file, 'utf8'), /the-diary-of-ada/)
  t.match(app.metrics(), /gen_ai_tool_name="search"\} 1\n/)
  t.equal(sink.lines().filter(({ rpc }) => rpc === 'tools/call').length, 3)
})

t.test('changes of rights are recorded with their author', async t => {
  const { app, records } = await build(t)
  const root = withToken('root', 'admin')
  const { id } = (await post(app, callOf('generate-token', { userId: 'ada', scopes: [] }), root)).body.result
    .structuredContent
  await post(app, callOf('revoke-token', { id }), root)
  await post(app, callOf('revoke-subject', { subject: 'ada' }), root)
  await until(() => records().some(({ kind }) => kind === 'subject-revoked'))
  for (const [kind, about] of [
    ['token-minted', { jti: id, subject: 'ada' }],
    ['token-revoked', { jti: id }],
    ['subject-revoked', { subject: 'jwt:ada' }]
  ] as const) {
    t.match(
      records().find(record => record.kind === kind),
      { principal: 'jwt:root', credential: 'jwt', about }
    )
  }
})

t.test('start and stop are recorded, and the chain is valid', async t => {
  const { app, file, records } = await build(t, { AUDIT_KEY: 'k'.repeat(40) })
  await post(app, callOf('search'))
  await app.close()
  t.match(records().map(({ kind }) => kind), ['audit-opened', 'configured', 'called', 'audit-closed'])
  t.match(records()[1], { about: { digest: /^[0-9a-f]{64}$/ } })
  t.match(await verifyAudit([file], { key: 'k'.repeat(40) }), { records: 4, fault: undefined, notes: [] })
})

t.test('AUDIT_STDOUT also writes records to standard output', async t => {
  const lines: string[] = []
  const app = await service(t, {
    tools,
    env: { AUDIT_STDOUT: 'on' },
    logStream: {
      write: line => {
        lines.push(line)
      }
    }
  })
  await post(app, callOf('search'))
  await until(() => lines.some(line => line.includes('"kind":"called"')))
  t.match(lines.map(line => JSON.parse(line)).find(({ kind }) => kind === 'called'), { audit: 1, item: 'search' })
})

t.test('a file that cannot be written names its setting', async t => {
  await t.rejects(service(t, { env: { AUDIT_FILE: join(t.testdir({}), 'missing', 'audit.jsonl') } }), {
    message: /AUDIT_FILE names a file that cannot be written \(ENOENT\)/
  })
})

t.test('the plugin must be registered before the plugins that it observes', async t => {
  const lines: string[] = []
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(audit, { stream: { write: line => { lines.push(line) } } })
  await app.register(mcpAuth, { prefix: '/a', apiKeys: [adaKey], tools })
  app.get('/own', async () => ({}))
  await app.inject('/own')
  await app.inject({ method: 'POST', url: '/a/mcp', headers: withKey, payload: callOf('search') })
  t.match(lines.map(line => JSON.parse(line)), [{ kind: 'audit-opened' }, { kind: 'called', item: 'search' }])
  t.equal(lines.length, 2, 'no records for routes of the host')
})

for (const [what, options, message] of [
  ['no destination', {}, /give `file`, `stream` or both/],
  ['a short key', { file: 'x', key: 'short' }, /at least 32 characters/],
  ['a maxBytes of 0', { file: 'x', maxBytes: 0 }, /maxBytes must be a whole number/]
] as const) {
  t.test(`${what} stops the registration`, async t => {
    await t.rejects(async () => { await Fastify().register(audit, options) }, { message })
  })
}
