/** Error messages that a handler writes for its caller. */
import { HandlerRefusalError, PublicToolError, type Refusal } from '../../errors.js'

/** `undefined` if `error` is not a `PublicToolError`. */
export function publicWords (error: unknown): string | undefined {
  try {
    return error instanceof PublicToolError ? String(error.message) : undefined
  } catch {
    // A hostile proxy can make `instanceof` throw; the error is not ours then.
    return undefined
  }
}

/** Runs `work`, and turns a `PublicToolError` into a refusal with its message. */
export async function inPublicWords<T> (work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const words = publicWords(error)
    throw words === undefined ? error : spoken(words)
  }
}

function spoken (words: string): Refusal {
  const refusal = new HandlerRefusalError({ reason: 'the handler threw a PublicToolError' })
  refusal.message = words
  return refusal
}
