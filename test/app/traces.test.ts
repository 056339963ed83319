/** Spans with a real OpenTelemetry SDK: one per message, with its name, parent and attributes. */
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor
} from '@opentelemetry/sdk-trace-base'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { PublicToolError } from '../../src/errors.js'
import type { Endpoint } from '../../src/mcp/endpoint.js'
import { defineTool } from '../../src/tools/tool.js'
import { callOf, modern, post, rpc, service, withKey } from '../support/service.js'
import { until } from '../support/until.js'
import { witness } from '../support/witness.js'

const exporter = new InMemorySpanExporter()
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
propagation.setGlobalPropagator(new W3CTraceContextPropagator())
t.beforeEach(() => { exporter.reset() })
t.afterEach(() => {
  for (const { name, attributes, events, status } of exporter.getFinishedSpans()) {
    witness('a span', JSON.stringify({ name, attributes, events, status }))
  }
})

const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'
const traceparent = `00-${traceId}-${spanId}-01`
const otherParent = '00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01'

const outgoing: Array<Readonly<Record<string, string>>> = []
const tools = [
  defineTool({
    name: 'search',
    input: z.object({ note: z.string().optional() }),
    handler: (_args, { traceHeaders }) => {
      outgoing.push(traceHeaders())
      trace.getTracer('test').startSpan('inside').end()
      return 'done'
    }
  }),
  defineTool({
    name: 'relay',
    input: z.object({ tools: z.array(z.string()), hold: z.boolean().default(false) }),
    handler: async ({ tools, hold }, { call }) => {
      for (const tool of tools) {
        const inner = async (): Promise<void> => { await call(tool, { note: 'the-diary-of-ada' }).catch(() => {}) }
        if (!hold) await inner()
        else {
          await trace.getTracer('test').startActiveSpan('step', async step => {
            await inner()
            step.end()
          })
        }
      }
      return 'done'
    }
  }),
  defineTool({ name: 'says-no', handler: () => { throw new PublicToolError('not today') } }),
  defineTool({ name: 'breaks', handler: () => { throw new Error('the secret of the database') } })
]

async function spansOf (
  t: Test,
  body: object,
  headers: Record<string, string> = {},
  count = 1
): Promise<ReadableSpan[]> {
  const app = await service(t, { tools })
  await post(app, body, { ...withKey, ...headers })
  await until(() => exporter.getFinishedSpans().length >= count)
  return exporter.getFinishedSpans()
}

function called (
  name: string,
  meta: Record<string, unknown> = {},
  args: Record<string, unknown> = {}
): ReturnType<typeof rpc> {
  return rpc('tools/call', { name, arguments: args, _meta: meta })
}

t.test('a call is a server span with the standard attributes, in both eras', async t => {
  const [inside, span] = await spansOf(t, called('search', {}, { note: 'the-diary-of-ada' }), {}, 2)
  t.match(span, { name: 'tools/call search', kind: 1, status: { code: 0 } })
  t.match(span?.attributes, {
    'mcp.method.name': 'tools/call',
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'search',
    'jsonrpc.request.id': '1',
    'network.protocol.name': 'http',
    'client.address': '127.0.0.1',
    'fastify_mcp_auth.request_id': /^[\w-]{36}$/
  })
  t.equal(inside?.parentSpanContext?.spanId, span?.spanContext().spanId, 'spans of the handler are children')
  t.match(outgoing.at(-1), {
    traceparent: new RegExp(`^00-${span?.spanContext().traceId}-${span?.spanContext().spanId}-01$`)
  })
  t.notMatch(JSON.stringify(span?.attributes), /diary/)
  exporter.reset()
  const { headers, payload } = modern('tools/call', { name: 'search' })
  const [, second] = await spansOf(t, payload, headers, 2)
  t.match(second, {
    name: 'tools/call search',
    attributes: { 'mcp.protocol.version': '2026-07-28', 'fastify_mcp_auth.era': 'modern' }
  })
})

t.test('the trace context in _meta is the parent, and that of HTTP a link', async t => {
  const [, span] = await spansOf(
    t,
    called('search', { traceparent, tracestate: 'a=b' }),
    { traceparent: otherParent },
    2
  )
  t.match(span?.parentSpanContext, { traceId, spanId })
  t.match(span?.links, [{ context: { traceId: otherParent.slice(3, 35) } }])
})

t.test('the trace context of HTTP is the parent if _meta has none', async t => {
  const [, span] = await spansOf(t, called('search'), { traceparent }, 2)
  t.match(span?.parentSpanContext, { traceId, spanId })
  t.same(span?.links, [])
})

for (const [what, meta] of [
  ['malformed', { traceparent: 'x' }],
  ['too long', { traceparent: `${traceparent}-${'0'.repeat(500)}` }],
  ['all zeros', { traceparent: `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01` }]
] as const) {
  t.test(`a traceparent that is ${what} starts a new trace`, async t => {
    const [, span] = await spansOf(t, called('search', meta), {}, 2)
    t.equal(span?.parentSpanContext, undefined)
  })
}

t.test('baggage is not forwarded', async t => {
  await spansOf(t, called('search', { traceparent, baggage: 'role=admin' }), { baggage: 'role=admin' }, 2)
  t.same(Object.keys(outgoing.at(-1) ?? {}), ['traceparent'])
})

t.test('a span has an error status only for faults, without a message', async t => {
  const [broken] = await spansOf(t, called('breaks'))
  t.match(broken, { status: { code: 2 }, attributes: { 'error.type': 'tool_error' } })
  t.notMatch(JSON.stringify([broken?.status, broken?.events, broken?.attributes]), /secret/)
  exporter.reset()
  const [refused] = await spansOf(t, called('says-no'))
  t.match(refused, { status: { code: 0 }, attributes: { 'error.type': 'tool_error' } })
  exporter.reset()
  const [unknown] = await spansOf(t, called('missing-1'))
  t.match(unknown, {
    name: 'tools/call',
    status: { code: 0 },
    attributes: { 'error.type': '-32602', 'rpc.response.status_code': '-32602' }
  })
})

t.test('each message of a batch has a span, even a ping', async t => {
  const spans = await spansOf(
    t,
    [callOf('says-no', {}, 1), rpc('ping', {}, 2)],
    { 'mcp-protocol-version': '2025-03-26' },
    2
  )
  t.same(spans.map(({ name }) => name).sort(), ['ping', 'tools/call says-no'])
})

t.test('a notification is a server span, in both eras and if it is refused', async t => {
  const legacy = { jsonrpc: '2.0', method: 'notifications/initialized', params: { _meta: { traceparent } } }
  const [span] = await spansOf(t, legacy)
  t.match(span, {
    name: 'notifications/initialized',
    kind: SpanKind.SERVER,
    parentSpanContext: { traceId, spanId },
    attributes: { 'mcp.method.name': 'notifications/initialized', 'client.address': '127.0.0.1' }
  })
  t.notOk('jsonrpc.request.id' in (span?.attributes ?? {}))
  exporter.reset()
  const { headers, payload } = modern('notifications/cancelled', { requestId: 5 })
  const { id: _, ...message } = payload
  const [cancelled] = await spansOf(t, message, headers)
  t.match(cancelled, { name: 'notifications/cancelled', status: { code: SpanStatusCode.UNSET } })
  exporter.reset()
  const [refused, ...others] = await spansOf(t, message, { ...headers, 'mcp-method': 'notifications/initialized' })
  t.match(refused, { name: 'notifications/cancelled', attributes: { 'error.type': /^-32/ } })
  t.same(others, [])
})

t.test('an unauthenticated request creates no span', async t => {
  const app = await service(t, { tools })
  await post(app, called('search', { traceparent }), { 'x-api-key': 'a-key-that-nobody-has', traceparent })
  await post(app, called('says-no'))
  await until(() => exporter.getFinishedSpans().length > 0)
  t.same(exporter.getFinishedSpans().map(({ name }) => name), ['tools/call says-no'])
})

t.test('a call within a call is an internal child span', async t => {
  const relayed = called('relay', { traceparent }, { tools: ['search', 'breaks', 'missing-1', 'relay'] })
  const [inside, search, breaks, missing, again, outer] = await spansOf(t, relayed, { traceparent: otherParent }, 6)
  t.match([search, breaks, missing, again, outer].map(span => span?.name), [
    'tools/call search', 'tools/call breaks', 'tools/call', 'tools/call relay', 'tools/call relay'
  ])
  for (const span of [search, breaks, missing, again]) {
    t.match(span, { kind: SpanKind.INTERNAL, links: [] })
    t.equal(span?.parentSpanContext?.spanId, outer?.spanContext().spanId)
    t.equal(span?.spanContext().traceId, traceId)
  }
  t.match(outer, { kind: SpanKind.SERVER, parentSpanContext: { traceId, spanId } })
  t.equal(inside?.parentSpanContext?.spanId, search?.spanContext().spanId)
  t.match(outgoing.at(-1)?.traceparent, search?.spanContext().spanId, 'the inner span is forwarded')
  t.match(search, { status: { code: SpanStatusCode.UNSET }, attributes: { 'gen_ai.tool.name': 'search' } })
  t.equal(search?.attributes['fastify_mcp_auth.request_id'], outer?.attributes['fastify_mcp_auth.request_id'])
  t.match(breaks, { status: { code: SpanStatusCode.ERROR }, attributes: { 'error.type': 'tool_error' } })
  t.match(missing, { status: { code: SpanStatusCode.UNSET }, attributes: { 'error.type': '-32602' } })
  t.match(again, { attributes: { 'error.type': 'tool_error' } }, 'invalid arguments')
  t.match(outer, { status: { code: SpanStatusCode.UNSET } })
  t.notMatch(JSON.stringify([search, breaks, outer].map(span => [span?.attributes, span?.events])), /diary|secret/)
})

t.test('a call inside a span of the handler is a child of that span', async t => {
  const [, search, step] = await spansOf(t, called('relay', {}, { tools: ['search'], hold: true }), {}, 4)
  t.same([search?.name, step?.name], ['tools/call search', 'step'])
  t.equal(search?.parentSpanContext?.spanId, step?.spanContext().spanId)
})

t.test('a call by the app is an internal span, active in the handler', async t => {
  let endpoint: Endpoint | undefined
  const app = await service(t, { tools, onEndpoint: running => { endpoint = running } })
  await app.ready()
  const outer = trace.getTracer('test').startSpan('job of the app')
  await context.with(trace.setSpan(context.active(), outer), async () => {
    await endpoint?.callTool({ id: 'user:ada' }, 'search', { note: 'the-diary-of-ada' })
    await endpoint?.callTool({ id: 'user:ada' }, 'breaks')
    const call = async (): Promise<unknown> => await endpoint?.callTool({ id: 'user:ada' }, 'no-such-tool')
    await t.rejects(call, { code: 'MCP_ERR_UNKNOWN_TOOL' })
  })
  const [inside, search, breaks, unknown] = exporter.getFinishedSpans()
  t.equal(exporter.getFinishedSpans().length, 4, 'one per call')
  t.match(search, { name: 'tools/call search', kind: SpanKind.INTERNAL, status: { code: SpanStatusCode.UNSET } })
  t.match(search?.attributes, { 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': 'search' })
  t.notHas(search?.attributes, { 'network.protocol.name': String }, 'no network')
  t.equal(search?.parentSpanContext?.spanId, outer.spanContext().spanId)
  t.equal(inside?.parentSpanContext?.spanId, search?.spanContext().spanId)
  t.match(breaks, { name: 'tools/call breaks', status: { code: SpanStatusCode.ERROR } })
  t.match(unknown, { name: 'tools/call', attributes: { 'error.type': '-32602' } })
  t.notMatch(JSON.stringify([search, breaks].map(span => span?.attributes)), /diary|secret/)
})
