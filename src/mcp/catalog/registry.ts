/** Named items with access rules: who sees which, in a prepared form. */
import type { Principal } from '../../principal/principal.js'
import type { Item } from '../../tools/tool.js'
import type { Rights } from './rights.js'
import { prepare } from '../wire/serialize.js'

export interface Registered<T extends Item> {
  readonly item: T
  /** The item as a list shows it. */
  readonly wire: object
}

/** Lists kept, one for each set of items that some caller may see. */
const maxPrepared = 128

/**
 * Items in the order of their keys. Rights are asked anew at every list and every use; only the
 * text of a list is kept, by which of the guarded items are in it.
 */
export class Registry<T extends Item, S extends Registered<T>> {
  readonly #items = new Map<string, S>()
  readonly #prepared = new Map<string, readonly object[]>()
  readonly #names = new Map<string, readonly string[]>()
  #guarded: S[] = []
  protected readonly rights: Rights

  constructor (rights: Rights) {
    this.rights = rights
  }

  /** Throws where the key is taken. */
  add (key: string, registered: S): void {
    if (this.#items.has(key)) throw new TypeError(`${key} is defined twice`)
    this.#items.set(key, registered)
    const sorted = [...this.#items].sort(([a], [b]) => a < b ? -1 : 1)
    this.#items.clear()
    for (const [name, item] of sorted) this.#items.set(name, item)
    this.#changed()
  }

  /** Puts another entry in the place of the one with this key. */
  replace (key: string, registered: S): void {
    this.#items.set(key, registered)
    this.#changed()
  }

  /** The item that is gone; `undefined` where there was none. */
  remove (key: string): T | undefined {
    const removed = this.#items.get(key)
    this.#items.delete(key)
    this.#changed()
    return removed?.item
  }

  /** What `principal` may see. The same array for the same rights. */
  list (principal: Principal): readonly object[] {
    const isSeen = ({ item }: S): boolean => this.rights.sees(principal, item)
    return kept(this.#prepared, this.#pattern(isSeen), () => prepare(this.#all(isSeen).map(({ wire }) => wire)))
  }

  /** The names of what `principal` may use. The same frozen array for the same rights. */
  names (principal: Principal): readonly string[] {
    const isAllowed = ({ item }: S): boolean => this.rights.mayUse(principal, item)
    return kept(this.#names, this.#pattern(isAllowed), () =>
      Object.freeze(this.#all(isAllowed).map(({ item }) => item.name))
    )
  }

  #all (judge: (registered: S) => boolean): S[] {
    return [...this.#items.values()].filter(judge)
  }

  /** Which of the guarded items `judge` lets through: the rest is for everyone. */
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
