/** The tools of an endpoint: the one place where a tool's handler is called. */
import { CancelledError, FrozenError, InvalidParamsError, NotAllowedError, UnknownToolError } from '../../errors.js'
import { type ToolPolicies, requireTools, withPolicy } from '../../tools/tool-policies.js'
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
import type { Refusals, Rights } from './rights.js'
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
  /** The arguments that must stand in a header, too (MCP 2026-07-28, `x-mcp-header`). */
  readonly headers: readonly HeaderParameter[]
  /** The names of the arguments whose values may stand in an audit. */
  readonly loggable: readonly string[]
  /** Left out where the tool has none of its own. */
  readonly limits: ToolLimits | undefined
}

const refusals: Refusals = {
  unknown: reason => new UnknownToolError({ reason }),
  denied: reason => new NotAllowedError({ reason: `tool ${reason}` })
}

export interface ToolRegistryOptions {
  /** Apply to the tools that come later, too. */
  readonly policies?: ToolPolicies
  /** Whether a tool of this name may come later. Default none. */
  readonly laterTools?: ((name: string) => boolean) | undefined
  /** Where the calls of tools with limits are counted; in memory where left out. */
  readonly limits?: Limits | undefined
  readonly freezes?: FreezeGate | undefined
  /** Tell in lists that a tool is called with OAuth, and with which scopes. Default false. */
  readonly securitySchemes?: boolean | undefined
  /** Of tools that say nothing themselves. Default no limit. */
  readonly maxResultBytes?: number | undefined
}

export class ToolRegistry extends Registry<Tool, RegisteredTool> {
  #policies: ToolPolicies
  /** As their authors wrote them, without policies. */
  readonly #written = new Map<string, Tool>()
  readonly #places: ToolPlaces
  readonly #freezes: FreezeGate | undefined
  /** What the app does around calls. */
  readonly hooks = new CallHooks()
  readonly #maxResultBytes: number
  readonly #laterTools: (name: string) => boolean
  readonly #securitySchemes: boolean

  constructor (rights: Rights, options: ToolRegistryOptions = {}) {
    const { policies = {}, laterTools = () => false, limits, freezes } = options
    const { securitySchemes = false, maxResultBytes = Infinity } = options
    super(rights)
    this.#maxResultBytes = maxResultBytes
    this.#laterTools = laterTools
    this.#securitySchemes = securitySchemes
    this.#freezes = freezes
    this.#policies = policies
    this.#places = new ToolPlaces(limits)
  }

  /**
   * The tool as it is served from now on, under its policies. Throws where it can't be: a bad or repeated
   * name, a schema that does not compile, a limit that is none.
   */
  put (tool: Tool): Tool {
    requireItem('Tool', tool)
    const registered = this.#entryOf(withPolicy(tool, this.#policies))
    this.add(tool.name, registered)
    this.#written.set(tool.name, tool)
    return registered.item
  }

  override remove (name: string): Tool | undefined {
    this.#written.delete(name)
    return super.remove(name)
  }

  /**
   * Serves all tools under other policies from now on; calls under way end under the old ones. Returns the
   * tools whose policies are others, as they were and as they are. Throws where the policies name an unknown
   * tool or one can't be served under them; all stays as it was then.
   */
  applyPolicies (policies: ToolPolicies): ReadonlyArray<readonly [before: Tool, now: Tool]> {
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

  /** What a handler of `exchange` may do with the tools of its caller. */
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
   * Runs a tool for the caller of `exchange`. A tool that fails, and arguments that do not fit,
   * are results with `isError`; throws a refusal for a tool that this caller does not have. `depth`: how many
   * calls this one is within.
   */
  async call (params: Record<string, unknown>, exchange: Exchange, depth = 0): Promise<ToolResult> {
    const { name, arguments: args = {} } = params
    if (typeof name !== 'string' || !isRecord(args)) {
      throw new InvalidParamsError({ reason: 'name must be a string, and arguments must be an object' })
    }
    const held: Held = {}
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
      // It waits for an answer that comes to another run of it: this one never ends.
      held.leave?.()
      throw error
    }
  }
}

/** What a handler runs in. */
interface Surroundings {
  readonly access: ToolAccess
  readonly hooks: CallHooks
}

/** What a call holds until its handler ended. */
interface Held {
  leave?: () => void
}

/** What is at hand is not awaited: every promise on this path costs every call. */
async function run (
  { item, input, output, limits, loggable }: RegisteredTool,
  args: Record<string, unknown>,
  exchange: Exchange,
  held: Held,
  { access, hooks }: Surroundings
): Promise<ToolResult> {
  const entered = exchange.enter(item, loggable)
  if (entered !== undefined) await entered
  const judged = input.check(args)
  const checked = judged instanceof Promise ? await judged : judged
  if (!checked.ok) return failed(`Invalid arguments. ${checked.problem}`, exchange, new InvalidParamsError())
  if (limits !== undefined) held.leave = await limits.admit(exchange.caller.principal)
  // Whoever left meanwhile can't be answered, so nothing is begun for them.
  if (exchange.ended) throw exchange.refusal ?? new CancelledError()
  const context = createContext(exchange, access)
  const handle = async (): Promise<ToolResult> => {
    const given: unknown = await item.handler(checked.value, context)
    const result = toolResultOf(item.name, output, given)
    return result instanceof Promise ? await result : result
  }
  if (hooks.isIdle) return await handle()
  return await hooks.around(
    { name: item.name, tool: item, args: checked.value, principal: exchange.caller.principal, context },
    handle
  )
}

/** What the policies say of one tool, to compare. */
function policyText ({ default: fallback, tools = {} }: ToolPolicies, name: string): string {
  return JSON.stringify([fallback, Object.hasOwn(tools, name) ? tools[name] : undefined])
}

const noProperties = { type: 'object', properties: {}, additionalProperties: false } as const

/** Models send a stray argument or two to a tool that takes none: those are dropped. */
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
    // JSON leaves out what is undefined.
    wire: { name, title, description, inputSchema: input.wire, outputSchema: output?.wire, annotations, icons, _meta }
  }
}

/** What the tool says, and who calls it (MCP Apps, Resource Discovery, Visibility). */
function metaOf ({ _meta, visibility }: Tool): Meta | undefined {
  if (visibility === undefined) return _meta
  return { ..._meta, ui: { ...(isRecord(_meta?.ui) ? _meta.ui : {}), visibility } }
}

/**
 * `securitySchemes`, as ChatGPT reads it (OpenAI Apps SDK, Reference, Tool descriptor), and where clients that drop
 * unknown members find it. Never `noauth`: nothing here is called without a credential.
 */
function withSchemes (wire: object, tool: Tool): object {
  const { scopes = [] } = tool.access ?? {}
  const securitySchemes = [{ type: 'oauth2', ...(scopes.length === 0 ? {} : { scopes }) }]
  return { ...wire, securitySchemes, _meta: { ...metaOf(tool), securitySchemes } }
}

/** The properties that their author marked `loggable`, in zod by `.meta({ loggable: true })`. */
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
      `Tool ${name}, its ${io} schema: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error }
    )
  }
}
