/** Waits for a promise until an exchange ends. */

/**
 * Waits for `room`, but not longer than the exchange of `signal`: a caller that stops reading would block
 * its handler forever.
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
