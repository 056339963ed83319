/** Tools: defined once, served in both protocol eras. */
import type { z } from 'zod'
import type { AccessRule } from '../principal/access.js'
import type { CallContext } from './call-context.js'
import type { Icon, JsonSchema, Meta, Schema, ToolResult } from './content.js'

export type { ToolResult } from './content.js'

export type Output<S> = S extends z.ZodObject ? z.output<S> : Record<string, unknown>

/**
 * The return type of a handler. With a zod output schema: a matching result, or an error. Without one, or
 * with JSON Schema, the compiler cannot check it.
 */
export type Returned<O> = O extends z.ZodObject
  ? ToolResult<z.input<O>> | (ToolResult & { isError: true })
  : ToolResult | string

/** The common fields of tools, resources and prompts. */
export interface Item {
  readonly name: string
  readonly title?: string
  readonly description?: string
  readonly icons?: readonly Icon[]
  /** Shown in lists. */
  readonly _meta?: Meta
  readonly access?: AccessRule
  /** The deadline in milliseconds. Default: that of the endpoint. */
  readonly deadlineMs?: number
  /** The cost of one call in the caller's budget. Default 1. */
  readonly cost?: number
  /** The author's own labels, to select items by. Callers never see them. */
  readonly tags?: readonly string[]
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
  /**
   * How often one caller may call this tool, in addition to the caller's own limit: `max` calls (from 1) per
   * `windowMs` milliseconds.
   */
  readonly rate?: { readonly max: number, readonly windowMs: number }
  /**
   * How many calls of one caller may run at once. Handlers still running after their answer count as well.
   */
  readonly concurrency?: number
  /**
   * The largest result, in bytes of JSON. Default: the limit of the endpoint. For a larger result, the caller
   * gets an error that asks to request less.
   */
  readonly maxResultBytes?: number
  /**
   * For actions that must not happen twice. While a call asks questions (2026-07-28), each request state is
   * accepted only once across all instances, and only with answers to the questions that were asked. Default
   * false.
   */
  readonly once?: boolean
  /**
   * Who should call it: the model, the page of an app, or both (default). Hosts hide a tool with `['app']`
   * from the model. This is not an access rule: only `access` decides who may call the tool.
   */
  readonly visibility?: ReadonlyArray<'model' | 'app'>
  readonly handler: (args: Output<I>, context: CallContext) => Promise<Returned<O>> | Returned<O>
}

/** A tool of any schema types, as the endpoint stores it. */
export type Tool = ToolDefinition<Schema, Schema>

/**
 * Defines a tool. The schemas type its handler. The tool is validated when the endpoint is registered.
 *
 * @example
 * const greet = defineTool({
 *   name: 'greet',
 *   description: 'Greets a person.',
 *   input: z.object({ name: z.string() }),
 *   access: { scopes: ['greet'] },
 *   handler: ({ name }, { principal }) => `Hello ${name}, says ${principal.id}`
 * })
 */
export function defineTool<
  const I extends Schema = z.ZodObject<Record<never, never>>,
  const O extends Schema = JsonSchema
> (tool: ToolDefinition<I, O>): Tool {
  return tool as unknown as Tool
}
