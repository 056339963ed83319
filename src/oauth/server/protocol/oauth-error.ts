/** The errors of the OAuth endpoints: codes and constant descriptions of RFC 6749, RFC 7591 and RFC 8707. */

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
  /** For the log: what was wrong, a constant. */
  readonly reason?: string
  /** Default that of the code. */
  readonly statusCode?: number
  /** Seconds. Sends `Retry-After`. */
  readonly retryAfterSeconds?: number
  readonly cause?: unknown
}

const statuses: Partial<Record<OAuthErrorCode, number>> = {
  invalid_client: 401,
  server_error: 500,
  temporarily_unavailable: 503
}

/** A refusal that the client may read. The message is its `error_description`: a constant, nothing of the request. */
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

/**
 * The authorization request cannot be trusted far enough to send anybody anywhere: shown on a page, never a
 * redirect.
 */
export class AuthorizationPageError extends Error {
  override readonly name = 'AuthorizationPageError'
  /** Short, for the title. */
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
