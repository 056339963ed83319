/** Counts the subscriptions of callers to resources of an upstream. */

/** Maximum number of resources for each connection. */
const maxUris = 1000

export interface WatchesOptions {
  /**
   * Makes the connection of `key` watch exactly these resources. Opens a connection only if the list is not
   * empty.
   */
  readonly set: (key: string, uris: readonly string[]) => Promise<void>
  /**
   * Notifies the subscribers of `key`, because changes may have been missed while there was no connection.
   */
  readonly gap: (key: string, uris: readonly string[]) => void
  readonly report: (error: unknown) => void
}

/**
 * All keys are those of `Pool.keyOf`. When the last caller leaves, the resource is unsubscribed at the
 * upstream.
 */
export class Watches {
  readonly #options: WatchesOptions
  readonly #counts = new Map<string, Map<string, number>>()
  /** Keys whose connection has already watched something. */
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

  /** Adds a subscription and returns a function that ends it. `undefined` if there are too many. */
  add (key: string, uri: string): (() => void) | undefined {
    const counts = this.#counts.get(key) ?? new Map<string, number>()
    const before = counts.get(uri) ?? 0
    if (before === 0 && counts.size >= maxUris) return undefined
    this.#counts.set(key, counts)
    counts.set(uri, before + 1)
    if (before === 0) this.#send(key)
    return () => { this.#leave(key, counts, uri) }
  }

  /** Called when a connection of this key was opened. Returns the resources that it must watch. */
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
