/** The deadlines of all exchanges on one timer: a timer for each would cost as much as the rest of the exchange. */
import { LinkedList, type Place } from '../../lib/linked-list.js'

export interface Due {
  /** By the clock of `performance.now()`, in milliseconds. */
  readonly dueAt: number
  readonly expire: () => void
}

const tickMs = 25

/** Deadlines may expire up to 25 ms late. */
export class Deadlines {
  /** By duration. Later entries of one duration expire later, so only the first one must be checked. */
  readonly #byDuration = new Map<number, LinkedList<Due>>()
  #timer: NodeJS.Timeout | undefined

  /** Remove the place that this returns to cancel the deadline. */
  add (ms: number, due: Due): Place<Due> {
    let queue = this.#byDuration.get(ms)
    if (queue === undefined) this.#byDuration.set(ms, queue = new LinkedList())
    // The timer keeps the process alive: without a socket, as with `inject`, nothing else does until the answer.
    this.#timer ??= setInterval(tick, tickMs, this)
    return queue.add(due)
  }

  /** Expires what is due, and stops the timer if nothing is left. */
  sweep (): void {
    const now = performance.now()
    for (const [ms, queue] of this.#byDuration) {
      for (let first = queue.first; first !== undefined && first.value.dueAt <= now; first = queue.first) {
        first.remove()
        first.value.expire()
      }
      if (queue.first === undefined) this.#byDuration.delete(ms)
    }
    if (this.#byDuration.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

function tick (deadlines: Deadlines): void {
  deadlines.sweep()
}
