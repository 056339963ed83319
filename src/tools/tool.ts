/** The shape of a tool, a resource and a prompt: defined once, served in both protocol eras. */
import type { z } from 'zod'
import type { AccessRule } from '../principal/access.js'
import type { AppContext, CallLogger, CallRequest } from './app-context.js'
import type { Principal } from '../principal/principal.js'
import type { ElicitAnswer, FormRequest, SampleAnswer, SampleRequest, ToolSampleAnswer, ToolSampleRequest, UrlRequest } from './client-requests.js'

/** A JSON Schema object, passed through to the caller untouched. */
export type JsonSchema = Readonly<Record<string, unknown>>
export type Schema = z.ZodObject | JsonSchema

export type Output<S> = S extends z.ZodObject ? z.output<S> : Record<string, unknown>

export interface Icon {
  readonly src: string
  readonly mimeType?: string
  readonly sizes?: string[]
  readonly theme?: 'light' | 'dark'
}

/** For the caller's program, not its model; the keys are as MCP 2025-11-25, General Fields, has them. */
export type Meta = Readonly<Record<string, unknown>>

/** MCP content blocks, the same in every revision. */
export type Content = (
  | { type: 'text', text: string, annotations?: Annotations }
  | { type: 'image' | 'audio', data: string, mimeType: string, annotations?: Annotations }
  | { type: 'resource', resource: ResourceContents, annotations?: Annotations }
  | { type: 'resource_link', uri: string, name: string, title?: string, description?: string, mimeType?: string, annotations?: Annotations }
) & { _meta?: Meta }

export interface Annotations {
  audience?: Array<'user' | 'assistant'>
  priority?: number
  lastModified?: string
}

/** Text or base64 `blob`, one of the two. */
export interface ResourceContents {
  uri: string
  mimeType?: string
  text?: string
  blob?: string
  _meta?: Meta
}

/**
 * What a handler returns: with an output schema of zod a result that fits it, or an error. Left out or raw
 * JSON Schema, the compiler can't tell.
 */
export type Returned<O> = O extends z.ZodObject ? ToolResult<z.input<O>> | (ToolResult & { isError: true }) : ToolResult | string

export interface ToolResult<S = Record<string, unknown>> {
  /** Left out: the text form of `structuredContent`. */
  content?: Content[]
  /** Required where the tool has an output schema. Of an error that does not fit the schema only the text goes out. */
  structuredContent?: S
  isError?: boolean
  _meta?: Meta
}

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
  elicit: (request: FormRequest | UrlRequest, key?: string) => Promise<ElicitAnswer>
  /** Asks the caller's model. Rejects where the caller has none to offer. `key` as for `elicit`. */
  sample: {
    (request: ToolSampleRequest, key?: string): Promise<ToolSampleAnswer>
    (request: SampleRequest, key?: string): Promise<SampleAnswer>
  }
  /** The caller's workspace roots. Rejects where it has none to tell. `key` as for `elicit`. */
  roots: (key?: string) => Promise<ReadonlyArray<{ uri: string, name?: string }>>
  /**
   * Closes the stream of this call; the caller comes back for the rest after a while (MCP
   * 2025-11-25, Transports, Resumability). Does nothing where the call has no session.
   */
  closeStream: () => void
  budget: () => Promise<Budget | null>
  /** The names of the tools that this caller may call, sorted. */
  readonly tools: () => readonly string[]
}

/** What tools, resources and prompts have in common. */
export interface Item {
  readonly name: string
  readonly title?: string
  readonly description?: string
  readonly icons?: readonly Icon[]
  /** Shown with the item in lists. */
  readonly _meta?: Meta
  readonly access?: AccessRule
  /** Milliseconds; the endpoint's own deadline where left out. */
  readonly deadlineMs?: number
  /** What one call takes of the caller's budget. 1 where left out. */
  readonly cost?: number
}

export interface ToolAnnotations {
  readonly title?: string
  readonly readOnlyHint?: boolean
  readonly destructiveHint?: boolean
  readonly idempotentHint?: boolean
  readonly openWorldHint?: boolean
}

export interface ToolDefinition<I extends Schema = Schema, O extends Schema = Schema> extends Item {
  readonly input?: I
  readonly output?: O
  readonly annotations?: ToolAnnotations
  /** How often one caller may call this tool, beside the caller's own limit. `max` from 1; `windowMs` in milliseconds. */
  readonly rate?: { readonly max: number, readonly windowMs: number }
  /** How many calls of one caller may run at once, those included whose caller was answered already. */
  readonly concurrency?: number
  readonly handler: (args: Output<I>, context: CallContext) => Promise<Returned<O>> | Returned<O>
}

/** A tool whose schemas' types have served their purpose: what the bridge holds. */
export type Tool = ToolDefinition<Schema, Schema>

/**
 * Types the handler's arguments by the input schema. The tool is checked when the endpoint is
 * registered, not here.
 */
export function defineTool<const I extends Schema = z.ZodObject<Record<never, never>>, const O extends Schema = JsonSchema> (
  tool: ToolDefinition<I, O>
): Tool {
  return tool as unknown as Tool
}
