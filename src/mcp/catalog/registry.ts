/** Named items with access rules, and cached lists of the items that a caller may see. */
import type { Principal } from '../../principal/principal.js'
import type { Item } from '../../tools/tool.js'
import type { RightsGate } from './rights.js'
import { prepare } from '../wire/serialize.js'

export interface Registered<T extends Item> {
  readonly item: T
  /** The item as shown in a list. */
  readonly wire: object
}

/** How many lists are cached, one for each set of visible items. */
const maxPrepared = 128

/**
 * Items in the order of their keys. Rights are evaluated on every list and every use; only the
 * list itself is cached, by the set of restricted items in it.
 */
export class Registry<T extends Item, S extends Registered<T>> {
  readonly #items = new Map<string, S>()
  readonly #prepared = new Map<string, readonly object[]>()
  readonly #names = new Map<string, readonly string[]>()
  #guarded: S[] = []
  protected readonly rights: RightsGate

  constructor (rights: RightsGate) {
    this.rights = rights
  }

  /** Throws if the key is taken. */
  add (key: string, registered: S): void {
    if (this.#items.has(key)) throw new TypeError(`${key} is defined twice`)
    this.#items.set(key, registered)
    const sorted = [...this.#items].sort(([a], [b]) => a < b ? -1 : 1)
    this.#items.clear()
    for (const [name, item] of sorted) this.#items.set(name, item)
    this.#changed()
  }

  /** Replaces the entry with this key. */
  replace (key: string, registered: S): void {
    this.#items.set(key, registered)
    this.#changed()
  }

  /** Returns the removed item; `undefined` if there was none. */
  remove (key: string): T | undefined {
    const removed = this.#items.get(key)
    this.#items.delete(key)
    this.#changed()
    return removed?.item
  }

  /** The items that `principal` may see. The same array for the same rights. */
  list (principal: Principal): readonly object[] {
    const isSeen = ({ item }: S): boolean => this.rights.sees(principal, item)
    return kept(this.#prepared, this.#pattern(isSeen), () => prepare(this.#all(isSeen).map(({ wire }) => wire)))
  }

  /** The names of the items that `principal` may use. The same frozen array for the same rights. */
  names (principal: Principal): readonly string[] {
    const isAllowed = ({ item }: S): boolean => this.rights.mayUse(principal, item)
    return kept(this.#names, this.#pattern(isAllowed), () =>
      Object.freeze(this.#all(isAllowed).map(({ item }) => item.name))
    )
  }

  #all (judge: (registered: S) => boolean): S[] {
    return [...this.#items.values()].filter(judge)
  }

  /** The restricted items that `judge` accepts; all other items are visible to everyone. */
  #pattern (judge: (registered: S) => boolean): string {
    let pattern = ''
    for (const registered of this.#guarded) pattern += judge(registered) ? '+' : '-'
    return pattern
  }

  values (): Iterable<S> {
    return this.#items.values()
  }

  get (key: string): S | undefined {
    return this.#items.get(key)
  }

  #changed (): void {
    this.#prepared.clear()
    this.#names.clear()
    this.#guarded = [...this.#items.values()].filter(({ item }) => item.access !== undefined)
  }
}

function kept<T> (cache: Map<string, T>, key: string, make: () => T): T {
  const known = cache.get(key)
  if (known !== undefined) return known
  if (cache.size >= maxPrepared) cache.clear()
  const made = make()
  cache.set(key, made)
  return made
}
