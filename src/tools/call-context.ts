/** The context of a call: information for the handler, and ways to talk to its caller. */
import type { z } from 'zod'
import type { Principal } from '../principal/principal.js'
import type { AppContext, CallLogger, CallRequest } from './app-context.js'
import type { JsonSchema, ToolResult } from './content.js'
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

/** In order of severity (RFC 5424 §6.2.1). */
export const logLevels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const

export type LogLevel = typeof logLevels[number]

/** What remains of the caller's own rate limit. */
export interface Budget {
  readonly limit: number
  readonly remaining: number
  /** Seconds until the window ends; 0 if nothing was used. */
  readonly resetSeconds: number
}

/** The second argument of handlers: information about the call, and ways to talk to the caller during it. */
export interface CallContext {
  readonly principal: Principal
  /** Aborted when the caller cancels or disconnects, or the deadline passes. */
  readonly signal: AbortSignal
  /** The id of the request, as in the log and in refusals. */
  readonly requestId: string
  /** The server's log, with the request id. The caller does not see it. */
  readonly logger: CallLogger
  /** The request of the call. Frozen, and without the credential. */
  readonly request: CallRequest
  /** The app's own objects (option `provide`). */
  readonly app: Readonly<AppContext>
  /** Sends a log message to the caller if it asked for them. Does not write to the server's log. */
  log: (level: LogLevel, data: unknown, logger?: string) => Promise<void>
  /** Reports progress if the caller sent a progress token. `progress` must increase. */
  progress: (progress: number, total?: number, message?: string) => Promise<void>
  /**
   * Asks the user with a form, or sends them to a page. An accepted answer matches the form's schema. Rejects
   * if the client does not support this. In revision 2026-07-28 the handler runs again from its start with
   * the answers so far, so it should change nothing before its last question. `key` identifies the question
   * between runs. Default: its position, so the order of questions must then be the same in every run. An
   * answer applies only to the exact same question. A second question with the same key rejects.
   */
  elicit: {
    <S extends z.ZodObject>(request: FormRequest<S>, key?: string): Promise<FormAnswer<S>>
    (request: FormRequest<JsonSchema> | UrlRequest, key?: string): Promise<ElicitAnswer>
  }
  /** Asks the client's model. Rejects if the client does not offer one. `key` is as for `elicit`. */
  sample: {
    (request: ToolSampleRequest, key?: string): Promise<ToolSampleAnswer>
    (request: SampleRequest, key?: string): Promise<SampleAnswer>
  }
  /**
   * Asks for the client's workspace roots. Rejects if the client does not support it. `key` is as for
   * `elicit`.
   */
  roots: (key?: string) => Promise<ReadonlyArray<{ uri: string, name?: string }>>
  /**
   * The keys of the questions that this request answers (MCP 2026-07-28, Multi Round-Trip Requests). Empty in
   * the first round and in earlier revisions.
   */
  readonly answered: readonly string[]
  /**
   * Closes the stream of this call. The caller reconnects later for the rest (MCP 2025-11-25, Transports,
   * Resumability). Does nothing without a session.
   */
  closeStream: () => void
  budget: () => Promise<Budget | null>
  /**
   * Calls another tool of the endpoint with the rights, budget and deadline of this call. Messages of that
   * tool go to the same caller. Resolves to its result, even one with `isError`, such as for a used-up
   * budget. Rejects with a `PublicToolError` if the caller may not use the tool.
   */
  call: (tool: string, args?: Record<string, unknown>) => Promise<ToolResult>
  /**
   * The headers that make the handler's outgoing requests join the trace of this call (`traceparent` and
   * `tracestate`, or those of the app's propagator). Empty if the call is not traced.
   */
  traceHeaders: () => Readonly<Record<string, string>>
  /** The names of the tools that this caller may call, sorted. */
  readonly tools: () => readonly string[]
}
