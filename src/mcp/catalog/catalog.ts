/** All items of an endpoint, independent of the era: turns a method and its parameters into a result. */
import { FrozenError, InvalidParamsError, UnknownMethodError } from '../../errors.js'
import type { Limits } from '../../limits/limits.js'
import type { Principal } from '../../principal/principal.js'
import { type ToolPolicies, requireTools } from '../../tools/tool-policies.js'
import type { Prompt } from '../../tools/prompt.js'
import type { Completer, Resource } from '../../tools/resource.js'
import { type App, appsExtension, appType } from '../../tools/app.js'
import type { Item, Tool } from '../../tools/tool.js'
import type { Bus } from '../../fleet/bus.js'
import type { FreezeGate } from '../../freeze/freezes.js'
import { AppRegistry } from './app-registry.js'
import { type Change, Changes } from './changes.js'
import { type AccessOf, createCompletionContext } from '../exchange/handler-context.js'
import type { Exchange } from '../exchange/exchange.js'
import { isListOf, isRecord } from '../../lib/guards.js'
import { inPublicWords } from '../calls/public-words.js'
import { PromptRegistry } from './prompt-registry.js'
import { ResourceRegistry } from './resource-registry.js'
import { type ReportRule, RightsGate } from './rights.js'
import { ToolRegistry } from './tool-registry.js'

export interface ServerInfo {
  readonly name: string
  readonly version: string
  readonly title?: string
  /** One sentence of at most 100 characters. */
  readonly description?: string
}

export interface CatalogOptions {
  readonly info: ServerInfo
  /** Instructions for the client's model, sent when it connects. */
  readonly instructions?: string | undefined
  readonly tools: readonly Tool[]
  readonly resources?: readonly Resource[]
  readonly prompts?: readonly Prompt[]
  /** Tools with a page. */
  readonly apps?: readonly App[]
  readonly toolPolicies?: ToolPolicies
  /** Returns true for names of tools that may be added later. */
  readonly laterTools?: (name: string) => boolean
  /** Where calls of tools with limits are counted. Default: in memory. */
  readonly limits?: Limits | undefined
  /** Publishes changes to other instances. Default: none. */
  readonly bus?: Bus | undefined
  /** What the operator switched off. Default: nothing. */
  readonly freezes?: FreezeGate | undefined
  /** Add OAuth security schemes to tools in lists. Default false. */
  readonly securitySchemes?: boolean | undefined
  /** The largest result of a tool without its own limit, in bytes. Default: no limit. */
  readonly maxResultBytes?: number | undefined
  /** Called when an access rule fails. */
  readonly reportRule?: ReportRule
}

const maxCompletions = 100
/** Methods that a frozen caller may not use. Calls of tools are checked with the tool. */
const usesAnItem: ReadonlySet<string> = new Set(['resources/read', 'prompts/get', 'completion/complete'])

export class Catalog {
  readonly info: ServerInfo
  readonly instructions: string | undefined
  readonly tools: ToolRegistry
  readonly resources: ResourceRegistry
  readonly prompts: PromptRegistry
  readonly rights: RightsGate
  readonly changes: Changes
  readonly apps: AppRegistry
  readonly #freezes: FreezeGate | undefined

  constructor ({
    info,
    instructions,
    tools,
    resources = [],
    prompts = [],
    apps = [],
    toolPolicies = {},
    laterTools = () => false,
    limits,
    bus,
    freezes,
    reportRule,
    securitySchemes,
    maxResultBytes
  }: CatalogOptions) {
    this.#freezes = freezes
    this.changes = new Changes((kind, name) => this.#named(kind, name), bus)
    this.rights = new RightsGate(reportRule)
    const limited = { policies: toolPolicies, laterTools, limits, freezes, maxResultBytes }
    this.tools = new ToolRegistry(this.rights, { ...limited, securitySchemes })
    const accessOf: AccessOf = exchange => this.tools.accessOf(exchange)
    this.resources = new ResourceRegistry(this.rights, accessOf)
    this.prompts = new PromptRegistry(this.rights, accessOf)
    this.info = info
    this.instructions = instructions
    this.apps = new AppRegistry({ tools: this.tools, resources: this.resources, rights: this.rights, freezes })
    for (const tool of tools) this.tools.put(tool)
    for (const app of apps) this.apps.put(app)
    requireTools(toolPolicies, name => this.tools.get(name) !== undefined || laterTools(name))
    for (const resource of resources) this.resources.put(resource)
    for (const prompt of prompts) this.prompts.put(prompt)
  }

  /**
   * The capabilities in `initialize` and `server/discover`. `live`: changes can be announced as they happen.
   * All kinds are always declared, because the first prompt may be added when a server or session is already open.
   */
  capabilities (live: boolean): Record<string, object> {
    const changing = live ? { listChanged: true } : {}
    return {
      tools: changing,
      resources: live ? { listChanged: true, subscribe: true } : {},
      prompts: changing,
      completions: {},
      logging: {},
      ...(this.apps.isEmpty ? {} : { extensions: { [appsExtension]: { mimeTypes: [appType] } } })
    }
  }

  /** True if `principal` may be told of `change`; otherwise the notification would reveal a hidden item. */
  mayLearn (principal: Principal, change: Change): boolean {
    return change.kind === 'resource'
      ? this.resources.mayRead(principal, change.uri)
      : this.rights.sees(principal, change.item)
  }

  /** Begins a watch of a resource that the principal may read. Returns a function that ends it. */
  watchResource (principalId: string, uri: string): () => void {
    const found = this.resources.find(uri)
    if (found === undefined) return () => {}
    const { item } = found
    return this.changes.watch({ uri: found.uri, resource: item.uri ?? item.uriTemplate ?? uri, principalId })
  }

  /**
   * Throws the challenge for the item that a request names. Call it before the reply begins:
   * a stream can no longer send a 403. `forgets`: see `Rights.denial`.
   */
  challenge (body: unknown, principal: Principal, forgets: boolean): void {
    if (!isRecord(body) || !isRecord(body.params)) return
    const item = this.#asked(body.method, body.params)
    if (item?.access?.denied !== 'challenge') return
    const denial = this.rights.denial(principal, item, forgets)
    if (typeof denial === 'object') throw denial
  }

  #named (kind: 'tools' | 'prompts' | 'resources', name: string): Item | undefined {
    if (kind === 'tools') return this.tools.get(name)?.item
    if (kind === 'prompts') return this.prompts.get(name)?.item
    for (const list of [this.resources.fixed, this.resources.templates]) {
      for (const { item } of list.values()) if (item.name === name) return item
    }
    return undefined
  }

  /** The item that a request names, without checking rights. */
  #asked (method: unknown, { name, uri, ref }: Record<string, unknown>): Item | undefined {
    switch (method) {
      case 'tools/call':
        return typeof name === 'string' ? this.tools.get(name)?.item : undefined
      case 'prompts/get':
        return typeof name === 'string' ? this.prompts.get(name)?.item : undefined
      case 'resources/read':
      case 'resources/subscribe':
        return typeof uri === 'string' ? this.resources.find(uri)?.item : undefined
      case 'completion/complete':
        if (!isRecord(ref)) return undefined
        return ref.type === 'ref/prompt' ? this.#asked('prompts/get', ref) : this.resources.listed(ref.uri)
      default:
        return undefined
    }
  }

  /** Rejects with a refusal if the method or its parameters are invalid. */
  dispatch (
    method: string,
    params: Record<string, unknown>,
    exchange: Exchange
  ): Promise<Record<string, unknown>> {
    return exchange.within(() => this.#dispatch(method, params, exchange))
  }

  #dispatch (
    method: string,
    params: Record<string, unknown>,
    exchange: Exchange
  ): Promise<Record<string, unknown>> {
    if (method === 'tools/call') {
      return this.tools.call(params, exchange) as Promise<object> as Promise<Record<string, unknown>>
    }
    return this.#answer(method, params, exchange)
  }

  async #answer (
    method: string,
    params: Record<string, unknown>,
    exchange: Exchange
  ): Promise<Record<string, unknown>> {
    const { principal } = exchange.caller
    if (usesAnItem.has(method)) requireThawed(this.#freezes, principal)
    switch (method) {
      case 'tools/list':
        return { tools: whole(params, this.tools.list(principal)) }
      case 'resources/list':
        return { resources: whole(params, this.resources.fixed.list(principal)) }
      case 'resources/templates/list':
        return { resourceTemplates: whole(params, this.resources.templates.list(principal)) }
      case 'resources/read':
        return { ...(await this.resources.read(params, exchange)) }
      case 'prompts/list':
        return { prompts: whole(params, this.prompts.list(principal)) }
      case 'prompts/get':
        return { ...(await this.prompts.render(params, exchange)) }
      case 'completion/complete':
        return { completion: await this.#complete(params, exchange) }
      default:
        throw new UnknownMethodError()
    }
  }

  /** MCP 2025-11-25, Completion: at most 100 values; an empty list if there are none. */
  async #complete (
    { ref, argument, context: known = {} }: Record<string, unknown>,
    exchange: Exchange
  ): Promise<object> {
    const given = isRecord(known) ? (known.arguments ?? {}) : undefined
    if (
      !isRecord(argument) ||
      typeof argument.name !== 'string' ||
      typeof argument.value !== 'string' ||
      !isTexts(given)
    ) {
      throw new InvalidParamsError({ reason: 'a completion needs an argument, and its context must contain strings' })
    }
    const item = this.#referred(ref, exchange.caller.principal)
    const { name, value } = argument
    const completers: Readonly<Record<string, Completer | undefined>> | undefined =
      'complete' in item ? item.complete : undefined
    const complete =
      completers !== undefined && Object.hasOwn(completers, name) ? completers[name] : undefined
    if (complete === undefined) return { values: [], total: 0, hasMore: false }
    await exchange.enter(item)
    const context = createCompletionContext(exchange, this.tools.accessOf(exchange), given)
    const work = async (): Promise<readonly string[]> => await complete(value, context)
    const values = await exchange.race(inPublicWords(work()))
    if (!isListOf(values, text => typeof text === 'string')) {
      throw new TypeError(`${item.name} completed ${name} with something other than an array of strings`)
    }
    return {
      values: values.slice(0, maxCompletions),
      total: values.length,
      hasMore: values.length > maxCompletions
    }
  }

  #referred (ref: unknown, principal: Principal): Prompt | Resource {
    if (isRecord(ref) && ref.type === 'ref/prompt') return this.prompts.find(ref.name, principal).item
    if (isRecord(ref) && ref.type === 'ref/resource') return this.resources.named(ref.uri, principal)
    throw new InvalidParamsError({ reason: 'a completion for something other than a prompt or a resource' })
  }
}

function isTexts (value: unknown): value is Record<string, string> {
  return isRecord(value) && Object.values(value).every(text => typeof text === 'string')
}

/** Lists are never paged, so any cursor is invalid. Some clients send an empty one for none. */
function whole (params: Record<string, unknown>, list: readonly object[]): readonly object[] {
  if (params.cursor !== undefined && params.cursor !== '') {
    throw new InvalidParamsError({ reason: 'an unknown cursor' })
  }
  return list
}

function requireThawed (freezes: FreezeGate | undefined, principal: Principal): void {
  const target = freezes?.frozenFor(principal)
  if (target !== undefined) throw new FrozenError({ reason: `${target} is frozen` })
}
