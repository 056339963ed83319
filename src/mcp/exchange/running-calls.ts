/** The calls of an endpoint that have no answer yet. */
import type { Refusal } from '../../errors.js'
import type { Exchange } from './exchange.js'

export class RunningCalls {
  readonly #calls = new Set<Exchange>()

  get size (): number {
    return this.#calls.size
  }

  add (call: Exchange): void {
    this.#calls.add(call)
  }

  remove (call: Exchange): void {
    this.#calls.delete(call)
  }

  /** Ends the calls that `isOver` is true of, each with a refusal of its own. */
  endWhere (isOver: (call: Exchange) => boolean, refusal: () => Refusal): void {
    // A copy: a call that ends leaves the set.
    for (const call of [...this.#calls]) if (isOver(call)) call.abort(refusal())
  }

  /** The ids of the requests under way, for an operator who looks at a process that is about to end. */
  requestIds (): readonly string[] {
    return [...new Set([...this.#calls].map(({ caller }) => caller.requestId))]
  }
}
