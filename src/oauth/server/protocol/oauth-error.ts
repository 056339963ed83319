/** The errors of the OAuth endpoints (RFC 6749, RFC 7591, RFC 8707). */

export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'access_denied'
  | 'unsupported_response_type'
  | 'server_error'
  | 'temporarily_unavailable'
  | 'invalid_redirect_uri'
  | 'invalid_client_metadata'

export interface OAuthErrorOptions {
  /** The reason for the log. A constant. */
  readonly reason?: string
  /** Default: the status of the code. */
  readonly statusCode?: number
  /** The value of `Retry-After`. Default: no such header. */
  readonly retryAfterSeconds?: number
  readonly cause?: unknown
}

const statuses: Partial<Record<OAuthErrorCode, number>> = {
  invalid_client: 401,
  server_error: 500,
  temporarily_unavailable: 503
}

/** An error that is sent to the client. The message is the `error_description`: a constant without input. */
export class OAuthError extends Error {
  override readonly name = 'OAuthError'
  readonly code: OAuthErrorCode
  readonly statusCode: number
  readonly reason: string | undefined
  readonly retryAfterSeconds: number | undefined

  constructor (
    code: OAuthErrorCode,
    description: string,
    { reason, retryAfterSeconds, statusCode, cause }: OAuthErrorOptions = {}
  ) {
    super(description, { cause })
    this.code = code
    this.statusCode = statusCode ?? statuses[code] ?? 400
    this.reason = reason
    this.retryAfterSeconds = retryAfterSeconds
  }

  /** The body of the answer (RFC 6749 §5.2). */
  get body (): { readonly error: OAuthErrorCode; readonly error_description: string } {
    return { error: this.code, error_description: this.message }
  }
}

/** An error of the sign-in that is shown on a page, because a redirect would not be safe. */
export class AuthorizationPageError extends Error {
  override readonly name = 'AuthorizationPageError'
  /** The heading of the page. */
  readonly title: string
  readonly statusCode: number
  readonly reason: string

  constructor (
    title: string,
    message: string,
    {
      statusCode = 400,
      reason = message,
      cause
    }: { readonly statusCode?: number; readonly reason?: string; readonly cause?: unknown } = {}
  ) {
    super(message, { cause })
    this.title = title
    this.statusCode = statusCode
    this.reason = reason
  }
}
