/** The deadlines of all exchanges on one timer: one each would cost as much as the rest of the exchange. */

export interface Due {
  /** On the clock of `performance.now()`, in milliseconds. */
  readonly dueAt: number
  readonly expire: () => void
}

const tickMs = 25

/** Deadlines pass up to 25 ms late. */
export class Deadlines {
  /** By duration: what starts later is due later, so only the first of each has to be looked at. */
  readonly #byDuration = new Map<number, Set<Due>>()
  #timer: NodeJS.Timeout | undefined

  add (ms: number, due: Due): void {
    let queue = this.#byDuration.get(ms)
    if (queue === undefined) this.#byDuration.set(ms, queue = new Set())
    queue.add(due)
    // Keeps the process: without a socket, as in `inject`, nothing else would until the answer.
    this.#timer ??= setInterval(tick, tickMs, this)
  }

  remove (ms: number, due: Due): void {
    this.#byDuration.get(ms)?.delete(due)
  }

  /** Expires what is due; stops the timer where nothing is left. */
  sweep (): void {
    const now = performance.now()
    for (const [ms, queue] of this.#byDuration) {
      for (const due of queue) {
        if (due.dueAt > now) break
        queue.delete(due)
        due.expire()
      }
      if (queue.size === 0) this.#byDuration.delete(ms)
    }
    if (this.#byDuration.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

function tick (deadlines: Deadlines): void {
  deadlines.sweep()
}
