/** The tools of an endpoint: the one place where a tool's handler is called. */
import { CancelledError, FrozenError, InvalidParamsError, NotAllowedError, UnknownToolError, isRefusal } from '../../errors.js'
import { type ToolPolicies, requireTools, withPolicy } from '../../tools/tool-policies.js'
import type { CallContext, Content, JsonSchema, Schema, Tool, ToolResult } from '../../tools/tool.js'
import { requireItem } from '../../tools/validate.js'
import { createContext } from '../exchange/handler-context.js'
import { type HeaderParameter, headerParameters } from './header-parameters.js'
import { type Exchange, Suspended } from '../exchange/exchange.js'
import { StructuredResult } from '../wire/serialize.js'
import { type CompiledSchema, compileObject } from '../schemas/compile.js'
import { Registry, type Registered, denialOf } from './registry.js'
import { failed, failedBy } from './tool-errors.js'
import { ToolLimits, ToolPlaces } from './tool-limits.js'
import type { FreezeGate } from '../../freeze/freezes.js'
import type { Limits } from '../../limits/limits.js'
import { isRecord } from '../../lib/guards.js'
import { requireWhole } from '../../lib/require.js'

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

const namePattern = /^[A-Za-z0-9_.-]{1,128}$/

export class ToolRegistry extends Registry<Tool, RegisteredTool> {
  #policies: ToolPolicies
  /** As their authors wrote them, without policies. */
  readonly #written = new Map<string, Tool>()
  readonly #places: ToolPlaces
  readonly #freezes: FreezeGate | undefined

  /** `policies`: apply to the tools that come later, too. `limits`: where their calls are counted; in memory where left out. */
  constructor (policies: ToolPolicies = {}, limits?: Limits, freezes?: FreezeGate) {
    super()
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
    if (!namePattern.test(tool.name)) throw new TypeError(`Tool name ${JSON.stringify(tool.name)}: 1 to 128 of A-Z a-z 0-9 _ . -`)
    const registered = entryOf(withPolicy(tool, this.#policies), this.#places)
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
    requireTools(policies, name => this.#written.has(name))
    const entries = [...this.#written]
      .filter(([name]) => policyText(policies, name) !== policyText(this.#policies, name))
      .map(([name, tool]) => ({ name, before: this.get(name)?.item ?? tool, entry: entryOf(withPolicy(tool, policies), this.#places) }))
    this.#policies = policies
    for (const { name, entry } of entries) this.replace(name, entry)
    return entries.map(({ before, entry }) => [before, entry.item])
  }

  /**
   * Runs a tool for the caller of `exchange`. A tool that fails, and arguments that do not fit,
   * are results with `isError`; throws a refusal for a tool that this caller does not have.
   */
  async call (params: Record<string, unknown>, exchange: Exchange): Promise<ToolResult> {
    const { name, arguments: args = {} } = params
    if (typeof name !== 'string' || !isRecord(args)) throw new InvalidParamsError({ reason: 'a tool needs a name, and its arguments are an object' })
    const registered = this.get(name)
    if (registered === undefined) throw new UnknownToolError({ reason: 'no such tool' })
    const { principal } = exchange.caller
    const denial = denialOf(principal, registered.item)
    if (denial === 'hide') throw new UnknownToolError({ reason: 'not for this principal' })
    if (denial === 'error') return failed('You are not allowed to call this tool', exchange, new NotAllowedError())
    if (denial !== undefined) throw denial
    const frozen = this.#freezes?.frozenFor(principal, name)
    if (frozen !== undefined) return failedBy(new FrozenError({ reason: `${frozen} is frozen` }), exchange)
    // What is at hand is not awaited: every promise on this path costs every call.
    const entered = exchange.enter(registered.item, registered.loggable)
    if (entered !== undefined) await entered
    const judged = registered.input.check(args)
    const checked = judged instanceof Promise ? await judged : judged
    if (!checked.ok) return failed(`Invalid arguments. ${checked.problem}`, exchange, new InvalidParamsError())
    const leave = registered.limits === undefined ? undefined : await registered.limits.admit(principal)
    // Whoever left meanwhile can't be answered, so nothing is begun for them.
    if (exchange.ended) {
      leave?.()
      throw exchange.refusal ?? new CancelledError()
    }
    const context = createContext(exchange, () => this.names(principal))
    const work = run(registered, checked.value, context)
    if (leave !== undefined) work.then(leave, leave)
    try {
      const result = await exchange.race(work)
      if (result.isError === true) exchange.failTool()
      return result
    } catch (error) {
      // It waits for an answer that comes to another run of it: this one never ends.
      if (Suspended.is(error)) leave?.()
      if (exchange.ended || Suspended.is(error) || isRefusal(error)) throw error
      return failedBy(error, exchange)
    }
  }
}

async function run ({ item, output }: RegisteredTool, args: Record<string, unknown>, context: CallContext): Promise<ToolResult> {
  const given = await item.handler(args, context)
  if (typeof given === 'string' && output === undefined) return { content: [text(given)] }
  if (typeof given === 'string') throw new TypeError(`${item.name} returned a text, and has an output schema: it has to return structuredContent`)
  if (typeof given !== 'object' || given === null) throw new TypeError(`${item.name} returned neither a text nor a result`)
  const { content, structuredContent, isError, _meta }: ToolResult = given
  if (content === undefined && structuredContent === undefined && isError === undefined && _meta === undefined) {
    throw new TypeError(`${item.name} returned an object that is no result: put what it holds into structuredContent, or return a text`)
  }
  if (content !== undefined && !isContent(content)) throw new TypeError(`${item.name} returned content that is no list of content blocks`)
  if (_meta !== undefined && !isRecord(_meta)) throw new TypeError(`${item.name} returned a _meta that is no object`)
  let result: ToolResult
  if (isError === true) {
    result = structuredContent === undefined ? { content: content ?? [], isError } : await failure(structuredContent, content, output)
  } else if (output === undefined) {
    result = structuredContent === undefined ? { content: content ?? [] } : withText(structuredContent, content)
  } else {
    const judged = output.check(structuredContent)
    const checked = judged instanceof Promise ? await judged : judged
    if (!checked.ok) throw new TypeError(`${item.name} returned what its output schema does not allow: ${checked.problem}`)
    result = withText(checked.value, content)
  }
  return _meta === undefined ? result : { ...result, _meta }
}

/** Clients judge what an error holds by the output schema, too, and would throw its text away with it. */
async function failure (structuredContent: Record<string, unknown>, content: Content[] | undefined, output: CompiledSchema | undefined): Promise<ToolResult> {
  const told = { content: content ?? new StructuredResult(structuredContent).content, isError: true }
  if (output === undefined) return { ...told, structuredContent }
  const checked = await output.check(structuredContent)
  return checked.ok ? { ...told, structuredContent: checked.value } : told
}

function withText (structuredContent: Record<string, unknown>, content: Content[] | undefined): ToolResult {
  return content === undefined ? new StructuredResult(structuredContent) : { content, structuredContent }
}

function text (value: string): Content {
  return { type: 'text', text: value }
}

function isContent (content: unknown): content is Content[] {
  return Array.isArray(content) && content.every(block => isRecord(block) && typeof block.type === 'string')
}

/** What the policies say of one tool, to compare. */
function policyText ({ default: fallback, tools = {} }: ToolPolicies, name: string): string {
  return JSON.stringify([fallback, Object.hasOwn(tools, name) ? tools[name] : undefined])
}

const noProperties = { type: 'object', properties: {}, additionalProperties: false } as const

/** Models send a stray argument or two to a tool that takes none: those are dropped. */
const noInput: CompiledSchema = {
  check: () => ({ ok: true, value: {} }),
  checkWire: () => ({ ok: true }),
  wire: noProperties
}

function entryOf (tool: Tool, places: ToolPlaces): RegisteredTool {
  const input = tool.input === undefined ? noInput : compiled(tool, 'input', tool.input)
  const output = tool.output === undefined ? undefined : compiled(tool, 'output', tool.output)
  const { name, title, description, annotations, icons, _meta, rate, concurrency } = tool
  requireWhole(name, { concurrency, 'rate.max': rate?.max, 'rate.windowMs': rate?.windowMs })
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

/** The properties that their author marked `loggable`, in zod by `.meta({ loggable: true })`. */
function loggableIn ({ properties }: JsonSchema): readonly string[] {
  if (!isRecord(properties)) return []
  return Object.entries(properties).flatMap(([name, property]) => isRecord(property) && property.loggable === true ? [name] : [])
}

function compiled ({ name }: Tool, io: 'input' | 'output', schema: Schema): CompiledSchema {
  try {
    return compileObject(schema, io)
  } catch (error) {
    throw new TypeError(`Tool ${name}, its ${io} schema: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}
