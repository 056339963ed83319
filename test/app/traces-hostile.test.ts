/** Hostile trace contexts, refused callers, several endpoints, and an SDK that fails: none of them affects a caller. */
import { context, diag, propagation, type TextMapPropagator, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SamplingDecision,
  SimpleSpanProcessor
} from '@opentelemetry/sdk-trace-base'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import metrics from '../../plugins/metrics.js'
import { mcpAuth } from '../../src/mcp-auth.js'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, callOf, initialize, modern, modernMeta, post, rpc, service, withKey } from '../support/service.js'
import { until } from '../support/until.js'

type Step = 'sampler' | 'start' | 'end' | 'extract' | 'inject'
let failing: Step | undefined
function pass (step: Step): void {
  if (step === failing) throw new Error(`the ${step} of the SDK is broken`)
}

const exporter = new InMemorySpanExporter()
const w3c = new W3CTraceContextPropagator()
const propagator: TextMapPropagator = {
  inject: (...args) => { pass('inject'); w3c.inject(...args) },
  extract: (...args) => { pass('extract'); return w3c.extract(...args) },
  fields: () => w3c.fields()
}
trace.setGlobalTracerProvider(new BasicTracerProvider({
  sampler: { shouldSample: () => { pass('sampler'); return { decision: SamplingDecision.RECORD_AND_SAMPLED } } },
  spanProcessors: [
    {
      onStart: () => { pass('start') },
      onEnd: () => { pass('end') },
      forceFlush: async () => {},
      shutdown: async () => {}
    },
    new SimpleSpanProcessor(exporter)
  ]
}))
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
propagation.setGlobalPropagator(propagator)
const complaints: string[] = []
const complain = (text: string): void => { complaints.push(text) }
diag.setLogger({ error: complain, warn: complain, info: () => {}, debug: () => {}, verbose: () => {} })

t.beforeEach(() => {
  failing = undefined
  exporter.reset()
  complaints.length = 0
  outgoing.length = 0
})

const traceId = '0af7651916cd43dd8448eb211c80319c'
const traceparent = `00-${traceId}-b7ad6b7169203331-01`
const outgoing: Array<Readonly<Record<string, string>>> = []
const tools = [
  defineTool({
    name: 'search',
    handler: (_args, { traceHeaders }) => {
      outgoing.push(traceHeaders())
      return 'done'
    }
  }),
  defineTool({
    name: 'relay',
    handler: async (_args, { call }) => (await call('search')).content?.[0]?.type === 'text' ? 'relayed' : 'nothing'
  })
]

async function spans (count: number): Promise<readonly ReadableSpan[]> {
  await until(() => exporter.getFinishedSpans().length >= count)
  return exporter.getFinishedSpans()
}

const wrong: unknown[] = [
  0, 'text', [], [traceparent], { traceparent: 5 }, { traceparent: null }, { traceparent: [traceparent] },
  { traceparent: { toString: traceparent } }, { traceparent: '' }, { traceparent: `${traceparent}\r\nx: y` },
  { traceparent: traceparent.replace('00-', 'ff-') },
  { traceparent: `00-${traceId}-${'0'.repeat(16)}-01` }, { traceparent: traceparent.toUpperCase() },
  { tracestate: 'a=b' }
]
for (const meta of wrong) {
  t.test(`a call with _meta ${JSON.stringify(meta)} joins no trace`, async t => {
    const app = await service(t, { tools })
    await post(app, rpc('tools/call', { name: 'search', arguments: {}, _meta: meta }))
    // A `_meta` that is not an object may be refused before there is a span.
    await post(app, rpc('ping'))
    await until(() => exporter.getFinishedSpans().some(({ name }) => name === 'ping'))
    for (const span of exporter.getFinishedSpans()) t.equal(span.parentSpanContext, undefined)
    t.notMatch(JSON.stringify(outgoing), traceId)
  })
}

t.test('a traceparent that was sent twice in the headers is ignored', async t => {
  const app = await service(t, { tools })
  await post(app, callOf('search'), { ...withKey, traceparent: `${traceparent}, ${traceparent}` })
  t.equal((await spans(1))[0]?.parentSpanContext, undefined)
})

for (const tracestate of ['a=b\r\nx-injected: 1', 'x'.repeat(600), '=', '\u0000', `a=${'v'.repeat(400)}`]) {
  t.test(`tracestate ${JSON.stringify(tracestate.slice(0, 30))} adds no header to outgoing requests`, async t => {
    const app = await service(t, { tools })
    await post(app, rpc('tools/call', { name: 'search', arguments: {}, _meta: { traceparent, tracestate } }))
    await spans(1)
    const headers = outgoing.at(-1) ?? {}
    t.ok(Object.keys(headers).every(name => name === 'traceparent' || name === 'tracestate'))
    t.doesNotThrow(() => new Headers(headers))
    t.ok((headers.tracestate ?? '').length <= 512)
  })
}

t.test('refused callers have no span: locked out, over the limit, overloaded', async t => {
  const app = await service(t, { tools, env: { RATE_LIMIT_MAX: '1' } })
  t.equal((await post(app, callOf('search'), { traceparent })).status, 401)
  t.equal((await post(app, callOf('search'), { ...withKey, 'x-api-key': 'wrong', traceparent })).status, 401)
  t.equal((await post(app, rpc('ping'), { ...withKey, traceparent })).status, 200)
  t.equal((await post(app, callOf('search'), { ...withKey, traceparent })).status, 429)
  const crowded = await service(t, { tools, env: { OVERLOAD_HEAP_MB: '1' } })
  await until(async () => (await post(crowded, rpc('ping'))).status === 503)
  await spans(1)
  t.ok(exporter.getFinishedSpans().every(({ name }) => name === 'ping'))
})

t.test('a message that is refused with its whole request still ends its span', async t => {
  const app = await service(t, { tools })
  const listen = modern('subscriptions/listen', { notifications: 'everything' })
  const asked = modern('tools/call', { name: 'search', requestState: 'forged', _meta: { ...modernMeta, traceparent } })
  for (const [count, { headers, payload }] of [listen, asked].entries()) {
    const { body } = await post(app, payload, { ...withKey, ...headers })
    t.equal(body.error.code, -32602, JSON.stringify(body))
    const span = (await spans(count + 1))[count]
    t.match(span, {
      attributes: { 'mcp.method.name': payload.method, 'error.type': '-32602', 'client.address': '127.0.0.1' }
    })
  }
  t.equal(exporter.getFinishedSpans().length, 2)
})

t.test('each call of a session has its own span and parent', async t => {
  const app = await service(t, { tools, sessions: {} })
  const opened = await post(app, initialize(), { ...withKey, accept: 'application/json, text/event-stream' })
  const session = {
    ...withKey,
    accept: 'application/json, text/event-stream',
    'mcp-session-id': String(opened.headers['mcp-session-id']),
    'mcp-protocol-version': '2025-11-25'
  }
  await post(app, rpc('tools/call', { name: 'search', arguments: {}, _meta: { traceparent } }, 2), session)
  await post(app, callOf('search', {}, 3), session)
  const [greeting, first, second] = await spans(3)
  t.equal(greeting?.name, 'initialize')
  t.equal(first?.spanContext().traceId, traceId)
  t.equal(second?.parentSpanContext, undefined)
  t.notMatch(JSON.stringify([first?.attributes, second?.attributes]), session['mcp-session-id'])
})

t.test('with two endpoints in one app, a span ends once', async t => {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(metrics)
  for (const prefix of ['/a', '/b']) await app.register(mcpAuth, { prefix, apiKeys: [adaKey], tools })
  for (const url of ['/a/mcp', '/b/mcp', '/a/mcp']) await post(app, callOf('search'), withKey, url)
  await spans(3)
  t.equal(exporter.getFinishedSpans().length, 3)
  t.same(complaints, [])
})

for (const step of ['sampler', 'start', 'end', 'extract', 'inject'] as const) {
  t.test(`an SDK that fails at ${step} fails no call, and is logged once`, async (t: Test) => {
    const sink = logSink()
    const app = await service(t, { tools, logStream: sink })
    failing = step
    for (const name of ['search', 'relay', 'search']) {
      const { body } = await post(app, rpc('tools/call', { name, arguments: {}, _meta: { traceparent } }))
      t.match(body.result, { content: [{ text: name === 'relay' ? 'relayed' : 'done' }] })
      t.not(body.result.isError, true)
    }
    const failures = sink.lines().filter(({ msg }) => String(msg).startsWith('the OpenTelemetry SDK'))
    t.equal(failures.length, 1)
    t.match(failures[0], { err: { message: `the ${step} of the SDK is broken` } })
  })
}
