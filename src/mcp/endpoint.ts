/** What the host may do with a running endpoint. */
import { randomUUID } from 'node:crypto'
import { freezePrincipal, type Principal, type PrincipalFields } from '../principal/principal.js'
import type { Prompt } from '../tools/prompt.js'
import type { Resource } from '../tools/resource.js'
import type { Item, Tool, ToolResult } from '../tools/tool.js'
import type { AfterCall, BeforeCall, HookOptions } from './calls/call-hooks.js'
import { Exchange } from './exchange/exchange.js'
import type { ToolPolicies } from '../tools/tool-policies.js'
import { longestTimerMs } from '../lib/timers.js'
import type { Catalog } from './catalog/catalog.js'

export interface Endpoint {
  /** Throws where the item can't be served; nothing is added then. */
  addTool: (tool: Tool) => void
  addResource: (resource: Resource) => void
  addPrompt: (prompt: Prompt) => void
  /** False where there is no such item. */
  removeTool: (name: string) => boolean
  removeResource: (uri: string) => boolean
  removePrompt: (name: string) => boolean
  /** The names of the tools that `principal` may use. */
  toolsOf: (principal: Principal) => readonly string[]
  /**
   * The tools as they are served, by name: with `tags` those that have one of them, with `principal` those
   * that it may use.
   */
  listTools: (filter?: { readonly tags?: readonly string[], readonly principal?: Principal }) => readonly Tool[]
  /** The scopes that access rules name, of all items there are at the moment. */
  scopes: () => readonly string[]
  /** Tells subscribers that the resource at `uri` has other contents now. */
  resourceUpdated: (uri: string) => void
  /** `listener` hears of each resource that a caller subscribes to, on this instance. */
  onSubscribed: (listener: (uri: string) => void) => void
  /**
   * Serves all tools under these policies from now on, in place of `toolPolicies`. Throws a `ToolPolicyError` where
   * they name an unknown tool; all stays as it was then.
   */
  applyToolPolicies: (policies: ToolPolicies) => void
  /**
   * The next request with this key of `verifyKey` is looked up anew, and its streams and calls end unless `stillGood`
   * says yes. Does nothing where no key is looked up.
   */
  forget: (keyId: string) => void
  /**
   * Runs `hook` before each call that its caller may make, and may refuse it by throwing. Returns how to take it back.
   */
  beforeCall: (hook: BeforeCall, options?: HookOptions) => () => void
  /**
   * Tells `hook` how each call ended. Nobody waits for it, and what it throws is logged. Returns how to
   * take it back.
   */
  afterCall: (hook: AfterCall, options?: HookOptions) => () => void
  /**
   * Calls a tool in process, in the name of `principal`: its rights and the tool's own limits count, and there is no
   * budget. Resolves to the result, also where that is `isError`. Rejects with a refusal where `principal` does not
   * have the tool, and with one after the endpoint's deadline.
   */
  callTool: (principal: CallerFields, name: string, args?: Record<string, unknown>) => Promise<ToolResult>
}

/** A principal, or as much of one as has to be said: role `user` and no scopes where left out. */
export type CallerFields = Pick<PrincipalFields, 'id'> & Partial<PrincipalFields>

/** What the endpoint's operations need of the plugin around it. */
export interface OperationsPlace {
  /** Hears of each item that comes, as it is served. */
  readonly taken: (item: Item) => void
  readonly forget?: Endpoint['forget']
  /** Makes the exchange of a call in process. */
  readonly open?: (principal: Principal) => Exchange
  /** Hears of it when the call has ended. */
  readonly over?: (exchange: Exchange) => void
}

export function operationsOf (
  { tools, resources, prompts, changes, rights }: Catalog,
  { taken, forget = () => {}, open = inProcess, over = () => {} }: OperationsPlace
): Endpoint {
  const came = (kind: 'tools' | 'resources' | 'prompts', item: Item): void => {
    taken(item)
    changes.publish({ kind, item })
  }
  /** False where there was no such item. */
  const gone = (kind: 'tools' | 'resources' | 'prompts', item: Item | undefined): boolean =>
    item !== undefined && changes.publish({ kind, item })
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
    forget,
    beforeCall: (hook, options) => tools.hooks.before(hook, options),
    afterCall: (hook, options) => tools.hooks.after(hook, options),
    callTool: async (principal, name, args = {}) => {
      const exchange = open(freezePrincipal({ role: 'user', scopes: [], method: 'api-key', ...principal }))
      exchange.begin('tools/call', { name, arguments: args })
      try {
        const { content, structuredContent, isError, _meta } = await tools.call(
          { name, arguments: args },
          exchange
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
    listTools: ({ tags, principal } = {}) =>
      [...tools.values()]
        .map(({ item }) => item)
        .filter(
          item =>
            (tags === undefined || item.tags?.some(tag => tags.includes(tag)) === true) &&
            (principal === undefined || rights.mayUse(principal, item))
        ),
    scopes: () => {
      const all = [tools, resources.fixed, resources.templates, prompts].flatMap(registry => [
        ...registry.values()
      ])
      return [...new Set(all.flatMap(({ item }) => item.access?.scopes ?? []))].sort()
    },
    resourceUpdated: uri => {
      changes.publish({ kind: 'resource', uri })
    },
    onSubscribed: listener => { changes.onSubscribed(listener) },
    applyToolPolicies: policies => {
      for (const [before, now] of tools.applyPolicies(policies)) {
        // Also for those who see it no more.
        changes.publish({ kind: 'tools', item: before })
        came('tools', now)
      }
    }
  }
}

/** For a catalog without a server around it. */
function inProcess (principal: Principal): Exchange {
  return new Exchange({ principal, requestId: randomUUID(), budget: async () => null, charge: async () => {} }, 60_000)
}

function defined (result: { [K in keyof ToolResult]: ToolResult[K] | undefined }): ToolResult {
  return Object.fromEntries(Object.entries(result).filter(([, value]) => value !== undefined)) as ToolResult
}

/** How long a caller may have to wait for the first byte of an answer, which is then on its way. */
export function longestSilenceMs ({ tools, resources, prompts }: Catalog, requestTimeoutMs: number): number {
  let longest = requestTimeoutMs
  for (const registry of [tools, resources.fixed, resources.templates, prompts]) {
    for (const { item: { deadlineMs = 0 } } of registry.values()) longest = Math.max(longest, deadlineMs)
  }
  return Math.min(longestTimerMs, longest + 10_000)
}
