/** Tools: defined once, served in both protocol eras. */
import type { z } from 'zod'
import type { AccessRule } from '../principal/access.js'
import type { CallContext } from './call-context.js'
import type { Content, Icon, JsonSchema, Meta, Schema } from './content.js'

export type Output<S> = S extends z.ZodObject ? z.output<S> : Record<string, unknown>

/**
 * What a handler returns: with an output schema of zod a result that fits it, or an error. Left out or raw
 * JSON Schema, the compiler can't tell.
 */
export type Returned<O> = O extends z.ZodObject
  ? ToolResult<z.input<O>> | (ToolResult & { isError: true })
  : ToolResult | string

export interface ToolResult<S = Record<string, unknown>> {
  /** Left out: the text form of `structuredContent`. */
  content?: Content[]
  /** Required where the tool has an output schema. Of an error that does not fit the schema only the text goes out. */
  structuredContent?: S
  isError?: boolean
  _meta?: Meta
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
  /** Names of the author's own, to pick items by. Callers never see them. */
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
   * How often one caller may call this tool, beside the caller's own limit. `max` from 1; `windowMs` in
   * milliseconds.
   */
  readonly rate?: { readonly max: number, readonly windowMs: number }
  /** How many calls of one caller may run at once, those included whose caller was answered already. */
  readonly concurrency?: number
  /**
   * The largest result, in bytes of JSON; the endpoint's own limit where left out. Beyond it the caller is
   * told to ask for less.
   */
  readonly maxResultBytes?: number
  /**
   * What the caller carries from round to round while it is asked (2026-07-28) counts once, on one instance of all,
   * and no answer counts that was not asked for: for what must not happen twice. Default false.
   */
  readonly once?: boolean
  /**
   * Who calls it: the model, the page of an app, or both (default). Hosts keep a tool of `['app']` from their model.
   * That is no right: a caller may call whatever its `access` lets it.
   */
  readonly visibility?: ReadonlyArray<'model' | 'app'>
  readonly handler: (args: Output<I>, context: CallContext) => Promise<Returned<O>> | Returned<O>
}

/** A tool whose schemas' types have served their purpose: what the bridge holds. */
export type Tool = ToolDefinition<Schema, Schema>

/**
 * Defines a tool and types its handler by the schemas. The tool is checked when the endpoint is registered, not here.
 *
 * @example
 * const greet = defineTool({
 *   name: 'greet',
 *   description: 'Greets somebody.',
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
