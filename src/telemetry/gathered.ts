/** Gathers decisions for a moment and handles them in one loop, which takes half the processor time. */
import type { Decision } from './decision.js'
import { reportOnce } from './report-once.js'

const gatherMs = 10
/** Few enough, because each decision holds the arguments of its call. */
const most = 32

export class Gathered {
  readonly #handle: (decision: Decision) => void
  readonly #onFault: (error: unknown) => void
  #decisions: Decision[] = []
  #timer: NodeJS.Timeout | undefined

  /**
   * `handle` is called with each decision in order, at most 10 ms later. `onFault` is called once, with the first
   * error that `handle` throws.
   */
  constructor (handle: (decision: Decision) => void, onFault: (error: unknown) => void) {
    this.#handle = handle
    this.#onFault = reportOnce(onFault)
  }

  add (decision: Decision): void {
    this.#decisions.push(decision)
    if (this.#decisions.length >= most) this.flush()
    else this.#timer ??= setTimeout(() => { this.flush() }, gatherMs)
  }

  /** Handles what was gathered. Call it before reading a result, and at the end. */
  flush (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const decisions = this.#decisions
    if (decisions.length === 0) return
    this.#decisions = []
    for (const decision of decisions) {
      try {
        this.#handle(decision)
      } catch (error) {
        this.#onFault(error)
      }
    }
  }
}
