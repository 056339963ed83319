/** Keeps one watch for each URI of a set that changes. */
export class WatchSet {
  readonly #begin: (uri: string) => () => void
  readonly #ends = new Map<string, () => void>()
  #isOver = false

  /** `begin` starts the watch of a resource and returns a function that ends it. */
  constructor (begin: (uri: string) => () => void) {
    this.#begin = begin
  }

  /** Starts and ends watches, so that exactly these URIs are watched. */
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

  /** Ends all watches. No watch starts afterwards. */
  end (): void {
    this.set([])
    this.#isOver = true
  }
}
