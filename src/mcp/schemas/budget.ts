/** Limits the work of checking one value, whatever its schema is. */

/**
 * About 50 to 200 ms of one processor, enough for a list of 25,000 objects with a few members. A recursive schema
 * with alternatives doubles the work with each level of a value.
 */
const maxWork = 200_000
/** Patterns, formats and lengths read every character: this many cost as much as one schema for a value. */
const charactersPerUnit = 64
/** Iterating over a list costs less than checking its items, which are counted separately. */
const itemsPerUnit = 8
/** Looking for a missing member is cheap, and an empty object takes only three characters of a body. */
const namesPerUnit = 16

/** Thrown through a validator when a value takes too much work. */
export class TooMuchWork extends Error {
  override readonly name = 'TooMuchWork'
}

/** The text for the caller. */
export const tooMuchWork = 'arguments: too large, or nested too deeply for this schema; send less'

/** One for each check, or reset before it. */
export class WorkBudget {
  readonly #max: number
  #left: number

  /** `share`: the fraction of the budget, for schemas whose units cost more. */
  constructor (share = 1) {
    this.#max = maxWork * share
    this.#left = this.#max
  }

  renew (): void {
    this.#left = this.#max
  }

  /** Counts `weight` schemas that check `value`. Throws `TooMuchWork` beyond the budget. */
  spend (value: unknown, weight = 1, members = 0): void {
    let cost = 1 + members
    if (typeof value === 'string') cost += value.length / charactersPerUnit
    else if (Array.isArray(value)) cost += value.length / itemsPerUnit
    this.#left -= cost * weight
    if (this.#left < 0) throw new TooMuchWork('a value takes too much work to check')
  }

  /** Like `spend`, for an object whose members are checked one by one; `names` of them are looked up by name. */
  spendOnMembers (value: object, weight = 1, names = 0): void {
    this.#left -= names / namesPerUnit
    this.spend(value, weight, Object.keys(value).length)
  }
}
