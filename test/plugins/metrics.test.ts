/** The metrics plugin: counts decisions with fixed sets of label values, on a separate listener. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import metrics from '../../plugins/metrics.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, callOf, modern, post, rpc, service, withKey, withToken } from '../support/service.js'

const token = 'a-token-for-scrapers-of-the-tests-0123'
const tools = [
  defineTool({ name: 'search', handler: () => 'done' }),
  defineTool({ name: 'breaks', handler: () => { throw new Error('a disk is full') } }),
  defineTool({ name: 'rare', rate: { max: 1, windowMs: 60_000 }, handler: () => 'done' })
]

async function build (
  t: Test,
  env: Record<string, string> = {}
): Promise<{ app: Awaited<ReturnType<typeof service>>; port: number }> {
  const sink = logSink()
  const app = await service(t, { tools, logStream: sink, env: { METRICS_PORT: '0', ...env } })
  await app.ready()
  return { app, port: Number(sink.lines().find(({ msg }) => msg === 'metrics are served')?.port) }
}

interface Answer { readonly status: number, readonly type: string, readonly text: string }

async function get (
  port: number,
  path = '/metrics',
  headers: Record<string, string> = {},
  method = 'GET'
): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    request({ port, path, method, headers, agent: false }, response => {
      let text = ''
      response
        .setEncoding('utf8')
        .on('data', chunk => {
          text += chunk
        })
        .on('end', () => {
          resolve({
            status: Number(response.statusCode),
            type: String(response.headers['content-type']),
            text
          })
        })
    })
      .on('error', reject)
      .end()
  })
}

/** Causes decisions of every kind. */
async function play (app: Awaited<ReturnType<typeof service>>): Promise<void> {
  for (let i = 0; i < 3; i++) await post(app, callOf('search'))
  await post(app, callOf('breaks'))
  await post(app, callOf('no-such-tool-0'))
  await post(app, callOf('no-such-tool-1'))
  for (let i = 0; i < 2; i++) await post(app, callOf('rare'))
  await post(app, rpc('no/such-method'))
  await post(app, rpc('tools/list'), { 'x-api-key': 'a-key-that-nobody-has' })
  const { headers, payload } = modern('tools/call', { name: 'search' })
  await post(app, payload, { ...withKey, ...headers })
  await post(app, callOf('generate-token', { userId: 'ada', scopes: [] }), withToken('root', 'admin'))
  await app.inject('/nowhere')
}

t.test('decisions are counted under the standard metric names', async t => {
  const { app, port } = await build(t)
  await play(app)
  const { status, type, text } = await get(port)
  t.equal(status, 200)
  t.equal(type, 'text/plain; version=0.0.4; charset=utf-8')
  const has = (line: string): void => { t.ok(text.split('\n').includes(line), line) }
  const operation = 'mcp_server_operation_duration_seconds_count'
  has(`${operation}{mcp_method_name="tools/call",gen_ai_operation_name="execute_tool",gen_ai_tool_name="search"} 3`)
  has(
    `${operation}{mcp_method_name="tools/call",mcp_protocol_version="2026-07-28",gen_ai_operation_name="execute_tool",gen_ai_tool_name="search"} 1`
  )
  has(
    `${operation}{mcp_method_name="tools/call",gen_ai_operation_name="execute_tool",gen_ai_tool_name="breaks",error_type="tool_error"} 1`
  )
  has(
    `${operation}{mcp_method_name="tools/call",gen_ai_operation_name="execute_tool",gen_ai_tool_name="other",error_type="-32602"} 2`
  )
  has(`${operation}{mcp_method_name="other",error_type="-32601"} 1`)
  has('fastify_mcp_auth_limited_total{layer="tool"} 1')
  has('fastify_mcp_auth_refusals_total{reason="unknown-tool"} 2')
  has('fastify_mcp_auth_refusals_total{reason="not-found"} 1')
  has('fastify_mcp_auth_refusals_total{reason="internal"} 1')
  has('fastify_mcp_auth_decisions_total{kind="refused",outcome="denied"} 1')
  has('fastify_mcp_auth_tokens_minted_total 1')
  has('fastify_mcp_auth_streams 0')
  has('fastify_mcp_auth_calls_in_flight 0')
  t.match(text, /fastify_mcp_auth_catalog_items\{kind="tool"\} \d/)
  t.match(text, /fastify_mcp_auth_event_loop_delay_seconds\{stat="p99"\} \d/)
  t.match(text, /fastify_mcp_auth_config_info\{digest="[0-9a-f]{64}"\} 1/)
  t.notMatch(text, /no-such|a-key-that-nobody-has|eyJ/)
})

const hasPromtool = spawnSync('promtool', ['--version']).status === 0
t.test(
  'promtool accepts the metrics',
  { skip: hasPromtool || process.env.CI !== undefined ? false : 'needs promtool' },
  async t => {
    const { app } = await build(t, { MCP_SESSIONS: 'on' })
    await play(app)
    t.equal(execFileSync('promtool', ['check', 'metrics'], { input: app.metrics() }).toString(), '')
  }
)

t.test('names from callers create no series', async t => {
  const { app } = await build(t, { RATE_LIMIT_MAX: '1000' })
  for (let i = 0; i < 50; i++) {
    await post(app, callOf(`tool-${i}"\n{}`))
    await post(app, rpc(`method/${i}`), { ...withKey, 'mcp-protocol-version': `20${i}-01-01` })
  }
  const series = app
    .metrics()
    .split('\n')
    .filter(line => line.startsWith('mcp_server_operation_duration_seconds_count'))
  t.ok(series.length <= 3, series.join('\n'))
})

t.test('other paths, methods, hosts and tokens are refused', async t => {
  const { port } = await build(t)
  t.equal((await get(port, '/')).status, 404)
  t.equal((await get(port, '/metrics', {}, 'POST')).status, 405)
  t.equal((await get(port, '/metrics', { host: 'attacker.example' })).status, 403)
  t.equal((await get(port, '/metrics?x=1', { host: `127.0.0.1:${port}` })).status, 200)
  const guarded = await build(t, { METRICS_TOKEN: token })
  t.equal((await get(guarded.port)).status, 401)
  t.equal((await get(guarded.port, '/metrics', { authorization: `Bearer ${token}x` })).status, 401)
  t.equal((await get(guarded.port, '/metrics', { authorization: token })).status, 401)
  t.equal((await get(guarded.port, '/metrics', { authorization: `Bearer ${token}` })).status, 200)
  t.equal((await get(guarded.port, '/metrics', { authorization: `bearer ${token}` })).status, 200)
})

t.test('beyond loopback a token is required, and the listener closes with the app', async t => {
  await t.rejects(service(t, { env: { METRICS_PORT: '0', METRICS_HOST: '0.0.0.0' } }), {
    message: /METRICS_TOKEN is not set/
  })
  await t.rejects(
    async () => {
      await Fastify().register(metrics, { port: 0, host: '0.0.0.0' })
    },
    { message: /`token` is required/ }
  )
  const { app, port } = await build(t, { METRICS_HOST: '0.0.0.0', METRICS_TOKEN: token })
  t.equal((await get(port, '/metrics', { authorization: `Bearer ${token}`, host: 'scraped.example' })).status, 200)
  await app.close()
  await t.rejects(get(port), { code: 'ECONNREFUSED' })
})

t.test('an occupied port stops the start and names its setting', async t => {
  const { port } = await build(t)
  const app = await service(t, { env: { METRICS_PORT: String(port) } })
  await t.rejects(async () => { await app.ready() }, { message: /METRICS_PORT/ })
})

t.test('durations are measured without a log as well', async t => {
  const slow = defineTool({ name: 'slow', handler: async () => { await sleep(25); return 'done' } })
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(metrics)
  await app.register(mcpAuth, { prefix: '/a', apiKeys: [adaKey], tools: [slow] })
  await app.inject({ method: 'POST', url: '/a/mcp', headers: withKey, payload: callOf('slow') })
  t.match(app.metrics(), /gen_ai_tool_name="slow",le="0\.02"\} 0\n/)
  t.match(app.metrics(), /gen_ai_tool_name="slow",le="\+Inf"\} 1\n/)
})

t.test('a host can serve the metrics itself', async t => {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(metrics)
  await app.register(mcpAuth, { prefix: '/a', apiKeys: [adaKey], tools })
  app.get('/internal/metrics', async (_request, reply) => reply.type('text/plain').send(app.metrics()))
  await app.inject({ method: 'POST', url: '/a/mcp', headers: withKey, payload: callOf('search') })
  t.match((await app.inject('/internal/metrics')).body, /gen_ai_tool_name="search"\} 1/)
})

t.test('the dashboard uses only existing metrics', async t => {
  const { app } = await build(t, { MCP_SESSIONS: 'on' })
  await play(app)
  const text = app.metrics()
  const dashboard = JSON.parse(readFileSync(new URL('../../deploy/grafana.json', import.meta.url), 'utf8'))
  const queries: string[] = dashboard.panels.flatMap((panel: { targets?: Array<{ expr: string }> }) =>
    (panel.targets ?? []).map(({ expr }) => expr)
  )
  t.ok(queries.length >= 8)
  const source = readFileSync(new URL('../../src/telemetry/measures.ts', import.meta.url), 'utf8')
  for (const query of queries) {
    const names = query.match(/\b(?:mcp_server|fastify_mcp_auth|process)_\w+/g) ?? []
    t.ok(names.length > 0, query)
    // Metrics of features that are off here have no samples, but are defined in the source.
    for (const name of names) {
      t.ok(
        text.includes(`${name}{`) ||
          text.includes(`${name} `) ||
          source.includes(`  ${name.replace('fastify_mcp_auth_', '')}: [`),
        name
      )
    }
  }
  if (!hasPromtool) return
  const rules = queries.map((expr, at) => ({ record: `query:${at}`, expr }))
  const file = join(t.testdir({ 'rules.json': JSON.stringify({ groups: [{ name: 'queries', rules }] }) }), 'rules.json')
  t.match(execFileSync('promtool', ['check', 'rules', file]).toString(), /SUCCESS/)
})
