/** A list in the order of addition. Unlike a `Set`, it allocates nothing when its last member leaves. */

/** A member in its list. */
export class Place<T> {
  readonly value: T
  /** The neighbours: itself, if it is in no list. */
  before: Place<T> = this
  after: Place<T> = this

  constructor (value: T) {
    this.value = value
  }

  /** Takes the member out of its list. Does nothing the second time. */
  remove (): void {
    this.before.after = this.after
    this.after.before = this.before
    this.before = this
    this.after = this
  }
}

export class LinkedList<T> implements Iterable<T> {
  /** Before the first and after the last. */
  readonly #ends = new Place<T | undefined>(undefined)

  add (value: T): Place<T> {
    const place = new Place(value)
    const ends = this.#ends as Place<T>
    place.before = ends.before
    place.after = ends
    ends.before.after = place
    ends.before = place
    return place
  }

  /** `undefined` if the list is empty. */
  get first (): Place<T> | undefined {
    const { after } = this.#ends
    return after === this.#ends ? undefined : after as Place<T>
  }

  /** Do not remove members during an iteration. */
  * [Symbol.iterator] (): Generator<T> {
    for (let place = this.#ends.after; place !== this.#ends; place = place.after) yield place.value as T
  }
}
