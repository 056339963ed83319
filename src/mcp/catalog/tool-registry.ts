/** The tools of an endpoint. Handlers of tools are called only here. */
import { CancelledError, FrozenError, InvalidParamsError, NotAllowedError, UnknownToolError } from '../../errors.js'
import { type ToolPolicies, requirePolicies, requireTools, withPolicy } from '../../tools/tool-policies.js'
import type { JsonSchema, Meta, Schema } from '../../tools/content.js'
import type { Tool, ToolResult } from '../../tools/tool.js'
import { requireItem } from '../../tools/validate.js'
import { createContext, type ToolAccess } from '../exchange/handler-context.js'
import { CallHooks } from '../calls/call-hooks.js'
import { callWithin } from '../calls/nested-call.js'
import { type HeaderParameter, headerParameters } from './header-parameters.js'
import type { Exchange } from '../exchange/exchange.js'
import { Suspended } from '../exchange/suspended.js'
import { type CompiledSchema, compileObject } from '../schemas/compile.js'
import { Registry, type Registered } from './registry.js'
import type { Refusals, RightsGate } from './rights.js'
import { failed, failedBy } from '../calls/tool-errors.js'
import { requireSize } from '../calls/result-size.js'
import { toolResultOf } from '../calls/tool-result.js'
import { ToolLimits, ToolPlaces } from '../calls/tool-limits.js'
import type { FreezeGate } from '../../freeze/freezes.js'
import type { Limits } from '../../limits/limits.js'
import { isRecord } from '../../lib/guards.js'

export interface RegisteredTool extends Registered<Tool> {
  readonly input: CompiledSchema
  readonly output: CompiledSchema | undefined
  /** The arguments that are repeated in headers (MCP 2026-07-28, `x-mcp-header`). */
  readonly headers: readonly HeaderParameter[]
  /** The names of arguments whose values may be in an audit record. */
  readonly loggable: readonly string[]
  /** Missing if the tool has no limits. */
  readonly limits: ToolLimits | undefined
}

const refusals: Refusals = {
  unknown: reason => new UnknownToolError({ reason }),
  denied: reason => new NotAllowedError({ reason: `tool: ${reason}` })
}

export interface ToolRegistryOptions {
  /** Also apply to tools that are added later. */
  readonly policies?: ToolPolicies
  /** Whether a tool of this name may be added later. Default: none. */
  readonly laterTools?: ((name: string) => boolean) | undefined
  /** Where calls of tools with limits are counted. Default: in memory. */
  readonly limits?: Limits | undefined
  readonly freezes?: FreezeGate | undefined
  /** Add OAuth security schemes with scopes to tools in lists. Default false. */
  readonly securitySchemes?: boolean | undefined
  /** For tools without their own limit. Default: no limit. */
  readonly maxResultBytes?: number | undefined
}

export class ToolRegistry extends Registry<Tool, RegisteredTool> {
  #policies: ToolPolicies
  /** The tools as registered, without policies. */
  readonly #written = new Map<string, Tool>()
  readonly #places: ToolPlaces
  readonly #freezes: FreezeGate | undefined
  /** The app's hooks around calls. */
  readonly hooks = new CallHooks()
  readonly #maxResultBytes: number
  readonly #laterTools: (name: string) => boolean
  readonly #securitySchemes: boolean

  constructor (rights: RightsGate, options: ToolRegistryOptions = {}) {
    const { policies = {}, laterTools = () => false, limits, freezes } = options
    const { securitySchemes = false, maxResultBytes = Infinity } = options
    super(rights)
    requirePolicies(policies)
    this.#maxResultBytes = maxResultBytes
    this.#laterTools = laterTools
    this.#securitySchemes = securitySchemes
    this.#freezes = freezes
    this.#policies = policies
    this.#places = new ToolPlaces(limits)
  }

  /**
   * Serves a tool under its policies. Throws if it is invalid: a bad or repeated
   * name, a schema that does not compile, an invalid limit.
   */
  put (tool: Tool): Tool {
    requireItem('Tool', tool)
    const registered = this.#entryOf(withPolicy(tool, this.#policies))
    this.add(tool.name, registered)
    this.#written.set(tool.name, tool)
    return registered.item
  }

  /** True while this very tool is served. */
  holds (tool: Tool): boolean {
    return this.#written.get(tool.name) === tool
  }

  override remove (name: string): Tool | undefined {
    this.#written.delete(name)
    return super.remove(name)
  }

  /**
   * Replaces the policies of all tools; running calls keep the old ones. Returns the
   * tools whose policies changed, before and after. Throws if the policies name an unknown
   * tool or make one invalid; nothing changes in that case.
   */
  applyPolicies (policies: ToolPolicies): ReadonlyArray<readonly [before: Tool, now: Tool]> {
    requirePolicies(policies)
    requireTools(policies, name => this.#written.has(name) || this.#laterTools(name))
    const entries = [...this.#written]
      .filter(([name]) => policyText(policies, name) !== policyText(this.#policies, name))
      .map(([name, tool]) => ({
        name,
        before: this.get(name)?.item ?? tool,
        entry: this.#entryOf(withPolicy(tool, policies))
      }))
    this.#policies = policies
    for (const { name, entry } of entries) this.replace(name, entry)
    return entries.map(({ before, entry }) => [before, entry.item])
  }

  #entryOf (tool: Tool): RegisteredTool {
    const entry = entryOf(tool, this.#places)
    return this.#securitySchemes ? { ...entry, wire: withSchemes(entry.wire, tool) } : entry
  }

  /** The tool functions for a handler of `exchange`. */
  accessOf (exchange: Exchange, depth = 0): ToolAccess {
    return {
      tools: () => this.names(exchange.caller.principal),
      call: async (name, args = {}) =>
        await callWithin(
          exchange,
          name,
          depth + 1,
          async child => await this.call({ name, arguments: args }, child, depth + 1)
        )
    }
  }

  /**
   * Calls a tool for the caller of `exchange`. Invalid arguments and failed tools
   * give results with `isError`. Throws a refusal for a tool that this caller does not have. `depth`: how many
   * calls this one is nested in.
   */
  async call (params: Record<string, unknown>, exchange: Exchange, depth = 0): Promise<ToolResult> {
    const { name, arguments: args = {} } = params
    if (typeof name !== 'string' || !isRecord(args)) {
      throw new InvalidParamsError({ reason: 'name must be a string, and arguments must be an object' })
    }
    const held: HeldPlaces = {}
    try {
      const { principal } = exchange.caller
      const registered = this.rights.admit(this.get(name), principal, refusals)
      const frozen = this.#freezes?.frozenFor(principal, name)
      if (frozen !== undefined) throw new FrozenError({ reason: `${frozen} is frozen` })
      const work = run(registered, args, exchange, held, {
        access: this.accessOf(exchange, depth),
        hooks: this.hooks
      })
      if (registered.limits !== undefined) {
        work.then(
          () => held.leave?.(),
          () => held.leave?.()
        )
      }
      const result = await exchange.race(work)
      requireSize(result, registered.item.maxResultBytes ?? this.#maxResultBytes)
      if (result.isError === true && exchange.why === undefined) exchange.failTool()
      return result
    } catch (error) {
      if (!Suspended.is(error)) return failedBy(error, exchange)
      // The promise never settles: the answer reaches another run of the handler.
      held.leave?.()
      throw error
    }
  }
}

/** The values for one run of a handler. */
interface Surroundings {
  readonly access: ToolAccess
  readonly hooks: CallHooks
}

/** The places that a call holds until its handler ends. */
interface HeldPlaces {
  leave?: () => void
}

/** Values that are available are not awaited: every promise on this path slows every call. */
async function run (
  { item, input, output, limits, loggable }: RegisteredTool,
  args: Record<string, unknown>,
  exchange: Exchange,
  held: HeldPlaces,
  { access, hooks }: Surroundings
): Promise<ToolResult> {
  const entered = exchange.enter(item, loggable)
  if (entered !== undefined) await entered
  const judged = input.check(args)
  const checked = judged instanceof Promise ? await judged : judged
  if (!checked.ok) return failed(`Invalid arguments. ${checked.problem}`, exchange, new InvalidParamsError())
  if (limits !== undefined) held.leave = await limits.admit(exchange.caller.principal)
  // The caller may have left meanwhile and cannot be answered, so the handler is not started.
  if (exchange.ended) throw exchange.refusal ?? new CancelledError()
  const context = createContext(exchange, access)
  if (!hooks.isIdle) {
    const call = { name: item.name, tool: item, args: checked.value, principal: exchange.caller.principal, context }
    return await hooks.around(call, async () =>
      await toolResultOf(item.name, output, await item.handler(checked.value, context))
    )
  }
  const given: unknown = await item.handler(checked.value, context)
  const result = toolResultOf(item.name, output, given)
  return result instanceof Promise ? await result : result
}

/** The policies of one tool as text, to compare them. */
function policyText ({ default: fallback, tools = {} }: ToolPolicies, name: string): string {
  return JSON.stringify([fallback, Object.hasOwn(tools, name) ? tools[name] : undefined])
}

const noProperties = { type: 'object', properties: {}, additionalProperties: false } as const

/** Models send stray arguments to tools without input: drop them. */
const noInput: CompiledSchema = {
  check: () => ({ ok: true, value: {} }),
  isWireForm: true,
  checkWire: () => ({ ok: true }),
  wire: noProperties
}

function entryOf (tool: Tool, places: ToolPlaces): RegisteredTool {
  const input = tool.input === undefined ? noInput : compiled(tool, 'input', tool.input)
  const output = tool.output === undefined ? undefined : compiled(tool, 'output', tool.output)
  const { name, title, description, annotations, icons, rate, concurrency } = tool
  const _meta = metaOf(tool)
  return {
    limits: rate === undefined && concurrency === undefined ? undefined : new ToolLimits(tool, places),
    item: tool,
    input,
    output,
    headers: headerParameters(input.wire, name),
    loggable: loggableIn(input.wire),
    // JSON omits undefined members.
    wire: { name, title, description, inputSchema: input.wire, outputSchema: output?.wire, annotations, icons, _meta }
  }
}

/** The tool's `_meta`, plus its visibility (MCP Apps, Resource Discovery, Visibility). */
function metaOf ({ _meta, visibility }: Tool): Meta | undefined {
  if (visibility === undefined) return _meta
  return { ..._meta, ui: { ...(isRecord(_meta?.ui) ? _meta.ui : {}), visibility } }
}

/**
 * `securitySchemes` for ChatGPT (OpenAI Apps SDK, Reference, Tool descriptor), also in `_meta` for clients that drop
 * unknown members. Never `noauth`: every call needs a credential.
 */
function withSchemes (wire: object, tool: Tool): object {
  const { scopes = [] } = tool.access ?? {}
  const securitySchemes = [{ type: 'oauth2', ...(scopes.length === 0 ? {} : { scopes }) }]
  return { ...wire, securitySchemes, _meta: { ...metaOf(tool), securitySchemes } }
}

/** The properties marked `loggable` by the author; in zod with `.meta({ loggable: true })`. */
function loggableIn ({ properties }: JsonSchema): readonly string[] {
  if (!isRecord(properties)) return []
  return Object.entries(properties).flatMap(([name, property]) =>
    isRecord(property) && property.loggable === true ? [name] : []
  )
}

function compiled ({ name }: Tool, io: 'input' | 'output', schema: Schema): CompiledSchema {
  try {
    return compileObject(schema, io)
  } catch (error) {
    throw new TypeError(
      `Tool ${name}, ${io} schema: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error }
    )
  }
}
