/** A value or a promise of it. Values are used at once, without a promise. */

export type Eventually<T> = T | Promise<T>

/** Calls `next` with the value: at once, or when the promise resolves. */
export function after<T, U> (value: Eventually<T>, next: (value: T) => Eventually<U>): Eventually<U> {
  return value instanceof Promise ? value.then(next) : next(value)
}
