/** The running calls of an endpoint. */
import type { Refusal } from '../../errors.js'
import { LinkedList, type Place } from '../../lib/linked-list.js'
import type { Exchange } from './exchange.js'

export class RunningCalls {
  readonly #calls = new LinkedList<Exchange>()

  get size (): number {
    return [...this.#calls].length
  }

  /** Remove the place that this returns when the call has ended. */
  add (call: Exchange): Place<Exchange> {
    return this.#calls.add(call)
  }

  /** Ends the calls for which `isOver` is true, each with a new refusal. */
  endWhere (isOver: (call: Exchange) => boolean, refusal: () => Refusal): void {
    // Iterate over a copy: a call that ends is removed from the list.
    for (const call of [...this.#calls]) if (isOver(call)) call.abort(refusal())
  }

  /** The request ids of the running calls, for the log of a process that is about to end. */
  requestIds (): readonly string[] {
    return [...new Set([...this.#calls].map(({ caller }) => caller.requestId))]
  }
}
