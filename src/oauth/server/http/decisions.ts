/** Reports the decisions of the authorization server to the log, the audit and the metrics. */
import type { FastifyRequest } from 'fastify'
import {
  ForbiddenError,
  InternalError,
  RateLimitedError,
  type Refusal,
  UnauthenticatedError,
  UnavailableError
} from '../../../errors.js'
import { decisionsOf } from '../../../http/decisions.js'
import { ipOf } from '../../../http/request/client-address.js'
import type { OAuthError } from '../protocol/oauth-error.js'
import type { GrantNews } from '../token-endpoint.js'

export function noteGrant (
  kind: 'grant-created' | 'grant-revoked',
  { id, clientId, subject, keyId }: GrantNews,
  request: FastifyRequest,
  about: object
): void {
  decisionsOf(request.server).note({
    kind,
    ...doneBy(request),
    principal: subject,
    keyId,
    tokenId: id,
    oauthClient: clientId,
    about: { ...about, grant: id, client: clientId }
  }, request.log)
}

/** Reports a client that registered itself. */
export function noteClient ({ id, name }: { id: string, name: string }, request: FastifyRequest): void {
  const about = { client: id, name }
  decisionsOf(request.server).note(
    { kind: 'client-created', ...doneBy(request), oauthClient: id, about },
    request.log
  )
}

function doneBy (request: FastifyRequest): {
  readonly outcome: 'allowed'
  readonly at: number
  readonly requestId: string
  readonly address: string
} {
  return { outcome: 'allowed', at: Date.now(), requestId: request.id, address: ipOf(request) }
}

/**
 * Marks the request as refused. OAuth responses have their own form, so it cannot be derived from the
 * response.
 */
export function noteRefusal (request: FastifyRequest, refusal: Refusal): void {
  // The decorator is added by `plugins/errors.ts`, which a host may not register.
  if (request.server.hasRequestDecorator('refusal')) request.refusal = refusal
}

export function refusalOf ({ code, message, statusCode, reason = message, cause }: OAuthError): Refusal {
  const about = { reason, why: code.replaceAll('_', '-'), cause }
  if (statusCode === 429) return new RateLimitedError(about)
  if (statusCode >= 500) return statusCode === 503 ? new UnavailableError(about) : new InternalError(about)
  return statusCode === 401 || code === 'invalid_grant' ? new UnauthenticatedError(about) : new ForbiddenError(about)
}
