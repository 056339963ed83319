/**
 * Refusals that are the answer to a dispatched call, and not a transport error: the HTTP status is 200, and
 * for a tool the answer is a result that a model can read.
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

/** All other refusals concern the protocol or the caller's credential, or have no recipient. */
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

/** True if `refusal` is the answer to a dispatched call. */
export function isOutcome ({ code }: Refusal): boolean {
  return outcomes.has(code)
}

/** The text for a model: what happened, how long to wait, and the request id for the operator. */
function outcomeText (refusal: Refusal, requestId: string): string {
  const { code, message, data } = refusal
  if (code === HandlerRefusalError.code) return message
  const wait = typeof data?.retryAfterMs === 'number' ? `, retryAfterMs: ${data.retryAfterMs}` : ''
  return `${message}. code: ${code}${wait}, requestId: ${requestId}`
}

/** The result of a tool that ended with `refusal`. */
export function failedResult (
  refusal: Refusal,
  requestId: string
): { content: Array<{ type: 'text'; text: string }>; isError: true } {
  return { content: [{ type: 'text', text: outcomeText(refusal, requestId) }], isError: true }
}
