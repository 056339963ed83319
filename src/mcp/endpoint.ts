/** The operations of a running endpoint, for the host app. */
import { randomUUID } from 'node:crypto'
import { type CallerFields, type Principal, principalOf } from '../principal/principal.js'
import type { App } from '../tools/app.js'
import type { Prompt } from '../tools/prompt.js'
import type { Resource } from '../tools/resource.js'
import type { Item, Tool, ToolResult } from '../tools/tool.js'
import type { AfterCall, BeforeCall, HookOptions } from './calls/call-hooks.js'
import { Exchange } from './exchange/exchange.js'
import type { ToolPolicies } from '../tools/tool-policies.js'
import { longestTimerMs } from '../lib/timers.js'
import type { Catalog } from './catalog/catalog.js'
import type { WatchListener } from './catalog/changes.js'

export interface Endpoint {
  /** Throws if the item is invalid; nothing is added in that case. */
  addTool: (tool: Tool) => void
  addResource: (resource: Resource) => void
  addPrompt: (prompt: Prompt) => void
  /** Adds the tool and the page of an app; neither if one of them is invalid or taken. */
  addApp: (app: App) => void
  /** False if there is no such item. */
  removeTool: (name: string) => boolean
  removeResource: (uri: string) => boolean
  removePrompt: (name: string) => boolean
  /** Removes the tool and the page of an app. */
  removeApp: (name: string) => boolean
  /** The names of the tools that `principal` may use. */
  toolsOf: (principal: Principal) => readonly string[]
  /**
   * The tools as served, by name: with `tags`, those that have one of the tags; with `principal`, those
   * that it may use.
   */
  listTools: (filter?: { readonly tags?: readonly string[], readonly principal?: Principal }) => readonly Tool[]
  /** The scopes in the access rules of all current items. */
  scopes: () => readonly string[]
  /**
   * Notifies subscribers that the resource at `uri` has changed. `principalId`: notifies only this principal.
   */
  resourceUpdated: (uri: string, principalId?: string) => void
  /**
   * Calls `listener` for each resource that a caller subscribes to on this instance. The function that it returns is
   * called when that subscription ends.
   */
  onSubscribed: (listener: WatchListener) => void
  /**
   * Replaces `toolPolicies` for all tools. Throws a `ToolPolicyError` if the policies
   * name an unknown tool; nothing changes in that case.
   */
  applyToolPolicies: (policies: ToolPolicies) => void
  /**
   * Drops the cached result of `verifyKey` for this key. Its next request is verified again, and its streams and calls
   * end unless `stillGood` confirms the key. Does nothing without `verifyKey`.
   */
  forget: (keyId: string) => void
  /** Runs `hook` before each permitted call, which it may refuse by throwing. Returns a function that removes it. */
  beforeCall: (hook: BeforeCall, options?: HookOptions) => () => void
  /** Runs `hook` after each call, without awaiting it; errors are logged. Returns a function that removes it. */
  afterCall: (hook: AfterCall, options?: HookOptions) => () => void
  /**
   * Calls a tool in process for `principal`: its rights and the tool's own limits apply, the caller's limit does
   * not. Resolves to the result, also if it has `isError`. Rejects with a refusal if `principal` does not
   * have the tool, or if the endpoint's deadline passes.
   */
  callTool: (principal: CallerFields, name: string, args?: Record<string, unknown>) => Promise<ToolResult>
}

type Kind = 'tools' | 'resources' | 'prompts'

/** What the plugin provides for the operations of the endpoint. */
export interface OperationsPlace {
  /** Called for each added item, as it is served. */
  readonly taken: (item: Item) => void
  readonly forget?: Endpoint['forget']
  /** Creates the exchange of an in-process call. */
  readonly open?: (principal: Principal) => Exchange
  /** Called when the in-process call has ended. */
  readonly over?: (exchange: Exchange) => void
}

export function operationsOf (
  { tools, resources, prompts, apps, changes, rights }: Catalog,
  { taken, forget = () => {}, open = inProcess, over = () => {} }: OperationsPlace
): Endpoint {
  /** The page of an app is added and removed with its tool. */
  const tell = (kind: Kind, item: Item): void => {
    changes.publish({ kind, item })
    const page = kind === 'tools' ? apps.pageOf(item) : undefined
    if (page !== undefined) changes.publish({ kind: 'resources', item: page })
  }
  const came = (kind: Kind, item: Item): void => {
    taken(item)
    tell(kind, item)
  }
  /** False if there was no such item. */
  const gone = (kind: Kind, item: Item | undefined): boolean => {
    if (item !== undefined) tell(kind, item)
    return item !== undefined
  }
  return {
    addTool: tool => {
      came('tools', tools.put(tool))
    },
    addResource: resource => {
      came('resources', resources.put(resource))
    },
    addPrompt: prompt => {
      came('prompts', prompts.put(prompt))
    },
    removeTool: name => gone('tools', tools.remove(name)),
    removeResource: uri => gone('resources', resources.remove(uri)),
    removePrompt: name => gone('prompts', prompts.remove(name)),
    addApp: app => {
      came('tools', apps.put(app))
    },
    removeApp: name => {
      const removed = apps.remove(name)
      return gone('tools', removed?.tool) && gone('resources', removed?.page)
    },
    forget,
    beforeCall: (hook, options) => tools.hooks.before(hook, options),
    afterCall: (hook, options) => tools.hooks.after(hook, options),
    callTool: async (principal, name, args = {}) => {
      const exchange = open(principalOf('callTool', principal))
      exchange.begin('tools/call', { name, arguments: args })
      try {
        const { content, structuredContent, isError, _meta } = await exchange.within(
          () => tools.call({ name, arguments: args }, exchange)
        )
        return defined({ content, structuredContent, isError, _meta })
      } catch (error) {
        exchange.refuse(error)
        throw error
      } finally {
        exchange.end()
        over(exchange)
      }
    },
    toolsOf: principal => tools.names(principal),
    listTools: ({ tags, principal } = {}) => {
      if (tags !== undefined && !Array.isArray(tags)) throw new TypeError('listTools: tags must be a list')
      return [...tools.values()]
        .map(({ item }) => item)
        .filter(
          item =>
            (tags === undefined || item.tags?.some(tag => tags.includes(tag)) === true) &&
            (principal === undefined || rights.mayUse(principal, item))
        )
    },
    scopes: () => {
      const all = [tools, resources.fixed, resources.templates, prompts].flatMap(registry => [
        ...registry.values()
      ])
      return [...new Set(all.flatMap(({ item }) => item.access?.scopes ?? []))].sort()
    },
    resourceUpdated: (uri, principalId) => {
      changes.publish({ kind: 'resource', uri, to: principalId })
    },
    onSubscribed: listener => { changes.onWatch(listener) },
    applyToolPolicies: policies => {
      for (const [before, now] of tools.applyPolicies(policies)) {
        // Notify also callers that can no longer see it.
        tell('tools', before)
        came('tools', now)
      }
    }
  }
}

/** The exchange of an in-process call, for a catalog without a server. */
function inProcess (principal: Principal): Exchange {
  return new Exchange({ principal, requestId: randomUUID(), budget: async () => null, charge: async () => {} }, 60_000)
}

function defined (result: { [K in keyof ToolResult]: ToolResult[K] | undefined }): ToolResult {
  return Object.fromEntries(Object.entries(result).filter(([, value]) => value !== undefined)) as ToolResult
}

/** How long a caller may have to wait for the first byte of an answer that was already sent. */
export function longestSilenceMs ({ tools, resources, prompts }: Catalog, requestTimeoutMs: number): number {
  let longest = requestTimeoutMs
  for (const registry of [tools, resources.fixed, resources.templates, prompts]) {
    for (const { item: { deadlineMs = 0 } } of registry.values()) longest = Math.max(longest, deadlineMs)
  }
  return Math.min(longestTimerMs, longest + 10_000)
}
