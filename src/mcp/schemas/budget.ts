/** How much work one check of a value may take, whatever its schema is. */

/**
 * Some 50 to 200 ms of one processor. A list of 25,000 objects of a few members fits; a schema that holds itself
 * among its alternatives doubles the work with each level of a value.
 */
const maxWork = 200_000
/** Patterns, formats and lengths look at each character, a schema at a whole value: this many cost as much. */
const charactersPerUnit = 64
/** To go over a list costs less than to look into what it holds, which is counted by itself. */
const itemsPerUnit = 8
/** To find that a member is not there costs little, and an empty object is three characters of a body. */
const namesPerUnit = 16

/** Thrown through a validator's code where a value takes too much work. */
export class TooMuchWork extends Error {
  override readonly name = 'TooMuchWork'
}

/** What a caller is told. */
export const tooMuchWork = 'arguments: too large, or nested too deeply for this schema; send less'

/** One for each check, or renewed before it. */
export class WorkBudget {
  readonly #max: number
  #left: number

  /** `share`: a part of what a check may take, where each unit of it costs more. */
  constructor (share = 1) {
    this.#max = maxWork * share
    this.#left = this.#max
  }

  renew (): void {
    this.#left = this.#max
  }

  /** Counts that `weight` parts of a schema look at `value`. Throws `TooMuchWork` where that was once too often. */
  spend (value: unknown, weight = 1, members = 0): void {
    let cost = 1 + members
    if (typeof value === 'string') cost += value.length / charactersPerUnit
    else if (Array.isArray(value)) cost += value.length / itemsPerUnit
    this.#left -= cost * weight
    if (this.#left < 0) throw new TooMuchWork('a value takes too much work to check')
  }

  /** Like `spend`, of an object whose members are looked at one by one; for `names` of them it is asked by name. */
  spendOnMembers (value: object, weight = 1, names = 0): void {
    this.#left -= names / namesPerUnit
    this.spend(value, weight, Object.keys(value).length)
  }
}
