/** What is switched off at the moment; the newest change of each target counts. */
import type { Principal } from '../principal/principal.js'
import { type Target, targetsOf } from './target.js'

/** `frozen` switches the target `id` off, `thawed` on again. Of the same moment, off counts. */
export interface FreezeRecord {
  readonly kind: 'frozen' | 'thawed'
  readonly id: string
  /** In milliseconds since the epoch. */
  readonly at: number
}

/** Asked before each use, and followed while something runs. */
export interface FreezeGate {
  /**
   * What switches off a call of `tool` by this caller, or, without a tool, the caller; `undefined` where
   * nothing does.
   */
  readonly frozenFor: (principal: Pick<Principal, 'id' | 'keyId'>, tool?: string) => Target | undefined
  /** Calls `listener` after something was switched off. Returns how to end that. */
  readonly onFreeze: (listener: () => void) => () => void
}

export class Freezes<R extends FreezeRecord> {
  /** The newest record of each target. Those of what was switched on stay: an older one must not come back. */
  readonly #newest = new Map<string, R>()
  #frozen: ReadonlySet<string> = new Set()

  /** False where a newer word on the target is in. */
  apply (record: R): boolean {
    if (this.holds(record)) return false
    this.#newest.set(record.id, record)
    this.#frozen = new Set([...this.#newest.values()].filter(({ kind }) => kind === 'frozen').map(({ id }) => id))
    return true
  }

  holds (record: R): boolean {
    const newest = this.#newest.get(record.id)
    if (newest === undefined || record.at > newest.at) return false
    return record.at < newest.at || record.kind === newest.kind || newest.kind === 'frozen'
  }

  /** The newest record of a target. */
  of (id: Target): R | undefined {
    return this.#newest.get(id)
  }

  records (): Iterable<R> {
    return this.#newest.values()
  }

  get size (): number {
    return this.#newest.size
  }

  /** What is switched off, in the order in which it was. */
  list (): readonly string[] {
    return [...this.#frozen]
  }

  frozenFor (principal: Pick<Principal, 'id' | 'keyId'>, tool?: string): Target | undefined {
    // Asked on every call: mostly nothing is.
    if (this.#frozen.size === 0) return undefined
    return targetsOf(principal, tool).find(target => this.#frozen.has(target))
  }
}
