/** Delivers decisions: first to the log, then to the other observers. */
import type { Decision, Observer } from './decision.js'
import { type LineLog, type Lines, writeLine } from './log-line.js'

export class Decisions {
  readonly #log: LineLog
  readonly #observers = new Set<Observer>()
  readonly #failed = new WeakSet<Observer>()

  /** `log`: for what no request is the cause of. */
  constructor (log: LineLog) {
    this.#log = log
  }

  /** Returns how to end the observation. */
  observe (observer: Observer): () => void {
    this.#observers.add(observer)
    return () => { this.#observers.delete(observer) }
  }

  /** `log`: that of the request. `lines`: the decisions that it has a line for. */
  note (decision: Decision, log = this.#log, lines: Lines = 'all'): void {
    writeLine(decision, log, lines)
    if (this.#observers.size === 0) return
    Object.freeze(decision)
    for (const observer of this.#observers) {
      try {
        observer.note(decision)
      } catch (error) {
        this.#report(observer, error)
      }
    }
  }

  /** Once an observer: it may fail with every request. */
  #report (observer: Observer, error: unknown): void {
    if (this.#failed.has(observer)) return
    this.#failed.add(observer)
    this.#log.error({ err: error }, 'an observer of decisions failed; logged once')
  }
}
