/** Every refusal of this package: code, status and message. */
import createError, { type FastifyError } from '@fastify/error'

/**
 * Details for the caller besides the code: constants, numbers and values that MCP echoes; never text of a
 * library.
 */
export type RefusalData = Readonly<Record<string, unknown>>

/**
 * An expected rejection. `code`, `message` and `statusCode` are constants. `data` helps the caller to
 * correct the request, `headers` go with the reply, `reason` and `about` go only to the log.
 */
export interface Refusal extends FastifyError {
  readonly statusCode: number
  data?: RefusalData
  headers?: Readonly<Record<string, string>>
  reason?: string
  /** Fields of the log line, such as the id of the refused key. */
  about?: Readonly<Record<string, unknown>>
  /** The reason in one constant word, for metrics and audit. */
  why?: string
}

interface Extras {
  readonly data?: RefusalData
  readonly headers?: Readonly<Record<string, string>>
  /** For the log: the specific problem. Never contains a credential or a part of one. */
  readonly reason?: string
  /** For the log: the owner of the credential, if known. */
  readonly about?: Readonly<Record<string, unknown>> | undefined
  /**
   * The reason in one constant word, such as `revoked`, for metrics and audit. Default: the code in lower
   * case.
   */
  readonly why?: string | undefined
  readonly cause?: unknown
}

export interface RefusalClass {
  new (extras?: Extras): Refusal
  readonly code: string
  readonly statusCode: number
  /**
   * `error.code` in a JSON-RPC body. Our own codes equal the HTTP status, outside the range reserved by
   * JSON-RPC.
   */
  readonly rpcCode: number
  readonly description: string
}

/** Libraries quote their input in messages, which may be a whole body. */
const maxReasonLength = 500

const catalogue = new Map<string, RefusalClass>()
/** A set, not `instanceof`: a hostile proxy can make `instanceof` throw or lie. */
const made = new WeakSet<object>()

function define (
  code: string,
  statusCode: number,
  message: string,
  rpcCode = statusCode,
  isVariant = false
): RefusalClass {
  const Base = createError(code, message, statusCode)
  class CodedRefusal extends Base {
    static readonly code = code
    static readonly statusCode = statusCode
    static readonly rpcCode = rpcCode
    static readonly description = message
    data?: RefusalData
    headers?: Readonly<Record<string, string>>
    reason?: string
    about?: Readonly<Record<string, unknown>>
    why?: string

    constructor (extras: Extras = {}) {
      super()
      made.add(this)
      if (extras.data !== undefined) this.data = extras.data
      if (extras.headers !== undefined) this.headers = extras.headers
      if (extras.reason !== undefined) this.reason = extras.reason.slice(0, maxReasonLength)
      if (extras.about !== undefined) this.about = extras.about
      if (extras.why !== undefined) this.why = extras.why
      if (extras.cause !== undefined) this.cause = extras.cause
    }
  }
  if (!isVariant) catalogue.set(code, CodedRefusal as unknown as RefusalClass)
  return CodedRefusal as unknown as RefusalClass
}

export const MalformedBodyError = define('MCP_ERR_MALFORMED_BODY', 400, 'The body is not valid JSON', -32700)
export const InvalidRequestError = define(
  'MCP_ERR_INVALID_REQUEST',
  400,
  'The body is not a valid JSON-RPC message',
  -32600
)
export const TooDeepError = define('MCP_ERR_TOO_DEEP', 400, 'The body is nested too deeply', -32600)
export const TooManyValuesError = define('MCP_ERR_TOO_MANY_VALUES', 400, 'The body contains too many values', -32600)
export const BadUrlError = define('MCP_ERR_BAD_URL', 400, 'The URL is malformed')
export const BadHttpError = define('MCP_ERR_BAD_HTTP', 400, 'The request is not valid HTTP')
export const SessionRequiredError = define(
  'MCP_ERR_SESSION_REQUIRED',
  400,
  'The header Mcp-Session-Id is required; it is in the response to initialize',
  -32600
)
export const EventForgottenError = define(
  'MCP_ERR_EVENT_FORGOTTEN',
  400,
  'Later events are no longer stored'
)
export const ProtocolVersionError = define(
  'MCP_ERR_PROTOCOL_VERSION',
  400,
  'This protocol revision is not served',
  -32022
)
export const HeaderMismatchError = define('MCP_ERR_HEADER_MISMATCH', 400, 'The headers do not match the body', -32020)
export const MissingCapabilityError = define(
  'MCP_ERR_MISSING_CAPABILITY',
  400,
  'The request needs a capability that the client does not have',
  -32021
)
export const EnvelopeError = define(
  'MCP_ERR_ENVELOPE',
  400,
  'The request lacks the _meta that its revision requires',
  -32602
)
export const RequestStateError = define(
  'MCP_ERR_REQUEST_STATE',
  200,
  'The request state is not valid or has expired',
  -32602
)
export const UnauthenticatedError = define(
  'MCP_ERR_UNAUTHENTICATED',
  401,
  'A valid credential is required: an API key in x-api-key, or a token in Authorization: Bearer'
)
export const OriginRefusedError = define('MCP_ERR_ORIGIN_REFUSED', 403, 'This origin is not allowed')
export const HostRefusedError = define('MCP_ERR_HOST_REFUSED', 403, 'This host is not served')
export const InsufficientScopeError = define(
  'MCP_ERR_INSUFFICIENT_SCOPE',
  403,
  'The credential lacks a required scope'
)
export const ForbiddenError = define(
  'MCP_ERR_FORBIDDEN',
  403,
  'The host application refused the request'
)
export const NotFoundError = define('MCP_ERR_NOT_FOUND', 404, 'Not found')
export const SessionNotFoundError = define('MCP_ERR_SESSION_NOT_FOUND', 404, 'Session not found')
export const MethodNotAllowedError = define('MCP_ERR_METHOD_NOT_ALLOWED', 405, 'This method is not allowed here')
export const NotAcceptableError = define(
  'MCP_ERR_NOT_ACCEPTABLE',
  406,
  'The response is JSON or an event stream; accept both'
)
export const RequestTimeoutError = define('MCP_ERR_REQUEST_TIMEOUT', 408, 'The request did not arrive in time')
export const BodyTooLargeError = define('MCP_ERR_BODY_TOO_LARGE', 413, 'The body is too large')
export const UnsupportedMediaTypeError = define(
  'MCP_ERR_UNSUPPORTED_MEDIA_TYPE',
  415,
  'The body must be application/json'
)
export const RateLimitedError = define(
  'MCP_ERR_RATE_LIMITED',
  429,
  'Too many requests; wait for retryAfterMs milliseconds'
)
/** The same code and status; only the message says that the address is locked and not the caller. */
export const AddressLockedError = define(
  'MCP_ERR_RATE_LIMITED',
  429,
  'This address is locked after too many failed requests; wait for retryAfterMs milliseconds',
  429,
  true
)
export const TooManyCallsError = define(
  'MCP_ERR_TOO_MANY_CALLS',
  429,
  'Too many calls of this tool at once; wait for one to end'
)
export const TooManyStreamsError = define('MCP_ERR_TOO_MANY_STREAMS', 429, 'Too many open streams; close one first')
export const HeadersTooLargeError = define('MCP_ERR_HEADERS_TOO_LARGE', 431, 'The headers are too large')
export const UnknownMethodError = define('MCP_ERR_UNKNOWN_METHOD', 404, 'Method not found', -32601)
export const UnknownToolError = define('MCP_ERR_UNKNOWN_TOOL', 200, 'Unknown tool', -32602)
export const UnknownPromptError = define('MCP_ERR_UNKNOWN_PROMPT', 200, 'Unknown prompt', -32602)
export const UnknownResourceError = define('MCP_ERR_UNKNOWN_RESOURCE', 200, 'Resource not found', -32002)
export const NotAllowedError = define('MCP_ERR_NOT_ALLOWED', 200, 'You are not allowed to use this', -32602)
export const FrozenError = define('MCP_ERR_FROZEN', 200, 'Switched off by the operator', -32602)
/** For requests without a JSON-RPC message, such as the opening of a stream. */
export const FrozenStreamError = define('MCP_ERR_FROZEN', 403, 'Switched off by the operator', 403, true)
export const ResultTooLargeError = define(
  'MCP_ERR_RESULT_TOO_LARGE',
  200,
  'The result is larger than the server allows; ask for less: a narrower filter, a smaller page or fewer fields',
  -32602
)
export const HandlerRefusalError = define(
  'MCP_ERR_HANDLER_REFUSAL',
  200,
  'The handler of this item refused the request',
  -32602
)
export const InvalidParamsError = define(
  'MCP_ERR_INVALID_PARAMS',
  200,
  'The parameters of the request do not fit the method',
  -32602
)
export const CancelledError = define('MCP_ERR_CANCELLED', 499, 'The request was cancelled')
export const InternalError = define('MCP_ERR_INTERNAL', 500, 'Internal error', -32603)
export const UnavailableError = define(
  'MCP_ERR_UNAVAILABLE',
  503,
  'The server cannot answer right now; try again later'
)
export const DeadlineError = define('MCP_ERR_DEADLINE', 504, 'The request took longer than the server allows')

/**
 * The part of a refusal that tells a caller to retry after `ms` milliseconds: `retryAfterMs` in its data, and
 * `Retry-After` in whole seconds (RFC 9110 §10.2.3), at least 1. Keeps the data and headers of `extras`.
 */
export function retryLater (ms: number, extras: Extras = {}): Extras {
  const retryAfterMs = Math.max(1, Math.ceil(ms))
  return {
    ...extras,
    data: { ...extras.data, retryAfterMs },
    headers: { ...extras.headers, 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }
  }
}

/** All refusals by code, in the order of this file, which `docs/errors.md` follows. */
export const refusals: ReadonlyMap<string, RefusalClass> = catalogue

/**
 * An error whose message is shown to the caller of a tool, resource, prompt or completion. All others are
 * masked.
 */
export class PublicToolError extends Error {
  override readonly name = 'PublicToolError'
}

/**
 * True for an error of a class in this file; false for an error of another package with the same code.
 *
 * @example
 * app.setErrorHandler((error, request, reply) => reply.code(isRefusal(error) ? error.statusCode : 500).send())
 */
export function isRefusal (error: unknown): error is Refusal {
  return typeof error === 'object' && error !== null && made.has(error)
}
