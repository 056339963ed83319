/** The words that a handler means for its caller. */
import { HandlerRefusalError, PublicToolError, type Refusal } from '../../errors.js'

/** `undefined` where `error` is no `PublicToolError`. */
export function publicWords (error: unknown): string | undefined {
  try {
    return error instanceof PublicToolError ? String(error.message) : undefined
  } catch {
    // `instanceof` runs a hostile proxy's trap, which may throw: then the error is not ours.
    return undefined
  }
}

/** `work`, with a refusal that says the handler's words in the place of a `PublicToolError`. */
export async function inPublicWords<T> (work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const words = publicWords(error)
    throw words === undefined ? error : spoken(words)
  }
}

function spoken (words: string): Refusal {
  const refusal = new HandlerRefusalError({ reason: 'the handler said so' })
  refusal.message = words
  return refusal
}
