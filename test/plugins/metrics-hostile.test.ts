/** Metrics after hostile calls, and hostile scrapes: the text stays valid, bounded and free of callers' text. */
import { execFileSync, spawnSync } from 'node:child_process'
import { connect } from 'node:net'
import { text as readAll } from 'node:stream/consumers'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { z } from 'zod'
import metrics from '../../plugins/metrics.js'
import { PublicToolError } from '../../src/errors.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import { definePrompt } from '../../src/tools/prompt.js'
import { defineTool } from '../../src/tools/tool.js'
import { measuresOf } from '../../src/http/decisions.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, callOf, initialize, modern, post, rpc, service, withKey } from '../support/service.js'

const tools = [
  defineTool({ name: 'search', input: z.object({ q: z.string().optional() }), handler: () => 'done' }),
  defineTool({ name: 'huge', maxResultBytes: 10, handler: () => 'x'.repeat(100) }),
  defineTool({ name: 'hidden', access: { roles: ['admin'] }, handler: () => 'done' }),
  defineTool({ name: 'shown', access: { roles: ['admin'], denied: 'error' }, handler: () => 'done' }),
  defineTool({ name: 'says-no', handler: () => { throw new PublicToolError('no') } })
]
const prompts = [
  definePrompt({ name: 'a "quoted"\\ name', input: z.object({ topic: z.string() }), handler: ({ topic }) => topic }),
  definePrompt({ name: 'line\nfeed\u2028\r', handler: () => 'hello' }),
  definePrompt({ name: 'n'.repeat(300), handler: () => 'hello' })
]

/** Fails if two samples have the same name and labels, or a metric has several HELP or TYPE lines. */
function requireValid (t: Test, text: string): void {
  t.ok(text.endsWith('\n'))
  const seen = new Set<string>()
  for (const line of text.trimEnd().split('\n')) {
    const [series = ''] = /^(?:# (?:HELP|TYPE) \S+|[a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)+\})?)(?= )/.exec(line) ?? []
    t.not(series, '', line)
    t.notOk(seen.has(series), series)
    seen.add(series)
  }
}

const names: unknown[] = [
  'missing', 'a"} 1\nfake_metric{x="', '\u2028', '\r\n# TYPE x counter', '__proto__', 'constructor', 'x'.repeat(5000),
  '', ' ', 'other', '\ud800', 5, null, [], { name: 'search' }
]
const versions = ['2025-11-25', '2025-03-26', '2025-11-25"}', '__proto__', '9999-99-99']

async function attack (app: Awaited<ReturnType<typeof service>>): Promise<void> {
  for (const name of names) {
    for (const method of ['tools/call', 'prompts/get', 'resources/read', 'completion/complete', String(name)]) {
      await post(app, rpc(method, { name, uri: name, ref: { type: 'ref/prompt', name }, arguments: [] }))
    }
  }
  for (const version of versions) {
    await post(app, callOf('search'), { ...withKey, 'mcp-protocol-version': version })
  }
  // Several codes with the same JSON-RPC code.
  for (const name of ['hidden', 'shown', 'search', 'huge', 'says-no']) {
    await post(app, callOf(name))
    await post(app, rpc('tools/call', { name, arguments: 'none' }))
    await post(app, rpc('tools/call', { name, arguments: { q: 5 } }))
    await post(app, rpc('tools/call', { name }), { ...withKey, 'mcp-protocol-version': '2025-03-26' })
    const { headers, payload } = modern('tools/call', { name, requestState: 'forged' })
    await post(app, payload, { ...withKey, ...headers })
  }
  for (const { name } of prompts) {
    await post(app, rpc('prompts/get', { name }))
    await post(app, rpc('prompts/get', { name, arguments: { topic: 'x', other: 5 } }))
  }
  await post(app, initialize({ clientInfo: { name: 'evil"}\n', version: '\u0000' } }))
  await post(app, rpc('ping'), { 'x-api-key': 'nobody"}\n'.trim() })
  await post(app, '{"jsonrpc"', withKey)
  for (const url of ['/nowhere', '/mcp/%0a', '/mcp"}']) await app.inject({ url, headers: withKey })
}

const hasPromtool = spawnSync('promtool', ['--version']).status === 0

t.test('hostile calls leave metrics valid, without duplicate series and without their text', async t => {
  const env = { METRICS_PORT: '0', RATE_LIMIT_MAX: '10000', MCP_SESSIONS: 'on' }
  const app = await service(t, { tools, prompts, env })
  await app.ready()
  await attack(app)
  const text = app.metrics()
  requireValid(t, text)
  t.notMatch(text, /fake_metric|missing|evil|nobody|proto__|9999-99|xxxx/)
  const before = text.split('\n').length
  await attack(app)
  t.equal(app.metrics().split('\n').length, before, 'the same calls again create no series')
  if (hasPromtool) t.equal(execFileSync('promtool', ['check', 'metrics'], { input: app.metrics() }).toString(), '')
})

t.test('different refusals with the same error type are one series', async t => {
  const app = await service(t, { tools, env: { METRICS_PORT: '0' } })
  await app.ready()
  await post(app, callOf('hidden'))
  await post(app, rpc('tools/call', { name: 'hidden', arguments: 'none' }))
  await post(app, callOf('shown'))
  await post(app, rpc('tools/call', { name: 'search', arguments: 'none' }))
  await post(app, callOf('no-such-tool'))
  const lines = app.metrics().split('\n').filter(line => /_count\{.*gen_ai_tool_name="(?:hidden|other)"/.test(line))
  const series = lines.map(line => line.slice(0, line.lastIndexOf(' ')))
  t.same(series, [...new Set(series)])
  t.match(lines.join('\n'), /gen_ai_tool_name="hidden",error_type="-32602"\} 2/)
})

t.test('two endpoints in one app: counts are added, the rest is not', async t => {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(metrics)
  for (const prefix of ['/a', '/b']) await app.register(mcpAuth, { prefix, apiKeys: [adaKey], tools })
  const measures = measuresOf(app)
  for (const days of [30, 3, Infinity]) measures.add('keys_next_expiry_days', () => days)
  for (const up of [1, 0]) measures.add('store_up', () => up)
  for (const instances of [2, 3]) measures.add('store_instances', () => instances)
  for (const age of [10, 500]) measures.add('provider_keys_age_seconds', () => [[{ provider: '1' }, age]])
  for (const digest of ['d', 'd']) measures.add('config_info', () => [[{ digest }, 1]])
  const text = app.metrics()
  const has = (line: string): void => { t.ok(text.includes(`\nfastify_mcp_auth_${line}\n`), line) }
  has('keys_next_expiry_days 3')
  has('store_up 0')
  has('store_instances 3')
  has('provider_keys_age_seconds{provider="1"} 500')
  has('config_info{digest="d"} 1')
  t.match(text, /catalog_items\{kind="tool"\} (?:1[02]|[2468])\n/, 'the tools of both')
  requireValid(t, text)
})

/** What a listener answers to bytes, until it closes the connection. */
async function said (port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.end(bytes)
  return await readAll(socket)
}

t.test('the listener survives hostile requests and answers pipelined ones in order', async t => {
  const sink = logSink()
  const app = await service(t, { tools, logStream: sink, env: { METRICS_PORT: '0' } })
  await app.ready()
  const port = Number(sink.lines().find(({ msg }) => msg === 'metrics are served')?.port)
  const host = 'host: 127.0.0.1\r\n'
  const statusOf = async (bytes: string): Promise<string[]> =>
    [...(await said(port, bytes)).matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status = '']) => status)
  const request = (line: string, more = ''): string => `${line} HTTP/1.1\r\n${host}${more}\r\n`
  t.same(await statusOf(request('GET /metrics') + request('HEAD /metrics') + request('GET /x')), ['200', '200', '404'])
  t.same(await statusOf(request('GET http://127.0.0.1/metrics')), ['404'])
  t.same(await statusOf(request('GET //metrics')), ['404'])
  t.same(await statusOf(request('GET /metrics/../metrics')), ['404'])
  t.same(await statusOf(request('OPTIONS *')), ['404'])
  t.same(await statusOf(request('DELETE /metrics')), ['405'])
  t.same(await statusOf(request('GET /metrics', 'upgrade: websocket\r\nconnection: upgrade\r\n')), ['200'])
  t.same(await statusOf('GET /metrics HTTP/1.1\r\n\r\n'), ['400'])
  t.same(await statusOf('GET /metrics HTTP/1.0\r\n\r\n'), ['403'])
  const hosts = ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '127.0.0.1:80:80', '[::1', '']
  for (const name of hosts) {
    t.same(await statusOf(`GET /metrics HTTP/1.1\r\nhost: ${name}\r\n\r\n`), ['403'], name)
  }
  t.same(await statusOf('\u0016\u0003\u0001'), ['400'])
  t.equal((await said(port, request('HEAD /metrics'))).split('\r\n\r\n')[1], '')
  const all = await Promise.all(Array.from({ length: 50 }, async () => await statusOf(request('GET /metrics'))))
  t.same(new Set(all.flat()), new Set(['200']))
})

t.test('a misspelt option of `metrics` or `audit`, or an empty token, stops the start', async t => {
  const start = async (options: object): Promise<void> => {
    await Fastify().register(mcpAuth, { apiKeys: [adaKey], tools, ...options })
  }
  await t.rejects(start({ metrics: { prot: 9464 } }), { message: /`metrics`: prot is not an option/ })
  await t.rejects(start({ audit: { file: '/nowhere', kye: 'k'.repeat(32) } }), {
    message: /`audit`: kye is not an option/
  })
  const empty = { port: 0, host: '0.0.0.0', token: '' }
  await t.rejects(start({ metrics: empty }), { message: /^`metrics\.token` must be a non-empty string$/ })
})
