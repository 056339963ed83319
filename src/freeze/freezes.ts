/** Keeps track of what is switched off. The newest change of each target applies. */
import type { Principal } from '../principal/principal.js'
import { type Target, targetsOf } from './target.js'

/**
 * `frozen` switches the target `id` off, `thawed` switches it on. If both have the same time, `frozen`
 * applies.
 */
export interface FreezeRecord {
  readonly kind: 'frozen' | 'thawed'
  readonly id: string
  /** In milliseconds since the epoch. */
  readonly at: number
}

/** Checked before each call, and watched while calls and streams are open. */
export interface FreezeGate {
  /**
   * Returns the target that switches off a call of `tool` by this caller, or the caller if there is no
   * `tool`. `undefined` if nothing does.
   */
  readonly frozenFor: (principal: Pick<Principal, 'id' | 'keyId'>, tool?: string) => Target | undefined
  /** Calls `listener` after something was switched off. Returns a function that removes the listener. */
  readonly onFreeze: (listener: () => void) => () => void
}

export class Freezes<R extends FreezeRecord> {
  /**
   * The newest record of each target. `thawed` records stay, so that an older `frozen` record has no effect.
   */
  readonly #newest = new Map<string, R>()
  #frozen: ReadonlySet<string> = new Set()

  /** Returns false if there is a newer record of the target. */
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

  /** The targets that are switched off, in the order of their first change. */
  list (): readonly string[] {
    return [...this.#frozen]
  }

  frozenFor (principal: Pick<Principal, 'id' | 'keyId'>, tool?: string): Target | undefined {
    // A fast path: this runs on every call, and usually nothing is frozen.
    if (this.#frozen.size === 0) return undefined
    return targetsOf(principal, tool).find(target => this.#frozen.has(target))
  }
}
