/** Watches of resources, one for each URI of a set that changes. */
export class WatchSet {
  readonly #begin: (uri: string) => () => void
  readonly #ends = new Map<string, () => void>()
  #isOver = false

  /** `begin` begins the watch of a resource and returns what ends it. */
  constructor (begin: (uri: string) => () => void) {
    this.#begin = begin
  }

  /** Watches these, and nothing else. */
  set (uris: readonly string[]): void {
    if (this.#isOver) return
    for (const [uri, end] of this.#ends) {
      if (uris.includes(uri)) continue
      this.#ends.delete(uri)
      end()
    }
    for (const uri of uris) {
      if (!this.#ends.has(uri)) this.#ends.set(uri, this.#begin(uri))
    }
  }

  /** Ends all. None begins after that. */
  end (): void {
    this.set([])
    this.#isOver = true
  }
}
