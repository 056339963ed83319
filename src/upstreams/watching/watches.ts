/** Which resources of an upstream callers subscribed to, counted: the last one who leaves ends it there, too. */

/** At one connection. */
const maxUris = 1000

export interface WatchesOptions {
  /** Has the connection of `key` watch these resources and no other; opens one only for some. */
  readonly set: (key: string, uris: readonly string[]) => Promise<void>
  /** The subscribers of `key` are told of these resources: what changed while nobody watched is not known. */
  readonly gap: (key: string, uris: readonly string[]) => void
  readonly report: (error: unknown) => void
}

/** By key: that of the pool, which tells the connections apart. */
export class Watches {
  readonly #options: WatchesOptions
  readonly #counts = new Map<string, Map<string, number>>()
  /** Keys whose connection was asked for something before. */
  readonly #begun = new Set<string>()

  constructor (options: WatchesOptions) {
    this.#options = options
  }

  has (key: string): boolean {
    return this.#counts.has(key)
  }

  urisOf (key: string): readonly string[] {
    return [...this.#counts.get(key)?.keys() ?? []]
  }

  /** Returns what ends it; `undefined` where so many are watched that nothing is done. */
  add (key: string, uri: string): (() => void) | undefined {
    const counts = this.#counts.get(key) ?? new Map<string, number>()
    const before = counts.get(uri) ?? 0
    if (before === 0 && counts.size >= maxUris) return undefined
    this.#counts.set(key, counts)
    counts.set(uri, before + 1)
    if (before === 0) this.#send(key)
    return () => { this.#leave(key, counts, uri) }
  }

  /** A connection of this key was opened. Returns what it has to watch. */
  opened (key: string): readonly string[] {
    const uris = this.urisOf(key)
    if (this.#begun.has(key)) this.#options.gap(key, uris)
    else if (uris.length > 0) this.#begun.add(key)
    return uris
  }

  #leave (key: string, counts: Map<string, number>, uri: string): void {
    const left = (counts.get(uri) ?? 1) - 1
    if (left > 0) {
      counts.set(uri, left)
      return
    }
    counts.delete(uri)
    if (counts.size === 0) {
      this.#counts.delete(key)
      this.#begun.delete(key)
    }
    this.#send(key)
  }

  #send (key: string): void {
    const uris = this.urisOf(key)
    this.#options.set(key, uris).then(() => {
      if (this.has(key)) this.#begun.add(key)
    }, this.#options.report)
  }
}
