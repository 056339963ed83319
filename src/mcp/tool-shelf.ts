/** The tools of an endpoint: prepared for listing, and the one place where a handler is called. */
import { InvalidParamsError, UnknownToolError } from '../errors.js'
import { mayUse } from '../principal/policy.js'
import type { Principal } from '../principal/principal.js'
import type { CallContext, Content, Tool, ToolResult } from '../tools/tool.js'
import { createContext } from './context.js'
import type { Exchange } from './exchange.js'
import { isRecord, prepare } from './messages.js'
import { type CompiledSchema, type Dialect, compile } from './schemas.js'
import { failed, failedBy } from './tool-errors.js'

interface Shelved {
  readonly tool: Tool
  readonly input: CompiledSchema
  readonly output: CompiledSchema | undefined
  readonly wire: Readonly<Record<Dialect, object>>
}

const namePattern = /^[A-Za-z0-9_.-]{1,128}$/
/** Prepared lists kept, one for each set of tools that some caller may see. */
const maxPrepared = 128

export class ToolShelf {
  readonly #tools = new Map<string, Shelved>()
  readonly #guarded: Shelved[] = []
  readonly #prepared = new Map<string, readonly object[]>()

  /** Throws where a tool can't be served: a bad or repeated name, a schema that does not compile. */
  constructor (tools: readonly Tool[]) {
    for (const tool of [...tools].sort((a, b) => a.name < b.name ? -1 : 1)) {
      if (!namePattern.test(tool.name)) throw new TypeError(`Tool name ${JSON.stringify(tool.name)}: 1 to 128 of A-Z a-z 0-9 _ . -`)
      if (this.#tools.has(tool.name)) throw new TypeError(`Two tools are called ${tool.name}`)
      const shelved = shelve(tool)
      this.#tools.set(tool.name, shelved)
      if (tool.access !== undefined) this.#guarded.push(shelved)
    }
  }

  get size (): number {
    return this.#tools.size
  }

  /** What `principal` may see, in the order of names. The same array for the same rights. */
  list (principal: Principal, dialect: Dialect): readonly object[] {
    const key = dialect + this.#guarded.map(({ tool }) => mayUse(principal, tool.access) ? '+' : '-').join('')
    const known = this.#prepared.get(key)
    if (known !== undefined) return known
    if (this.#prepared.size >= maxPrepared) this.#prepared.clear()
    const made = prepare(this.#visible(principal).map(({ wire }) => wire[dialect]))
    this.#prepared.set(key, made)
    return made
  }

  names (principal: Principal): readonly string[] {
    return this.#visible(principal).map(({ tool }) => tool.name)
  }

  /**
   * Runs a tool for the caller of `exchange`. A tool that fails, and arguments that do not fit,
   * are results with `isError`; throws a refusal for a tool that this caller does not have.
   */
  async call (params: Record<string, unknown>, exchange: Exchange): Promise<ToolResult> {
    const { name, arguments: args = {} } = params
    if (typeof name !== 'string' || !isRecord(args)) throw new InvalidParamsError({ reason: 'tools/call without a name or with arguments that are no object' })
    const shelved = this.#tools.get(name)
    if (shelved === undefined || !mayUse(exchange.caller.principal, shelved.tool.access)) {
      throw new UnknownToolError({ reason: shelved === undefined ? 'no such tool' : 'not for this principal' })
    }
    const { tool } = shelved
    if (tool.deadlineMs !== undefined) exchange.limitTo(tool.deadlineMs)
    if (tool.cost !== undefined && tool.cost > 1) await exchange.caller.charge(tool.cost - 1)
    const checked = await shelved.input.check(args)
    if (!checked.ok) return failed(`Invalid arguments. ${checked.problem}`)
    const context = createContext(exchange, () => this.names(exchange.caller.principal))
    try {
      return await exchange.race(run(shelved, checked.value, context))
    } catch (error) {
      if (exchange.ended) throw error
      return failedBy(error, exchange)
    }
  }

  #visible (principal: Principal): Shelved[] {
    const visible = []
    for (const shelved of this.#tools.values()) if (mayUse(principal, shelved.tool.access)) visible.push(shelved)
    return visible
  }
}

async function run ({ tool, output }: Shelved, args: Record<string, unknown>, context: CallContext): Promise<ToolResult> {
  const given = await tool.handler(args, context)
  if (typeof given === 'string') return { content: [text(given)] }
  if (typeof given !== 'object' || given === null) throw new TypeError(`${tool.name} returned neither a text nor a result`)
  const { content, structuredContent, isError }: ToolResult = given
  if (content !== undefined && !isContent(content)) throw new TypeError(`${tool.name} returned content that is no list of content blocks`)
  if (isError === true) return { content: content ?? [], isError }
  if (output === undefined) return structuredContent === undefined ? { content: content ?? [] } : withText(structuredContent, content)
  const checked = await output.check(structuredContent)
  if (!checked.ok) throw new TypeError(`${tool.name} returned what its output schema does not allow: ${checked.problem}`)
  return withText(checked.value, content)
}

function withText (structuredContent: Record<string, unknown>, content: Content[] | undefined): ToolResult {
  return { content: content ?? [text(JSON.stringify(structuredContent))], structuredContent }
}

function text (value: string): Content {
  return { type: 'text', text: value }
}

function isContent (content: unknown): content is Content[] {
  return Array.isArray(content) && content.every(block => isRecord(block) && typeof block.type === 'string')
}

const noInput = { type: 'object', properties: {}, additionalProperties: false } as const

function shelve (tool: Tool): Shelved {
  const input = compile(tool.input ?? noInput, 'input')
  const output = tool.output === undefined ? undefined : compile(tool.output, 'output')
  const wire = (dialect: Dialect): object => ({
    name: tool.name,
    ...(tool.title === undefined ? {} : { title: tool.title }),
    ...(tool.description === undefined ? {} : { description: tool.description }),
    inputSchema: input.wire[dialect],
    ...(output === undefined ? {} : { outputSchema: output.wire[dialect] }),
    ...(tool.annotations === undefined ? {} : { annotations: tool.annotations }),
    ...(tool.icons === undefined ? {} : { icons: tool.icons })
  })
  return { tool, input, output, wire: { 'draft-7': wire('draft-7'), 'draft-2020-12': wire('draft-2020-12') } }
}
