/** Calls the app's look-ups with a deadline, and keeps keys out of their errors. */
import { UnavailableError, retryLater } from '../errors.js'
import type { Eventually } from '../lib/eventually.js'
import { longestTimerMs } from '../lib/timers.js'

/** The answer of `ask`. Rejects after `timeoutMs`; a later answer or error is ignored. */
export async function within<T> (timeoutMs: number, ask: (signal: AbortSignal) => Eventually<T>): Promise<T> {
  const control = new AbortController()
  return await new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      // After a stall of the event loop, timers run before answers that have already arrived.
      setImmediate(() => setImmediate(() => {
        const late = new Error(`No answer within ${timeoutMs} ms`)
        reject(late)
        control.abort(late)
      }))
    }, Math.min(timeoutMs, longestTimerMs))
    const answered = async (): Promise<T> => await ask(control.signal)
    answered().then(resolve, reject).finally(() => { clearTimeout(timer) })
  })
}

/** A 503, never a 401: the key may be valid. */
export function unavailable (): Error {
  return new UnavailableError(retryLater(1000, { reason: 'the app could not identify the caller' }))
}

/** Removes the key from an error, because the log redactor recognizes only keys in our own format. */
export function withoutText (error: unknown, key: string): unknown {
  if (!(error instanceof Error)) return new Error('something other than an Error was thrown')
  const clean = (text: string): string => key.length < 4 ? text : text.replaceAll(key, '[redacted]')
  const copy = new Error(clean(error.message))
  copy.name = error.name
  copy.stack = clean(error.stack ?? '')
  return copy
}
