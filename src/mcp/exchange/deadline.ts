/** The deadline of one exchange. It is suspended while the caller has a question to answer. */
import type { Place } from '../../lib/linked-list.js'
import type { Deadlines, Due } from './deadlines.js'

export class Deadline implements Due {
  readonly #queue: Deadlines
  readonly #owner: { readonly expire: () => void }
  #place: Place<Due> | undefined
  #dueAt = 0
  /** Questions that the caller has not answered yet. */
  #questions = 0
  /** The rest of the deadline, while a question is open. */
  #leftMs = 0

  /** `owner.expire` is called when the deadline has passed. It does not run before `restart`. */
  constructor (queue: Deadlines, owner: { readonly expire: () => void }) {
    this.#queue = queue
    this.#owner = owner
  }

  /** By the clock of `performance.now()`. */
  get dueAt (): number {
    return this.#dueAt
  }

  get leftMs (): number {
    return this.#dueAt - performance.now()
  }

  /** True while a question is open. */
  get isSuspended (): boolean {
    return this.#questions > 0
  }

  /** Sets it to `ms` after `from`, by the clock of `performance.now()`. */
  restart (ms: number, from: number): void {
    this.stop()
    this.#dueAt = from + ms
    this.#place = this.#queue.add(ms, this)
  }

  stop (): void {
    this.#place?.remove()
  }

  expire (): void {
    this.#owner.expire()
  }

  /** A question begins. With several open questions, the first one notes the rest of the deadline. */
  suspend (): void {
    if (this.#questions++ === 0) this.#leftMs = Math.max(1, Math.round(this.leftMs))
  }

  /** A question ends. Returns the milliseconds to restart with after the last one; `undefined` before. */
  resume (): number | undefined {
    return --this.#questions === 0 ? this.#leftMs : undefined
  }
}
