/** The routes for clients: token, registration, revocation and metadata (RFC 6749, 7591, 7009, 8414). */
import formbody from '@fastify/formbody'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { RateLimitedError, type Refusal } from '../../../errors.js'
import { toRefusal } from '../../../to-refusal.js'
import { NotSharedError } from '../../../fleet/bus.js'
import { pathSpellings } from '../../../http/request/trailing-slash.js'
import { StateError } from '../../../ledger/file/directory.js'
import { createMemoryBuckets } from '../../../limits/memory-buckets.js'
import { registrationAnswer } from '../clients/dynamic.js'
import { DocumentsFullError } from '../documents/documents.js'
import { endpointPaths, metadataPaths } from '../protocol/metadata.js'
import { OAuthError } from '../protocol/oauth-error.js'
import { formParameters, type Parameters } from '../protocol/parameters.js'
import type { AuthorizationServer } from '../server.js'
import { createFailureLimits } from './failures.js'
import { noteClient, noteGrant, noteRefusal, refusalOf } from './decisions.js'

const bodyLimit = 16 * 1024
const maxRegistrations = 600
const openToAll = { public: true, cors: { origin: '*', credentials: false } } as const
const noStore = { 'cache-control': 'no-store', pragma: 'no-cache' }

/** `OPTIONS` is registered explicitly, so that preflights get the CORS headers of these routes. */
const methods = ['POST', 'OPTIONS']

/** `path` is the path of the endpoint in this scope. */
export function registerMetadataRoutes (scope: FastifyInstance, server: AuthorizationServer, path: string): void {
  scope.route({
    method: ['GET', 'OPTIONS'],
    url: endpointPaths.keys,
    config: openToAll,
    handler: async (_request, reply) => reply.header('cache-control', 'public, max-age=300').send({ keys: [] })
  })
  const { pathname } = new URL(server.resource)
  const base = new URL(server.issuer).pathname.replace(/\/$/, '')
  for (const metadataPath of metadataPaths) {
    const paths = [metadataPath, metadataPath + path, metadataPath + pathname, metadataPath + base]
    for (const url of new Set(paths.flatMap(spelling => pathSpellings(spelling, scope)))) {
      // If a scope has several endpoints, the path without a suffix belongs to the first one.
      if (
        url.replace(/\/$/, '') === metadataPath &&
        scope.hasRoute({ method: 'GET', url: scope.prefix + url })
      ) { continue }
      scope.route({
        method: ['GET', 'OPTIONS'],
        url,
        config: openToAll,
        handler: async (_request, reply) => reply.header('cache-control', 'public, max-age=300').send(server.metadata())
      })
    }
  }
}

export async function registerTokenRoutes (scope: FastifyInstance, server: AuthorizationServer): Promise<void> {
  const failures = createFailureLimits()
  await acceptForms(scope)
  scope.setErrorHandler(async (error, request, reply) => await refuse(asOAuthError(error), request, reply))

  scope.route<{ Body: Parameters }>({
    method: methods,
    url: endpointPaths.token,
    bodyLimit,
    config: openToAll,
    handler: async (request, reply) => {
      const parameters = request.body ?? {}
      try {
        requireNoBasic(request)
        const { answer, grant, by } = await server.tokens.issue(parameters)
        // At debug level, because clients refresh many times an hour.
        if (by === 'refresh_token') request.log.debug(grant, 'a client was given a token')
        else noteGrant('grant-created', grant, request, { grantType: by })
        return reply.headers(noStore).send(answer)
      } catch (error) {
        const refused = asOAuthError(error)
        const retryAfterSeconds =
          refused.statusCode < 500 ? failures.note(parameters.client_id, parameters.refresh_token) : undefined
        throw retryAfterSeconds === undefined
          ? refused
          : new OAuthError('temporarily_unavailable', 'Too many failures', {
            statusCode: 429,
            retryAfterSeconds,
            cause: refused
          })
      }
    }
  })

  scope.route<{ Body: Parameters }>({
    method: methods,
    url: endpointPaths.revoke,
    bodyLimit,
    config: openToAll,
    handler: async (request, reply) => {
      requireNoBasic(request)
      const grant = await server.tokens.revoke(request.body ?? {})
      if (grant !== undefined) noteGrant('grant-revoked', grant, request, { why: 'revoked by its client' })
      // Also for an unknown token (RFC 7009 §2.2).
      return reply.headers(noStore).send({})
    }
  })
}

export async function registerRegistrationRoute (scope: FastifyInstance, server: AuthorizationServer): Promise<void> {
  const { dynamic } = server.clients
  if (dynamic === undefined) return
  const buckets = createMemoryBuckets({ windowMs: 60_000 })
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    'application/json',
    { parseAs: 'string', bodyLimit },
    scope.getDefaultJsonParser('ignore', 'ignore')
  )
  scope.setErrorHandler(
    async (error, request, reply) =>
      await refuse(asOAuthError(error, 'invalid_client_metadata'), request, reply)
  )

  scope.route({
    method: methods,
    url: endpointPaths.register,
    bodyLimit,
    config: openToAll,
    handler: async (request, reply) => {
      const { current, ttlMs } = buckets.take('all', 1, maxRegistrations)
      if (current > maxRegistrations) {
        throw new OAuthError('temporarily_unavailable', 'Too many clients are registering at once', {
          statusCode: 429,
          retryAfterSeconds: Math.max(1, Math.ceil(ttlMs / 1000))
        })
      }
      const { client, issuedAt, isNew } = await dynamic.register(request.body)
      if (isNew) noteClient(client, request)
      return reply.code(201).headers(noStore).send(registrationAnswer(client, issuedAt))
    }
  })
}

/** Accepts only form bodies, and refuses repeated parameters. */
export async function acceptForms (scope: FastifyInstance): Promise<void> {
  scope.removeAllContentTypeParsers()
  await scope.register(formbody, { bodyLimit, parser: text => ({ ...formParameters(text) }) })
}

/** Refuses HTTP Basic authentication: clients have no secrets. */
function requireNoBasic ({ headers }: FastifyRequest): void {
  if (headers.authorization !== undefined) {
    throw new OAuthError(
      'invalid_client',
      'Client secrets are not supported: send client_id in the body, and a client_assertion if required'
    )
  }
}

/**
 * Converts any thrown value into an error that is safe to send. A fault becomes `server_error` without
 * details.
 */
function asOAuthError (
  error: unknown,
  malformed: 'invalid_request' | 'invalid_client_metadata' = 'invalid_request'
): OAuthError {
  if (error instanceof OAuthError) return error
  const unavailable = asStoreError(error)
  if (unavailable !== undefined) return unavailable
  const refusal = toRefusal(error)
  const { statusCode, message, reason = message } = refusal
  if (statusCode === 503) {
    return new OAuthError('temporarily_unavailable', message, {
      retryAfterSeconds: secondsOf(refusal),
      reason,
      cause: error
    })
  }
  if (statusCode >= 500) return new OAuthError('server_error', 'Internal error', { cause: error })
  if (refusal.code === RateLimitedError.code) {
    return new OAuthError('temporarily_unavailable', message, {
      statusCode: 429,
      retryAfterSeconds: secondsOf(refusal)
    })
  }
  return new OAuthError(malformed, statusCode === 415 ? 'The body has the wrong content type' : message, {
    reason,
    statusCode: statusCode === 413 ? 413 : 400
  })
}

/** `undefined` unless the store of the server is unavailable or full. */
export function asStoreError (error: unknown): OAuthError | undefined {
  if (error instanceof DocumentsFullError) {
    return new OAuthError('temporarily_unavailable', 'The storage of the server is full', {
      retryAfterSeconds: 60,
      cause: error
    })
  }
  if (error instanceof StateError || error instanceof NotSharedError) {
    return new OAuthError('temporarily_unavailable', 'The server cannot write right now', {
      retryAfterSeconds: 5,
      cause: error
    })
  }
  return undefined
}

function secondsOf ({ data }: Refusal): number {
  return Math.max(1, Math.ceil(Number(data?.retryAfterMs ?? 1000) / 1000))
}

async function refuse (error: OAuthError, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { statusCode, body, retryAfterSeconds, reason, cause } = error
  if (statusCode === 500) request.log.error({ err: cause }, 'fault')
  else request.log.info({ code: error.code, reason: reason ?? error.message }, 'an OAuth request was refused')
  noteRefusal(request, refusalOf(error))
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds))
  if (statusCode === 401 && request.headers.authorization !== undefined) {
    reply.header('www-authenticate', 'Basic realm="oauth"')
  }
  await reply.code(statusCode).headers(noStore).send(body)
}
