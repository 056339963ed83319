/**
 * One span per message, through OpenTelemetry's API if the app has it installed. The app sets up the export.
 */
import type { Context, Link, Span, Tracer } from '@opentelemetry/api'
import { refusals } from '../errors.js'
import { isRecord } from '../lib/guards.js'
import { version } from '../version.js'
import type { Decision, MessageSpan, Observer, SpanOutcome, TracedMessage } from './decision.js'
import { methods } from './known-words.js'
import type { Measures } from './measures.js'

type Api = typeof import('@opentelemetry/api')

/** The tracing of an endpoint. Only requests of authenticated callers start or join a trace. */
export class Tracing implements Observer {
  readonly #api: Api
  readonly #tracer: Tracer
  readonly #measures: Measures
  readonly #onActive: (tracing: Tracing) => void
  /** The delegate of a provider that the app has not set, or has set to none. */
  readonly #noProvider: unknown
  #isActive = false

  private constructor (api: Api, measures: Measures, onActive: (tracing: Tracing) => void) {
    this.#api = api
    this.#onActive = onActive
    this.#noProvider = new api.ProxyTracerProvider().getDelegate()
    this.#tracer = api.trace.getTracer('fastify-mcp-auth', version)
    this.#measures = measures
  }

  /**
   * `undefined` if `@opentelemetry/api` is not installed. `onActive` is called once, when the app has set up
   * an SDK.
   */
  static async load (measures: Measures, onActive: (tracing: Tracing) => void): Promise<Tracing | undefined> {
    try {
      return new Tracing(await import('@opentelemetry/api'), measures, onActive)
    } catch {
      return undefined
    }
  }

  /** Without an SDK, spans would have no effect, so none are created and no decisions are observed. */
  #hasSdk (): boolean {
    if (this.#isActive) return true
    const provider = this.#api.trace.getTracerProvider()
    if (provider instanceof this.#api.ProxyTracerProvider && provider.getDelegate() === this.#noProvider) return false
    this.#isActive = true
    this.#onActive(this)
    return true
  }

  /** `undefined` if tracing is off. */
  begin (message: TracedMessage): MessageSpan | undefined {
    return this.#hasSdk() ? this.#begin(message) : undefined
  }

  /** The span of a message. Its parent is the context in `_meta` (SEP-414); that of HTTP becomes a link. */
  #begin (message: TracedMessage): MessageSpan | undefined {
    const { SpanKind, context, isSpanContextValid, trace, ROOT_CONTEXT } = this.#api
    const meta = isRecord(message.params._meta) ? message.params._meta : {}
    const active = context.active()
    const ofHttp = trace.getSpan(active) === undefined ? this.#remote(message.caller.headers ?? {}) ?? active : active
    const ofMessage = this.#remote(meta)
    const parent = ofMessage ?? ofHttp
    const links = ofMessage === undefined ? [] : this.#linksTo(ofHttp)
    const kind = message.caller.request === undefined ? SpanKind.INTERNAL : SpanKind.SERVER
    const span = this.#tracer.startSpan(this.#nameOf(message), { kind, links }, parent ?? ROOT_CONTEXT)
    // The span of a no-op tracer records nothing, and outgoing requests cannot join it.
    if (!span.isRecording() && !isSpanContextValid(span.spanContext())) return undefined
    return this.#spanOf(span, parent ?? ROOT_CONTEXT, message)
  }

  /** The span of a nested call. The handler may have started its own span around it. */
  #within (outer: Context, message: TracedMessage): MessageSpan {
    const { SpanKind, context, trace } = this.#api
    const active = context.active()
    const parent = trace.getSpan(active) === undefined ? outer : active
    const span = this.#tracer.startSpan(this.#nameOf(message), { kind: SpanKind.INTERNAL }, parent)
    return this.#spanOf(span, parent, message)
  }

  #spanOf (span: Span, parent: Context, { id }: TracedMessage): MessageSpan {
    const context = this.#api.trace.setSpan(parent, span)
    return new TracedSpan({ api: this.#api, span, context, id, begin: message => this.#within(context, message) })
  }

  note (decision: Decision): void {
    decision.span?.end(decision)
  }

  /** `{method} {tool or prompt}` if the item exists. Names from callers would create unbounded span names. */
  #nameOf ({ method, params: { name } }: TracedMessage): string {
    if (!methods.has(method)) return 'other'
    if (typeof name !== 'string') return method
    const kind = method === 'tools/call' ? 'tool' : 'prompt'
    const isNamed = method === 'tools/call' || method === 'prompts/get'
    return isNamed && this.#measures.isItem(kind, name) ? `${method} ${name}` : method
  }

  /** The caller's trace context, without baggage, which would be sent on to services that a tool calls. */
  #remote ({ traceparent, tracestate }: Readonly<Record<string, unknown>>): Context | undefined {
    if (typeof traceparent !== 'string' || traceparent.length > 128) return undefined
    const { propagation, trace, ROOT_CONTEXT } = this.#api
    const carrier =
      typeof tracestate === 'string' && tracestate.length <= 512
        ? { traceparent, tracestate }
        : { traceparent }
    const context = propagation.extract(ROOT_CONTEXT, carrier)
    return trace.getSpanContext(context) === undefined ? undefined : context
  }

  #linksTo (context: Context): Link[] {
    const spanContext = this.#api.trace.getSpanContext(context)
    return spanContext === undefined ? [] : [{ context: spanContext }]
  }
}

interface Traced {
  readonly api: Api
  readonly span: Span
  /** The context that contains the span. */
  readonly context: Context
  readonly id: string | number | undefined
  readonly begin: MessageSpan['begin']
}

class TracedSpan implements MessageSpan {
  readonly #api: Api
  readonly #span: Span
  readonly #context: Context
  readonly #id: string | number | undefined
  readonly begin: MessageSpan['begin']

  constructor ({ api, span, context, id, begin }: Traced) {
    this.#api = api
    this.#span = span
    this.#context = context
    this.#id = id
    this.begin = begin
  }

  run<T> (work: () => T): T {
    return this.#api.context.with(this.#context, work)
  }

  headers (): Readonly<Record<string, string>> {
    const carrier: Record<string, string> = {}
    this.#api.propagation.inject(this.#context, carrier)
    return carrier
  }

  end (outcome: SpanOutcome): void {
    const span = this.#span
    if (span.isRecording()) {
      span.setAttributes(attributesOf(outcome, this.#id))
      // Only for faults: a caller's mistake is not a server error. The message may contain anything.
      if (outcome.fault !== undefined) span.setStatus({ code: this.#api.SpanStatusCode.ERROR })
    }
    span.end()
  }
}

/** Contains no arguments, results or credentials, and no URIs of resources, because callers choose those. */
function attributesOf (outcome: SpanOutcome, id: string | number | undefined): Record<string, string> {
  const { method = 'other', itemKind, item, revision, result, address, requestId, era } = outcome
  const refusal = result === undefined ? undefined : refusals.get(result)
  const ofRefusal = refusal === undefined ? undefined : String(refusal.rpcCode)
  const errorType = result === 'tool-error' ? 'tool_error' : ofRefusal
  const attributes: Record<string, string | undefined> = {
    'mcp.method.name': method,
    'mcp.protocol.version': revision,
    'jsonrpc.request.id': id === undefined ? undefined : String(id),
    'gen_ai.operation.name': itemKind === 'tool' ? 'execute_tool' : undefined,
    'gen_ai.tool.name': itemKind === 'tool' ? item : undefined,
    'gen_ai.prompt.name': itemKind === 'prompt' ? item : undefined,
    'error.type': errorType,
    'rpc.response.status_code': refusal === undefined ? undefined : String(refusal.rpcCode),
    'network.protocol.name': outcome.http === undefined ? undefined : 'http',
    'client.address': address,
    'fastify_mcp_auth.request_id': requestId,
    'fastify_mcp_auth.era': era
  }
  return Object.fromEntries(
    Object.entries(attributes).filter((entry): entry is [string, string] => entry[1] !== undefined)
  )
}
