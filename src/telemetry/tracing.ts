/**
 * One span per message, through OpenTelemetry's API if the app has it installed. The app sets up the export.
 */
import type { Context, Link, Span, Tracer } from '@opentelemetry/api'
import { isRecord } from '../lib/guards.js'
import { version } from '../version.js'
import type { Decision, MessageSpan, Observer, TracedMessage } from './decision.js'
import { methods } from './known-words.js'
import type { LineLog } from './log-line.js'
import type { Measures } from './measures.js'
import { reportOnce } from './report-once.js'
import { type OpenTelemetryApi, TracedSpan } from './traced-span.js'

export interface TracingOptions {
  readonly measures: Measures
  /** For a failure of the app's SDK. */
  readonly log: Pick<LineLog, 'error'>
  /** Called once, when the app has set up an SDK. */
  readonly onActive: (tracing: Tracing) => void
}

/** The tracing of an endpoint. Only requests of authenticated callers start or join a trace. */
export class Tracing implements Observer {
  readonly #api: OpenTelemetryApi
  readonly #tracer: Tracer
  readonly #options: TracingOptions
  /** The delegate of a provider that the app has not set, or has set to none. */
  readonly #noProvider: unknown
  readonly #report: (error: unknown) => void
  #isActive = false

  private constructor (api: OpenTelemetryApi, options: TracingOptions) {
    this.#api = api
    this.#noProvider = new api.ProxyTracerProvider().getDelegate()
    this.#tracer = api.trace.getTracer('fastify-mcp-auth', version)
    this.#options = options
    this.#report = reportOnce(error => {
      options.log.error({ err: error }, 'the OpenTelemetry SDK of the app failed; logged once')
    })
  }

  /** `undefined` if `@opentelemetry/api` is not installed. */
  static async load (options: TracingOptions): Promise<Tracing | undefined> {
    try {
      return new Tracing(await import('@opentelemetry/api'), options)
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
    this.#options.onActive(this)
    return true
  }

  /** `undefined` if tracing is off, or the SDK fails: a sampler, a processor or a propagator may be the app's own. */
  begin (message: TracedMessage): MessageSpan | undefined {
    try {
      return this.#hasSdk() ? this.#begin(message) : undefined
    } catch (error) {
      this.#report(error)
      return undefined
    }
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
  #within (outer: Context, message: TracedMessage): MessageSpan | undefined {
    const { SpanKind, context, trace } = this.#api
    try {
      const active = context.active()
      const parent = trace.getSpan(active) === undefined ? outer : active
      const span = this.#tracer.startSpan(this.#nameOf(message), { kind: SpanKind.INTERNAL }, parent)
      return this.#spanOf(span, parent, message)
    } catch (error) {
      this.#report(error)
      return undefined
    }
  }

  #spanOf (span: Span, parent: Context, { id }: TracedMessage): MessageSpan {
    const context = this.#api.trace.setSpan(parent, span)
    return new TracedSpan({
      api: this.#api,
      span,
      context,
      id,
      begin: message => this.#within(context, message),
      report: this.#report
    })
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
    return isNamed && this.#options.measures.isItem(kind, name) ? `${method} ${name}` : method
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
