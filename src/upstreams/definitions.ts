/** Converts the items of an upstream into tools, resources and prompts of this endpoint. */
import { z } from '../lib/zod.js'
import type { Prompt } from '../tools/prompt.js'
import type { Completer, Resource } from '../tools/resource.js'
import type { CallContext } from '../tools/call-context.js'
import type { JsonSchema } from '../tools/content.js'
import type { Tool } from '../tools/tool.js'
import type { Lists } from './lists.js'
import { type Upstream, UpstreamError } from './options.js'

type Params = Record<string, unknown>

/** Calls the upstream for the caller of `context`. */
export type Forward = (method: string, params: Params, context: CallContext) => Promise<Params>

export interface Definitions {
  readonly tools: ReadonlyMap<string, Tool>
  readonly resources: ReadonlyMap<string, Resource>
  readonly prompts: ReadonlyMap<string, Prompt>
  /** Exposed names and URIs that the upstream offers more than once: the first is served. */
  readonly repeated: readonly string[]
}

/**
 * Returns the name for callers: that of `rename`, or `${prefix}${name}`. `undefined` if the item is excluded.
 */
export function exposedName ({ include, exclude, rename = {}, prefix }: Upstream, name: string): string | undefined {
  if (include !== undefined && !include.includes(name)) return undefined
  if (exclude?.includes(name) === true) return undefined
  return Object.hasOwn(rename, name) ? rename[name] : prefix + name
}

interface UpstreamOffer {
  readonly upstream: Upstream
  readonly lists: Lists | undefined
}

/** Throws an `UpstreamError` if two upstreams offer a tool or prompt with the same name. */
export function requireDistinct (offers: readonly UpstreamOffer[]): void {
  const owners = new Map<string, { readonly upstream: string, readonly name: string }>()
  for (const { upstream, lists } of offers) {
    for (const [kind, items] of [['tool', lists?.tools ?? []], ['prompt', lists?.prompts ?? []]] as const) {
      for (const { name } of items) {
        const exposed = exposedName(upstream, name)
        if (exposed === undefined) continue
        const key = `${kind} ${JSON.stringify(exposed)}`
        const owner = owners.get(key)
        owners.set(key, owner ?? { upstream: upstream.name, name })
        if (owner === undefined) continue
        const [first, second] = [JSON.stringify(owner.upstream), JSON.stringify(upstream.name)]
        if (owner.upstream !== upstream.name) {
          throw new UpstreamError(
            `Upstreams ${first} and ${second} both offer the ${key}; give ${second} another \`prefix\``
          )
        }
        // A list may repeat a name: that is the upstream's fault, and the first is served.
        if (owner.name === name) continue
        throw new UpstreamError(
          `Upstream ${first}: ${JSON.stringify(owner.name)} and ${JSON.stringify(name)} would both be the ${key}; ` +
            'give one of them another name in `rename`'
        )
      }
    }
  }
}

export function definitionsOf (
  upstream: Upstream,
  { tools, resources, templates, prompts }: Lists,
  forward: Forward,
  maxResultBytes: number
): Definitions {
  const common = upstream.access === undefined ? {} : { access: upstream.access }
  const repeated: string[] = []
  const firsts = <T>(entries: ReadonlyArray<readonly [string, T]>): Map<string, T> => {
    const found = new Map<string, T>()
    for (const [key, item] of entries) {
      if (found.has(key)) repeated.push(key)
      else found.set(key, item)
    }
    return found
  }
  const exposed = <T extends { name: string }>(items: readonly T[]): Array<readonly [string, T]> =>
    items.flatMap(item => {
      const name = exposedName(upstream, item.name)
      return name === undefined ? [] : [[name, item] as const]
    })
  return {
    tools: firsts(exposed(tools).map(([name, tool]): [string, Tool] => [
      name, { ...toolOf(name, tool, forward), ...common, maxResultBytes }
    ])),
    resources: firsts([
      ...exposed(resources).map(([name, { uri, ...rest }]): [string, Resource] => [
        uri,
        { ...shown(name, rest), ...common, uri, name, read: readBy(forward) }
      ]),
      ...exposed(templates).map(([name, template]): [string, Resource] => [
        template.uriTemplate,
        { ...templateOf(name, template, forward), ...common }
      ])
    ]),
    prompts: firsts(exposed(prompts).map(([name, prompt]): [string, Prompt] => [
      name, { ...promptOf(name, prompt, forward), ...common }
    ])),
    repeated
  }
}

/** Copies the members of a listed item that callers see unchanged. */
function shown (name: string, item: Params): Params {
  const kept = ['title', 'description', 'icons', '_meta', 'mimeType', 'annotations', 'size']
  return {
    name,
    ...Object.fromEntries(
      kept.flatMap(member => (item[member] === undefined ? [] : [[member, item[member]]]))
    )
  }
}

function toolOf (name: string, tool: Lists['tools'][number], forward: Forward): Tool {
  const { inputSchema, outputSchema, annotations } = tool
  const { mimeType: _, size: __, ...members } = shown(name, tool)
  return {
    ...members,
    name,
    input: inputSchema as JsonSchema,
    ...(outputSchema === undefined ? {} : { output: outputSchema as JsonSchema }),
    ...(annotations === undefined ? {} : { annotations: annotations as Tool['annotations'] & object }),
    handler: async (args, context) => {
      const { content, structuredContent, isError, _meta } = await forward(
        'tools/call',
        { name: tool.name, arguments: args },
        context
      )
      return {
        ...(content === undefined ? {} : { content }),
        ...(structuredContent === undefined ? {} : { structuredContent }),
        ...(isError === undefined ? {} : { isError }),
        ...(_meta === undefined ? {} : { _meta })
      } as Awaited<ReturnType<Tool['handler']>>
    }
  }
}

function readBy (forward: Forward): (uri: string, context: CallContext) => Promise<never> {
  return async (uri, context) => (await forward('resources/read', { uri }, context)).contents as never
}

function templateOf (name: string, template: Lists['templates'][number], forward: Forward): Resource {
  const { uriTemplate } = template
  const variables = [...uriTemplate.matchAll(/\{(\w+)\}/g)].map(([, variable = '']) => variable)
  const ref = { type: 'ref/resource', uri: uriTemplate }
  return {
    ...shown(name, template),
    name,
    uriTemplate,
    read: readBy(forward),
    complete: Object.fromEntries(variables.map(variable => [variable, completerOf(ref, variable, forward)]))
  } as Resource
}

function promptOf (name: string, prompt: Lists['prompts'][number], forward: Forward): Prompt {
  const { arguments: listed = [] } = prompt
  const input = z.object(Object.fromEntries(listed.map(({ name: argument, description, required }) => {
    const text = description === undefined ? z.string() : z.string().describe(description)
    return [argument, required === true ? text : text.optional()]
  })))
  const ref = { type: 'ref/prompt', name: prompt.name }
  const { mimeType: _, size: __, annotations: ___, ...members } = shown(name, prompt)
  return {
    ...members,
    name,
    input,
    complete: Object.fromEntries(
      listed.map(({ name: argument }) => [argument, completerOf(ref, argument, forward)])
    ),
    handler: async (args, context) =>
      (await forward('prompts/get', { name: prompt.name, arguments: args }, context)) as never
  }
}

/** If the upstream fails or has no completion, there are no suggestions. */
function completerOf (ref: Params, name: string, forward: Forward): Completer {
  return async (value, context) => {
    try {
      const { completion } = await forward(
        'completion/complete',
        { ref, argument: { name, value }, context: { arguments: context.arguments } },
        context
      )
      return (completion as { values: readonly string[] }).values
    } catch {
      return []
    }
  }
}
