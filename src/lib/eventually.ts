/** A value that is at hand, or a promise of it: what is at hand is not awaited. */

export type Eventually<T> = T | Promise<T>

/** `next(value)`, at once where the value is at hand. */
export function after<T, U> (value: Eventually<T>, next: (value: T) => Eventually<U>): Eventually<U> {
  return value instanceof Promise ? value.then(next) : next(value)
}
