/**
 * What came of a call: an answer, whatever it says, and no failure of the transport. Its HTTP status is 200, and
 * of a tool it is a result that a model can read.
 */
import {
  DeadlineError,
  FrozenError,
  HandlerRefusalError,
  InternalError,
  NotAllowedError,
  NotFoundError,
  RateLimitedError,
  ResultTooLargeError,
  TooManyCallsError,
  UnavailableError,
  type Refusal
} from '../../errors.js'

/** All else is of the protocol, of the caller's credential, or for nobody to hear. */
const outcomes: ReadonlySet<string> = new Set(
  [
    DeadlineError,
    FrozenError,
    HandlerRefusalError,
    InternalError,
    NotAllowedError,
    NotFoundError,
    RateLimitedError,
    ResultTooLargeError,
    TooManyCallsError,
    UnavailableError
  ].map(({ code }) => code)
)

/** True where `refusal` is what came of a call that was dispatched. */
export function isOutcome ({ code }: Refusal): boolean {
  return outcomes.has(code)
}

/** The words for a model: what happened, how long to wait, and what to tell the operator. */
export function outcomeText (refusal: Refusal, requestId: string): string {
  const { code, message, data } = refusal
  if (code === HandlerRefusalError.code) return message
  if (code === InternalError.code) return `${message}. requestId: ${requestId}`
  const wait = typeof data?.retryAfterMs === 'number' ? `, retryAfterMs: ${data.retryAfterMs}` : ''
  return `${message}. code: ${code}${wait}, requestId: ${requestId}`
}

/** The result of a tool that came to `refusal`. */
export function failedResult (
  refusal: Refusal,
  requestId: string
): { content: Array<{ type: 'text'; text: string }>; isError: true } {
  return { content: [{ type: 'text', text: outcomeText(refusal, requestId) }], isError: true }
}
