/** Asks the app around the endpoint about a caller, and bounds how long that may take and what it may say. */
import { UnavailableError, retryLater } from '../errors.js'
import type { Eventually } from '../lib/eventually.js'

/** What `ask` answers, or a rejection after `timeoutMs`. What it answers, or throws, later is nobody's. */
export async function within<T> (timeoutMs: number, ask: (signal: AbortSignal) => Eventually<T>): Promise<T> {
  const control = new AbortController()
  return await new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      // After a stall of the event loop timers come before the answers that have arrived meanwhile.
      setImmediate(() => setImmediate(() => {
        const late = new Error(`No answer within ${timeoutMs} ms`)
        reject(late)
        control.abort(late)
      }))
    }, timeoutMs)
    const answered = async (): Promise<T> => await ask(control.signal)
    answered().then(resolve, reject).finally(() => { clearTimeout(timer) })
  })
}

/** Nobody's fault but ours: never a 401, because the key may be good. */
export function unavailable (): Error {
  return new UnavailableError(retryLater(1000, { reason: 'the app could not identify the caller' }))
}

/** An error may quote the key that it is about, and a log knows the forms of our own keys alone. */
export function withoutText (error: unknown, key: string): unknown {
  if (!(error instanceof Error)) return new Error('something other than an Error was thrown')
  const clean = (text: string): string => key.length < 4 ? text : text.replaceAll(key, '[redacted]')
  const copy = new Error(clean(error.message))
  copy.name = error.name
  copy.stack = clean(error.stack ?? '')
  return copy
}
