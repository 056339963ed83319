/** Delivers decisions: first to the log, then to the other observers. */
import type { Decision, Observer } from './decision.js'
import { type LineLog, type Lines, writeLine } from './log-line.js'

export class Decisions {
  readonly #log: LineLog
  readonly #observers = new Set<Observer>()
  readonly #failed = new WeakSet<Observer>()

  /** `log` is used for decisions without a request. */
  constructor (log: LineLog) {
    this.#log = log
  }

  /** Adds an observer. Returns a function that removes it. */
  observe (observer: Observer): () => void {
    this.#observers.add(observer)
    return () => { this.#observers.delete(observer) }
  }

  /** `log`: the request's logger. `lines`: which decisions are logged. */
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

  /** Logged once per observer, because it may fail on every request. */
  #report (observer: Observer, error: unknown): void {
    if (this.#failed.has(observer)) return
    this.#failed.add(observer)
    this.#log.error({ err: error }, 'an observer of decisions failed; logged once')
  }
}
