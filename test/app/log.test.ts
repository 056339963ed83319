/** The log lines of requests and of changes to rights. */
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { PublicToolError } from '../../src/errors.js'
import { definePrompt } from '../../src/tools/prompt.js'
import { defineResource } from '../../src/tools/resource.js'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { callOf, initialize, modern, post, rpc, service, withKey, withToken } from '../support/service.js'
import { until } from '../support/until.js'

type Line = Record<string, unknown>

const tools = [
  defineTool({ name: 'works', input: z.object({ note: z.string().optional() }), handler: () => 'done' }),
  defineTool({ name: 'says-no', handler: () => { throw new PublicToolError('not today') } }),
  defineTool({ name: 'answers-no', handler: () => ({ content: [], isError: true }) }),
  defineTool({ name: 'breaks', handler: () => { throw new Error('a disk is full') } }),
  defineTool({ name: 'sleeps', deadlineMs: 1, handler: async () => await new Promise<string>(() => {}) }),
  defineTool({ name: 'rare', rate: { max: 1, windowMs: 60_000 }, handler: () => 'done' })
]
const resources = [defineResource({ name: 'note', uri: 'notes://a', read: () => 'text' })]
const prompts = [definePrompt({ name: 'greet', handler: () => 'hello' })]

async function build (
  t: Test,
  env: Record<string, string> = {}
): Promise<{
  app: FastifyInstance
  lineOf: (count?: number) => Promise<Line>
  lines: () => Line[]
  text: () => string
}> {
  const logStream = logSink()
  const app = await service(t, { tools, resources, prompts, logStream, env })
  const requests = (): Line[] => logStream.lines().filter(({ msg }) => msg === 'request')
  return {
    app,
    lines: logStream.lines,
    text: logStream.text,
    async lineOf (count = 1) {
      await until(() => requests().length >= count)
      return requests()[count - 1] ?? {}
    }
  }
}

const asked: Array<[what: string, method: string, params: Record<string, unknown>, line: Line]> = [
  ['a tool that works', 'tools/call', { name: 'works' }, { rpc: 'tools/call', tool: 'works', outcome: 'ok' }],
  ['a tool that refuses the call', 'tools/call', { name: 'says-no' }, { tool: 'says-no', outcome: 'tool-error' }],
  [
    'a tool that returns an error',
    'tools/call',
    { name: 'answers-no' },
    { tool: 'answers-no', outcome: 'tool-error' }
  ],
  ['a tool that fails', 'tools/call', { name: 'breaks' }, { tool: 'breaks', outcome: 'tool-error' }],
  [
    'invalid arguments',
    'tools/call',
    { name: 'works', arguments: { note: 7 } },
    { tool: 'works', outcome: 'tool-error' }
  ],
  [
    'a tool that takes too long',
    'tools/call',
    { name: 'sleeps' },
    { tool: 'sleeps', outcome: 'MCP_ERR_DEADLINE' }
  ],
  [
    'an unknown tool',
    'tools/call',
    { name: 'missing' },
    { tool: 'missing', outcome: 'MCP_ERR_UNKNOWN_TOOL' }
  ],
  ['a list', 'tools/list', {}, { rpc: 'tools/list', outcome: 'ok' }],
  ['a prompt', 'prompts/get', { name: 'greet' }, { rpc: 'prompts/get', prompt: 'greet', outcome: 'ok' }],
  [
    'a resource',
    'resources/read',
    { uri: 'notes://a' },
    { rpc: 'resources/read', uri: 'notes://a', outcome: 'ok' }
  ],
  [
    'an unknown resource',
    'resources/read',
    { uri: 'notes://b?key=c#d' },
    { uri: 'notes://b', outcome: 'MCP_ERR_UNKNOWN_RESOURCE' }
  ],
  [
    'an unknown method',
    'tools/delete',
    {},
    { rpc: 'tools/delete', outcome: 'MCP_ERR_UNKNOWN_METHOD' }
  ]
]

for (const [what, method, params, line] of asked) {
  t.test(`the log line of a request describes ${what}, in both eras`, async t => {
    const { app, lineOf } = await build(t)
    await post(app, rpc(method, params))
    t.match(await lineOf(), line)
    const { headers, payload } = modern(method, params)
    await post(app, payload, { ...withKey, ...headers })
    t.match(await lineOf(2), line)
  })
}

t.test('the log line of a refused call names the tool', async t => {
  const { app, lineOf, lines } = await build(t)
  for (let i = 0; i < 2; i++) await post(app, callOf('rare'))
  t.match(await lineOf(2), {
    rpc: 'tools/call',
    tool: 'rare',
    code: 'MCP_ERR_RATE_LIMITED',
    outcome: 'MCP_ERR_RATE_LIMITED',
    reason: 'the limit "tool" is reached'
  })
  t.equal(lines().length, 2, 'one line per request')
})

t.test('the log line of a fault names the tool', async t => {
  const { app, lineOf, lines } = await build(t)
  await post(app, callOf('breaks'))
  t.match(await lineOf(), {
    level: 50,
    tool: 'breaks',
    outcome: 'tool-error',
    code: 'MCP_ERR_INTERNAL',
    err: { message: 'a disk is full' }
  })
  t.equal(lines().length, 1, 'one line per request')
})

t.test('the log line of a batch has its size and first failure', async t => {
  const { app, lineOf } = await build(t)
  const headers = { ...withKey, 'mcp-protocol-version': '2025-03-26' }
  await post(app, [callOf('works', {}, 1), callOf('works', {}, 2)], headers)
  t.match(await lineOf(), { batch: 2, outcome: 'ok' })
  await post(app, [callOf('works', {}, 1), callOf('says-no', {}, 2), callOf('works', {}, 3)], headers)
  t.match(await lineOf(2), { batch: 3, outcome: 'tool-error' })
})

t.test('calls in a session have the same log line', async t => {
  const { app, lineOf } = await build(t, { MCP_SESSIONS: 'on' })
  const opened = await post(
    app,
    initialize()
  )
  const headers = {
    ...withKey,
    'mcp-session-id': String(opened.headers['mcp-session-id']),
    'mcp-protocol-version': '2025-11-25'
  }
  await post(app, callOf('says-no', {}, 2), headers)
  await post(app, callOf('missing', {}, 3), headers)
  t.match(await lineOf(1), { rpc: 'initialize', outcome: 'ok' })
  t.match(await lineOf(2), { tool: 'says-no', outcome: 'tool-error' })
  t.match(await lineOf(3), { tool: 'missing', outcome: 'MCP_ERR_UNKNOWN_TOOL' })
})

t.test('the log line of a refused request has its code', async t => {
  const { app, lineOf } = await build(t)
  await post(app, rpc('tools/list'), { ...withKey, 'mcp-protocol-version': '1999-01-01' })
  t.match(await lineOf(), { rpc: 'tools/list', code: 'MCP_ERR_PROTOCOL_VERSION', outcome: 'MCP_ERR_PROTOCOL_VERSION' })
})

t.test('the log contains no arguments', async t => {
  const { app, lineOf, text } = await build(t)
  await post(app, callOf('works', { note: 'the-diary-of-ada' }))
  await post(app, callOf('missing', { note: 'the-diary-of-ada' }))
  await lineOf(2)
  t.notMatch(text(), /the-diary-of-ada/)
})

t.test('logged names are bounded and escaped', async t => {
  const { app, lineOf } = await build(t)
  await post(app, callOf('x'.repeat(5000)))
  t.equal((await lineOf())?.tool, 'x'.repeat(128))
  await post(app, callOf('a\u001b[2Jb\u202ec\u0007é'))
  t.equal((await lineOf(2))?.tool, 'a\ufffd[2Jb\ufffdc\ufffdé')
  await post(app, rpc('y'.repeat(5000)))
  t.equal((await lineOf(3))?.rpc, 'y'.repeat(128))
})

t.test('successful health probes are logged at debug', async t => {
  const { app, lines } = await build(t)
  await app.inject('/health')
  await app.inject('/ready')
  await post(app, callOf('works'))
  await until(() => lines().length > 0)
  t.match(lines(), [{ path: '/mcp' }])
  t.equal(lines().length, 1)
  const loud = await build(t, { LOG_LEVEL: 'debug' })
  await loud.app.inject('/health')
  t.match(await loud.lineOf(), { path: '/health', level: 20 })
})

t.test('the log names the author of mints and revocations, without tokens', async t => {
  const { app, lines, text } = await build(t)
  const root = withToken('root', 'admin')
  const { token, id } = (await post(app, callOf('generate-token', { userId: 'ada', scopes: [] }), root)).body
    .result.structuredContent
  await post(app, callOf('revoke-token', { id }), root)
  await post(app, callOf('revoke-subject', { subject: 'ada', withMinted: true }), root)
  const by = { principal: 'jwt:root' }
  t.match(
    lines().find(({ msg }) => msg === 'token minted'),
    { level: 30, jti: id, subject: 'ada', role: 'user', scopes: [], by }
  )
  t.match(lines().find(({ msg }) => msg === 'token revoked'), { level: 30, jti: id, withMinted: false, by })
  t.match(lines().find(({ msg }) => msg === 'subject revoked'), { level: 30, subject: 'jwt:ada', withMinted: true, by })
  t.notOk(text().includes(token))
})

t.test('a missing Bearer scheme is reported only in the log', async t => {
  const sink = logSink()
  const app = await service(t, { logStream: sink })
  const [none, bare] = [
    await post(app, rpc('ping'), {}),
    await post(app, rpc('ping'), { authorization: 'a-key-without-its-scheme' })
  ]
  t.equal(bare.status, 401)
  t.equal(bare.headers['www-authenticate'], none.headers['www-authenticate'])
  t.match(
    sink
      .lines()
      .filter(({ msg }) => msg === 'request')
      .map(({ reason }) => reason),
    ['no credential was presented', /the scheme of Authorization is not Bearer$/]
  )
})
