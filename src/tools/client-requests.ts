/** Types of the requests to a caller: to the user, the model, or for the roots. */
import type { z } from 'zod'
import type { Content, Meta, Schema } from './content.js'

export interface FormRequest<S extends Schema = Schema> {
  readonly message: string
  /**
   * A flat object of primitives (MCP 2025-11-25, Elicitation): a `z.object()`, which types the answer, or a
   * JSON Schema. `describe()` and `meta({ title })` set the labels of a field.
   */
  readonly schema: S
}

/** Sends the user to a page, for data that must not pass through the client, such as a password. */
export interface UrlRequest {
  readonly message: string
  readonly url: string
}

/**
 * For a `UrlRequest`, `accept` means only that the user opened the page. The outcome is known to the page.
 */
export interface ElicitAnswer {
  action: 'accept' | 'decline' | 'cancel'
  content?: Record<string, string | number | boolean | string[]>
}

/** The answer to a form with a zod schema. `content` is the schema's output. */
export type FormAnswer<S extends z.ZodObject> =
  | { action: 'accept', content: z.output<S> }
  | { action: 'decline' | 'cancel', content?: undefined }

/** Content of messages about a tool that the model called (MCP 2025-11-25, Sampling). */
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
  /** Preferences that the client may ignore. Priorities are from 0 to 1. */
  readonly modelPreferences?: {
    readonly hints?: ReadonlyArray<{ readonly name?: string }>
    readonly costPriority?: number
    readonly speedPriority?: number
    readonly intelligencePriority?: number
  }
  readonly includeContext?: 'none' | 'thisServer' | 'allServers'
  /** Passed to the provider of the model. */
  readonly metadata?: Readonly<Record<string, unknown>>
}

/** Sampling with tools that the handler itself runs, if the client supports it (MCP 2025-11-25, Sampling). */
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
