/** A tool's own limits: how often a caller may call it, and how many calls of a caller run at once. */
import { TooManyCallsError, retryLater } from '../../errors.js'
import { type Limiter, createLimiter } from '../../limits/limiter.js'
import type { Principal } from '../../principal/principal.js'
import type { Tool } from '../../tools/tool.js'

export class ToolLimits {
  readonly #tool: Tool
  readonly #running = new Map<string, number>()
  #limiter: Promise<Limiter> | undefined

  constructor (tool: Tool) {
    this.#tool = tool
  }

  /**
   * Lets one call of `principal` in and returns what must be called when its handler ended, which
   * may be long after its caller was answered; once more does nothing. Throws a refusal where the
   * call does not fit.
   */
  async admit (principal: Principal): Promise<() => void> {
    const { rate, concurrency = Infinity } = this.#tool
    const running = this.#running.get(principal.id) ?? 0
    if (running >= concurrency) {
      throw new TooManyCallsError(retryLater(1000, {
        data: { limit: concurrency },
        reason: `${this.#tool.name} runs ${running} times`
      }))
    }
    if (concurrency !== Infinity) this.#running.set(principal.id, running + 1)
    try {
      if (rate !== undefined) await this.#take(rate, principal)
    } catch (error) {
      this.#leave(principal)
      throw error
    }
    let isIn = true
    return () => {
      if (isIn) this.#leave(principal)
      isIn = false
    }
  }

  async #take (rate: NonNullable<Tool['rate']>, { id }: Principal): Promise<void> {
    this.#limiter ??= createLimiter({ policy: 'tool', ...rate })
    const limiter = await this.#limiter
    const reading = await limiter.take(id)
    if (reading.isExceeded) throw limiter.refusal(reading)
  }

  #leave ({ id }: Principal): void {
    const left = (this.#running.get(id) ?? 0) - 1
    if (left > 0) this.#running.set(id, left)
    else this.#running.delete(id)
  }
}
