/** Resources: with a fixed URI, or with a URI template. */
import type { CallContext } from './call-context.js'
import type { Annotations, ResourceContents } from './content.js'
import type { Item } from './tool.js'

/** One or more contents. A string is one text with the resource's `mimeType`. */
export type ResourceResult = string | Omit<ResourceContents, 'uri'> | readonly ResourceContents[]

interface ResourceItem extends Item {
  readonly mimeType?: string
  readonly annotations?: Annotations
}

export interface FixedResource extends ResourceItem {
  readonly uri: string
  readonly uriTemplate?: never
  /** The size in bytes, if known. */
  readonly size?: number
  /** Returns `undefined` or throws a `NotFoundError` if there is no such resource. */
  readonly read: (uri: string, context: CallContext) => Promise<ResourceResult | undefined> | ResourceResult | undefined
}

export interface CompletionContext extends CallContext {
  /** The values entered so far, by argument or variable (MCP 2025-06-18, Completion). Not validated. */
  readonly arguments: Readonly<Record<string, string>>
}

export type Completer = (value: string, context: CompletionContext) => Promise<readonly string[]> | readonly string[]

/** The names of the variables of a literal template; any string for other templates. */
type VariableOf<U extends string> = string extends U
  ? string
  : U extends `${string}{${infer Name}}${infer Rest}`
    ? Name | VariableOf<Rest>
    : never

export interface TemplateResource<U extends string = string> extends ResourceItem {
  /**
   * Such as `notes://{team}/{id}`. A variable matches one path segment. Operators (`{?x}`, `{+x}`) are
   * refused.
   */
  readonly uriTemplate: U
  readonly uri?: never
  /** As for a fixed resource. `uri` is normalized. */
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
 * Defines a resource, with typed variables for a template. The resource is validated when the endpoint is
 * registered.
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
