/** The span of a message. A failure of the app's SDK is reported, and reaches neither the caller nor the handler. */
import type { Context, Span } from '@opentelemetry/api'
import { refusals } from '../errors.js'
import type { MessageSpan, SpanOutcome } from './decision.js'

export type OpenTelemetryApi = typeof import('@opentelemetry/api')

export interface Traced {
  readonly api: OpenTelemetryApi
  readonly span: Span
  /** The context that contains the span. */
  readonly context: Context
  readonly id: string | number | undefined
  readonly begin: MessageSpan['begin']
  readonly report: (error: unknown) => void
}

export class TracedSpan implements MessageSpan {
  readonly #api: OpenTelemetryApi
  readonly #span: Span
  readonly #context: Context
  readonly #id: string | number | undefined
  readonly begin: MessageSpan['begin']
  readonly #report: Traced['report']
  #hasEnded = false

  constructor ({ api, span, context, id, begin, report }: Traced) {
    this.#api = api
    this.#span = span
    this.#context = context
    this.#id = id
    this.begin = begin
    this.#report = report
  }

  run<T> (work: () => T): T {
    return this.#api.context.with(this.#context, work)
  }

  headers (): Readonly<Record<string, string>> {
    const carrier: Record<string, string> = {}
    try {
      this.#api.propagation.inject(this.#context, carrier)
    } catch (error) {
      this.#report(error)
    }
    return carrier
  }

  /** Later calls have no effect: with several endpoints in one app, each observes all decisions. */
  end (outcome: SpanOutcome): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    const span = this.#span
    try {
      if (span.isRecording()) {
        span.setAttributes(attributesOf(outcome, this.#id))
        // Only for faults: a caller's mistake is not a server error. The message may contain anything.
        if (outcome.fault !== undefined) span.setStatus({ code: this.#api.SpanStatusCode.ERROR })
      }
      span.end()
    } catch (error) {
      this.#report(error)
    }
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
