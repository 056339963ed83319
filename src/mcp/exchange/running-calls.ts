/** The running calls of an endpoint. */
import type { Refusal } from '../../errors.js'
import { LinkedList, type Place } from '../../lib/linked-list.js'
import type { Caller } from './caller.js'

/** What the registry needs of an `Exchange`. */
export interface RunningCall {
  readonly caller: Caller
  /** A message was sent before the answer. */
  readonly isStreaming: boolean
  readonly method: string | undefined
  readonly params: Readonly<Record<string, unknown>> | undefined
  /** Ends the call early. */
  readonly abort: (refusal: Refusal) => void
}

export class RunningCalls {
  readonly #calls = new LinkedList<RunningCall>()

  get size (): number {
    return [...this.#calls].length
  }

  /** Remove the place that this returns when the call has ended. */
  add (call: RunningCall): Place<RunningCall> {
    return this.#calls.add(call)
  }

  /** Ends the calls for which `isOver` is true, each with a new refusal. */
  endWhere (isOver: (call: RunningCall) => boolean, refusal: () => Refusal): void {
    // Iterate over a copy: a call that ends is removed from the list.
    for (const call of [...this.#calls]) if (isOver(call)) call.abort(refusal())
  }

  /** The request ids of the running calls, for the log of a process that is about to end. */
  requestIds (): readonly string[] {
    return [...new Set([...this.#calls].map(({ caller }) => caller.requestId))]
  }
}
