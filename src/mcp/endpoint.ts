/** What the host may do with a running endpoint. */
import type { Principal } from '../principal/principal.js'
import type { Prompt } from '../tools/prompt.js'
import type { Resource } from '../tools/resource.js'
import type { Item, Tool } from '../tools/tool.js'
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
  /** The scopes that access rules name, of all items there are at the moment. */
  scopes: () => readonly string[]
  /** Tells subscribers that the resource at `uri` has other contents now. */
  resourceUpdated: (uri: string) => void
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
}

/** `taken` hears of each item that comes, as it is served. */
export function operationsOf ({ tools, resources, prompts, changes }: Catalog, taken: (item: Item) => void, forget: Endpoint['forget'] = () => {}): Endpoint {
  const came = (kind: 'tools' | 'resources' | 'prompts', item: Item): void => {
    taken(item)
    changes.publish({ kind, item })
  }
  /** False where there was no such item. */
  const gone = (kind: 'tools' | 'resources' | 'prompts', item: Item | undefined): boolean => item !== undefined && changes.publish({ kind, item })
  return {
    addTool: tool => { came('tools', tools.put(tool)) },
    addResource: resource => { came('resources', resources.put(resource)) },
    addPrompt: prompt => { came('prompts', prompts.put(prompt)) },
    removeTool: name => gone('tools', tools.remove(name)),
    removeResource: uri => gone('resources', resources.remove(uri)),
    removePrompt: name => gone('prompts', prompts.remove(name)),
    forget,
    toolsOf: principal => tools.names(principal),
    scopes: () => {
      const all = [tools, resources.fixed, resources.templates, prompts].flatMap(registry => [...registry.values()])
      return [...new Set(all.flatMap(({ item }) => item.access?.scopes ?? []))].sort()
    },
    resourceUpdated: uri => { changes.publish({ kind: 'resource', uri }) },
    applyToolPolicies: policies => {
      for (const [before, now] of tools.applyPolicies(policies)) {
        // Also for those who see it no more.
        changes.publish({ kind: 'tools', item: before })
        came('tools', now)
      }
    }
  }
}

/** How long a caller may have to wait for the first byte of an answer, which is then on its way. */
export function longestSilenceMs ({ tools, resources, prompts }: Catalog, requestTimeoutMs: number): number {
  let longest = requestTimeoutMs
  for (const registry of [tools, resources.fixed, resources.templates, prompts]) {
    for (const { item: { deadlineMs = 0 } } of registry.values()) longest = Math.max(longest, deadlineMs)
  }
  return Math.min(longestTimerMs, longest + 10_000)
}
