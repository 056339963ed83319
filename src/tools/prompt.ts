/** Prompts: templates of messages for the caller's model. */
import type { z } from 'zod'
import type { Completer } from './resource.js'
import type { CallContext } from './call-context.js'
import type { Content, Meta } from './content.js'
import type { Item } from './tool.js'

export interface PromptMessage {
  role: 'user' | 'assistant'
  content: Content
}

export interface PromptResult {
  description?: string
  messages: PromptMessage[]
  _meta?: Meta
}

export type PromptArguments = z.ZodObject

export interface PromptDefinition<A extends PromptArguments = PromptArguments> extends Item {
  /** Arguments arrive as strings (MCP 2025-11-25, Prompts). Describe them with `describe()`. */
  readonly input?: A
  /** Suggests values, by argument. */
  readonly complete?: { readonly [Name in keyof z.input<A>]?: Completer }
  /** Returns a string for a single user message, or the messages. */
  readonly handler: (args: z.output<A>, context: CallContext) => Promise<PromptResult | string> | PromptResult | string
}

export type Prompt = PromptDefinition

/**
 * Defines a prompt. The schema types its handler. The prompt is validated when the endpoint is registered.
 *
 * @example
 * const review = definePrompt({
 *   name: 'review',
 *   input: z.object({ file: z.string().describe('The file to review') }),
 *   handler: ({ file }) => `Review ${file}.`
 * })
 */
export function definePrompt<const A extends PromptArguments> (prompt: PromptDefinition<A>): Prompt {
  return prompt as unknown as Prompt
}
