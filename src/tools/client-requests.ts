/** What a handler can ask its caller: the person, the model, the roots. */
import type { z } from 'zod'
import type { Content, Meta, Schema } from './content.js'

export interface FormRequest<S extends Schema = Schema> {
  readonly message: string
  /**
   * A flat object of primitives (MCP 2025-11-25, Elicitation): `z.object()`, which types the answer, or a JSON
   * Schema. `describe()` and `meta({ title })` tell the person what a field is.
   */
  readonly schema: S
}

/** Sends the person to a page, for what must not pass through the client, such as a password. */
export interface UrlRequest {
  readonly message: string
  readonly url: string
}

/** Of a `UrlRequest`, `accept` only says that the person went there: what came of it the page knows. */
export interface ElicitAnswer {
  action: 'accept' | 'decline' | 'cancel'
  content?: Record<string, string | number | boolean | string[]>
}

/** The answer to a form of zod: `content` is what its schema made of it. */
export type FormAnswer<S extends z.ZodObject> =
  | { action: 'accept', content: z.output<S> }
  | { action: 'decline' | 'cancel', content?: undefined }

/** Of messages around a tool that the model called (MCP 2025-11-25, Sampling). */
export type ToolContent =
  | { type: 'tool_use'; id: string; name: string; input: Record<string, unknown>; _meta?: Meta }
  | {
    type: 'tool_result'
    toolUseId: string
    content: Content[]
    structuredContent?: Record<string, unknown>
    isError?: boolean
    _meta?: Meta
  }

export interface SampleRequest {
  readonly messages: ReadonlyArray<{
    role: 'user' | 'assistant'
    content: Content | ToolContent | ReadonlyArray<Content | ToolContent>
  }>
  readonly maxTokens: number
  readonly systemPrompt?: string
  readonly temperature?: number
  readonly stopSequences?: readonly string[]
  /** Wishes, not orders. Priorities are from 0 to 1. */
  readonly modelPreferences?: {
    readonly hints?: ReadonlyArray<{ readonly name?: string }>
    readonly costPriority?: number
    readonly speedPriority?: number
    readonly intelligencePriority?: number
  }
  readonly includeContext?: 'none' | 'thisServer' | 'allServers'
  /** For the provider of the model. */
  readonly metadata?: Readonly<Record<string, unknown>>
}

/** Of tools that the handler itself runs, for clients that can (MCP 2025-11-25, Sampling with Tools). */
export interface ToolSampleRequest extends SampleRequest {
  readonly tools: ReadonlyArray<{
    readonly name: string
    readonly title?: string
    readonly description?: string
    readonly inputSchema: Readonly<Record<string, unknown>>
  }>
  readonly toolChoice?: { readonly mode?: 'auto' | 'required' | 'none' }
}

export interface SampleAnswer {
  role: 'user' | 'assistant'
  content: Content
  model: string
  stopReason?: string
}

export interface ToolSampleAnswer extends Omit<SampleAnswer, 'content'> {
  content: Content | ToolContent | Array<Content | ToolContent>
}
