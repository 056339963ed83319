/** Waiting that ends with an exchange. */

/**
 * Waits for `room`, and no longer than the exchange of `signal` may last: a caller that stops to read would keep
 * its handler for ever.
 */
export async function orAborted (room: Promise<void>, signal: AbortSignal): Promise<void> {
  await new Promise<void>(resolve => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
    room.then(done, done)
  })
}
