/** Copies selected entries of an object. */

/** The entries of `options` whose names are keys of `names` and whose values are defined. */
export function picked<T extends object> (options: T, names: object): Partial<T> {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => Object.hasOwn(names, name) && value !== undefined)
  ) as Partial<T>
}

/** The entries with a defined value: `undefined` does not mean the default everywhere. */
export function defined<T extends object> (options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> }
}
