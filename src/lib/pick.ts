/** Objects with some of the entries of another. */

/** The options that are set, of those that are called so. */
export function picked<T extends object> (options: T, names: object): Partial<T> {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => Object.hasOwn(names, name) && value !== undefined)
  ) as Partial<T>
}

/** The entries that are set: an option of `undefined` would not mean its default everywhere. */
export function defined<T extends object> (options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> }
}
