/** The apps of an endpoint: each is a tool and a page, which are added and removed together. */
import type { FreezeGate } from '../../freeze/freezes.js'
import { isRecord } from '../../lib/guards.js'
import type { App } from '../../tools/app.js'
import type { Resource } from '../../tools/resource.js'
import type { Item, Tool } from '../../tools/tool.js'
import type { ResourceRegistry } from './resource-registry.js'
import type { RightsGate } from './rights.js'
import type { ToolRegistry } from './tool-registry.js'

export interface AppRegistryOptions {
  readonly tools: ToolRegistry
  readonly resources: ResourceRegistry
  readonly rights: RightsGate
  readonly freezes: FreezeGate | undefined
}

/** What was removed, as callers saw it. */
export interface RemovedApp {
  readonly tool: Tool
  readonly page: Item
}

export class AppRegistry {
  readonly #tools: ToolRegistry
  readonly #resources: ResourceRegistry
  readonly #rights: RightsGate
  readonly #freezes: FreezeGate | undefined
  readonly #apps = new Map<string, App>()
  readonly #listeners = new Set<() => void>()

  constructor ({ tools, resources, rights, freezes }: AppRegistryOptions) {
    this.#tools = tools
    this.#resources = resources
    this.#rights = rights
    this.#freezes = freezes
  }

  get isEmpty (): boolean {
    return this.#apps.size === 0
  }

  /** Returns the tool as it is served. Throws if the tool or the page is invalid or taken; nothing is added then. */
  put (app: App): Tool {
    requireApp(app)
    const tool = this.#tools.put(app.tool)
    try {
      this.#resources.put(this.#viewOf(app))
    } catch (error) {
      this.#tools.remove(tool.name)
      throw error
    }
    this.#change(() => { this.#apps.set(app.name, app) })
    return tool
  }

  /** `undefined` if there is no such app. */
  remove (name: string): RemovedApp | undefined {
    const app = this.#apps.get(name)
    if (app === undefined) return undefined
    const tool = this.#tools.get(app.tool.name)?.item ?? app.tool
    // The host may have replaced the tool by another one of the same name.
    if (this.#tools.holds(app.tool)) this.#tools.remove(tool.name)
    this.#resources.remove(app.view.uri)
    this.#change(() => { this.#apps.delete(name) })
    return { tool, page: pageFor(app, tool) }
  }

  /** The page of the app with this tool, as an item that the same callers see: for notifications. */
  pageOf (tool: Item): Item | undefined {
    const app = [...this.#apps.values()].find(app => app.tool.name === tool.name)
    return app === undefined ? undefined : pageFor(app, tool)
  }

  /** Calls `listener` when the first app is added and when the last one is removed. */
  onFirstOrLast (listener: () => void): void {
    this.#listeners.add(listener)
  }

  #change (change: () => void): void {
    const wasEmpty = this.isEmpty
    change()
    if (wasEmpty !== this.isEmpty) for (const listener of this.#listeners) listener()
  }

  /** The page of an app has the access rules of its tool as it is currently served. */
  #viewOf ({ tool: { name }, view }: App): Resource {
    return {
      ...view,
      access: {
        allow: principal => {
          const tool = this.#tools.get(name)?.item
          if (tool === undefined || this.#freezes?.frozenFor(principal, name) !== undefined) return false
          return this.#rights.mayUse(principal, tool)
        }
      }
    }
  }
}

function requireApp (app: unknown): void {
  if (isRecord(app) && typeof app.name === 'string' && isRecord(app.tool) && isRecord(app.view)) return
  throw new TypeError('App: must be the result of defineApp')
}

/** The rule of the page itself reads the tool, which is gone when its removal is announced. */
function pageFor ({ view: { name } }: App, { access }: Item): Item {
  return access === undefined ? { name } : { name, access }
}
