/** The context of a call: what a handler knows, and how it talks to its caller. */
import type { z } from 'zod'
import type { ToolResult } from './tool.js'
import type { Principal } from '../principal/principal.js'
import type { AppContext, CallLogger, CallRequest } from './app-context.js'
import type { JsonSchema } from './content.js'
import type {
  ElicitAnswer,
  FormAnswer,
  FormRequest,
  SampleAnswer,
  SampleRequest,
  ToolSampleAnswer,
  ToolSampleRequest,
  UrlRequest
} from './client-requests.js'

/** In the order of their severity (RFC 5424 §6.2.1). */
export const logLevels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const

export type LogLevel = typeof logLevels[number]

/** What remains of the caller's own rate limit. */
export interface Budget {
  readonly limit: number
  readonly remaining: number
  /** Seconds until the window ends; 0 when nothing was used. */
  readonly resetSeconds: number
}

/** What a handler knows of the call it serves, and how it speaks to its caller meanwhile. */
export interface CallContext {
  readonly principal: Principal
  /** Aborted when the caller cancels or leaves, or the deadline passes. */
  readonly signal: AbortSignal
  /** The same id as in the log and in every refusal. */
  readonly requestId: string
  /** The server's own log, with the request id; the caller hears nothing of it. */
  readonly logger: CallLogger
  /** Where the call came from: frozen, and without the credential. */
  readonly request: CallRequest
  /** What the app provides to its handlers. */
  readonly app: Readonly<AppContext>
  /** Tells the caller, where it asked for it; never the server's own log. */
  log: (level: LogLevel, data: unknown, logger?: string) => Promise<void>
  /** Reports progress, where the caller sent a progress token. `progress` must grow. */
  progress: (progress: number, total?: number, message?: string) => Promise<void>
  /**
   * Asks the person behind the caller by a form, or sends them to a page; what is accepted fits the
   * form's schema. Rejects where the caller can't be asked so. In revision 2026-07-28 the handler runs
   * again from its start with the answers so far, so it should change nothing before it asked
   * everything. `key` names the question from run to run; left out, its place in the order of
   * questions does, which must then be the same in every run. An answer counts for the very question
   * only; a second question of one key rejects.
   */
  elicit: {
    <S extends z.ZodObject>(request: FormRequest<S>, key?: string): Promise<FormAnswer<S>>
    (request: FormRequest<JsonSchema> | UrlRequest, key?: string): Promise<ElicitAnswer>
  }
  /** Asks the caller's model. Rejects where the caller has none to offer. `key` as for `elicit`. */
  sample: {
    (request: ToolSampleRequest, key?: string): Promise<ToolSampleAnswer>
    (request: SampleRequest, key?: string): Promise<SampleAnswer>
  }
  /** The caller's workspace roots. Rejects where it has none to tell. `key` as for `elicit`. */
  roots: (key?: string) => Promise<ReadonlyArray<{ uri: string, name?: string }>>
  /**
   * The keys of the questions whose answers came with this request (MCP 2026-07-28, Multi Round-Trip Requests). Empty
   * in the first round, and in the revisions before.
   */
  readonly answered: readonly string[]
  /**
   * Closes the stream of this call; the caller comes back for the rest after a while (MCP
   * 2025-11-25, Transports, Resumability). Does nothing where the call has no session.
   */
  closeStream: () => void
  budget: () => Promise<Budget | null>
  /**
   * Calls another tool of the endpoint, with the rights, the budget and the time of this call; what that tool says goes
   * to the same caller. Resolves to its result, also where that is `isError`, as where the budget is used up. Rejects
   * with a `PublicToolError` where the caller does not have the tool.
   */
  call: (tool: string, args?: Record<string, unknown>) => Promise<ToolResult>
  /**
   * The headers by which a request of the handler's own joins the trace of this call (`traceparent` and
   * `tracestate`, or
   * what the app's propagator writes). Empty where nothing is traced.
   */
  traceHeaders: () => Readonly<Record<string, string>>
  /** The names of the tools that this caller may call, sorted. */
  readonly tools: () => readonly string[]
}
