/** Hooks that an app runs before and after tool calls. */
import type { Principal } from '../../principal/principal.js'
import type { CallContext } from '../../tools/call-context.js'
import type { Tool, ToolResult } from '../../tools/tool.js'

/** A permitted call with valid arguments. */
export interface HookedCall {
  readonly name: string
  readonly tool: Tool
  readonly args: Readonly<Record<string, unknown>>
  readonly principal: Principal
  readonly context: CallContext
}

/** How a call ended: with a result, or with an error thrown by its handler or a hook. */
export interface CallOutcome {
  readonly result?: ToolResult
  readonly error?: unknown
  /** Milliseconds since the first hook started. */
  readonly ms: number
}

/** Runs before a call, and may throw to refuse it: a `PublicToolError` is shown, any other error is a fault. */
export type BeforeCall = (call: HookedCall) => void | Promise<void>

/** Runs after a call, without being awaited. Its errors are logged. */
export type AfterCall = (call: HookedCall, outcome: CallOutcome) => void | Promise<void>

export interface HookOptions {
  /** Run only for tools with one of these tags. Default: all tools. */
  readonly tags?: readonly string[]
}

interface RegisteredHook<H> {
  readonly hook: H
  readonly tags: readonly string[] | undefined
}

export class CallHooks {
  readonly #before = new Set<RegisteredHook<BeforeCall>>()
  readonly #after = new Set<RegisteredHook<AfterCall>>()

  /** Returns a function that removes the hook. Throws a `TypeError` if `hook` is not a function. */
  before (hook: BeforeCall, options?: HookOptions): () => void {
    return added(this.#before, 'beforeCall', hook, options)
  }

  after (hook: AfterCall, options?: HookOptions): () => void {
    return added(this.#after, 'afterCall', hook, options)
  }

  /** True if no hook applies to the call. */
  get isIdle (): boolean {
    return this.#before.size === 0 && this.#after.size === 0
  }

  /** Runs the `before` hooks in order, then `handle`, then reports the outcome to the `after` hooks. */
  async around (call: HookedCall, handle: () => Promise<ToolResult>): Promise<ToolResult> {
    const startedAt = performance.now()
    const tell = (outcome: Omit<CallOutcome, 'ms'>): void => {
      this.#tell(call, { ...outcome, ms: performance.now() - startedAt })
    }
    try {
      for (const { hook } of meant(this.#before, call.tool)) await hook(call)
      const result = await handle()
      tell({ result })
      return result
    } catch (error) {
      tell({ error })
      throw error
    }
  }

  #tell (call: HookedCall, outcome: CallOutcome): void {
    for (const { hook } of meant(this.#after, call.tool)) {
      const told = async (): Promise<void> => { await hook(call, outcome) }
      told().catch((error: unknown) => {
        call.context.logger.error({ err: error, tool: call.name }, 'afterCall failed')
      })
    }
  }
}

function added<H> (hooks: Set<RegisteredHook<H>>, name: string, hook: H, { tags }: HookOptions = {}): () => void {
  if (typeof hook !== 'function') throw new TypeError(`\`${name}\` must be a function`)
  if (tags !== undefined && !Array.isArray(tags)) throw new TypeError(`\`${name}\`: tags must be an array`)
  const one = { hook, tags }
  hooks.add(one)
  return () => { hooks.delete(one) }
}

function meant<H> (hooks: Iterable<RegisteredHook<H>>, tool: Tool): Array<RegisteredHook<H>> {
  const { tags: own = [] } = tool
  return [...hooks].filter(({ tags }) => tags === undefined || tags.some(tag => own.includes(tag)))
}
