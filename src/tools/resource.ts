/** Resources: one fixed URI, or a template with variables. */
import type { CallContext } from './call-context.js'
import type { Annotations, ResourceContents } from './content.js'
import type { Item } from './tool.js'

/** One or more contents; a text stands for one of the resource's own `mimeType`. */
export type ResourceResult = string | Omit<ResourceContents, 'uri'> | readonly ResourceContents[]

interface ResourceItem extends Item {
  readonly mimeType?: string
  readonly annotations?: Annotations
}

export interface FixedResource extends ResourceItem {
  readonly uri: string
  readonly uriTemplate?: never
  /** Bytes, where known. */
  readonly size?: number
  /** Returns `undefined`, or throws a `NotFoundError`, where there is nothing: the caller meets an unknown resource. */
  readonly read: (uri: string, context: CallContext) => Promise<ResourceResult | undefined> | ResourceResult | undefined
}

export interface CompletionContext extends CallContext {
  /** What the caller filled in already, by argument or variable (MCP 2025-06-18, Completion); as yet unchecked. */
  readonly arguments: Readonly<Record<string, string>>
}

export type Completer = (value: string, context: CompletionContext) => Promise<readonly string[]> | readonly string[]

/** The names of the variables of a template that is written out; of any other, any name. */
type VariableOf<U extends string> = string extends U
  ? string
  : U extends `${string}{${infer Name}}${infer Rest}`
    ? Name | VariableOf<Rest>
    : never

export interface TemplateResource<U extends string = string> extends ResourceItem {
  /** Like `notes://{team}/{id}`: a variable is one path segment; operators such as `{?x}` or `{+x}` are refused. */
  readonly uriTemplate: U
  readonly uri?: never
  /** `uri` in normal form; otherwise as for a fixed resource. */
  readonly read: (
    uri: string,
    context: CallContext,
    variables: Readonly<Record<VariableOf<U>, string>>
  ) => Promise<ResourceResult | undefined> | ResourceResult | undefined
  /** Suggests values, by variable. */
  readonly complete?: { readonly [Name in VariableOf<U>]?: Completer }
}

export type Resource = FixedResource | TemplateResource

/**
 * Defines a resource and types the variables of its template. It is checked when the endpoint is registered, not here.
 *
 * @example
 * const note = defineResource({
 *   name: 'note',
 *   uriTemplate: 'notes://{team}/{id}',
 *   read: async (uri, { principal }, { team, id }) => await load(team, id)
 * })
 */
export function defineResource (resource: FixedResource): FixedResource
export function defineResource<const U extends string> (resource: TemplateResource<U>): TemplateResource
export function defineResource (resource: Resource): Resource {
  return resource
}
