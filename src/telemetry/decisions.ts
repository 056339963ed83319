/** Delivers decisions: first to the log, then to the other observers. */
import type { Decision, Observer } from './decision.js'
import { type LineLog, type Lines, writeLine } from './log-line.js'
import { reportOnce } from './report-once.js'

export class Decisions {
  readonly #log: LineLog
  /** The observers, each with the function that reports its first error. */
  readonly #observers = new Map<Observer, (error: unknown) => void>()

  /** `log` is used for decisions without a request. */
  constructor (log: LineLog) {
    this.#log = log
  }

  /** Adds an observer. Returns a function that removes it. */
  observe (observer: Observer): () => void {
    this.#observers.set(observer, reportOnce(error => {
      this.#log.error({ err: error }, 'an observer of decisions failed; logged once')
    }))
    return () => { this.#observers.delete(observer) }
  }

  /** `log`: the request's logger. `lines`: which decisions are logged. */
  note (decision: Decision, log = this.#log, lines: Lines = 'all'): void {
    writeLine(decision, log, lines)
    if (this.#observers.size === 0) return
    Object.freeze(decision)
    for (const observer of this.#observers.keys()) {
      try {
        observer.note(decision)
      } catch (error) {
        this.#observers.get(observer)?.(error)
      }
    }
  }
}
