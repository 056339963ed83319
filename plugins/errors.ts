/** The error handler and the not-found handler: one shape for every refusal, nothing internal. */
import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { BadUrlError, NotFoundError, type Refusal } from '../src/errors.js'
import { emitDecisionIfMissed, emitDecisions } from '../src/http/decisions.js'
import { tellHooksFromHandlers } from '../src/http/host-errors.js'
import { sendRequestId } from '../src/http/request/request-id.js'
import type { Lines } from '../src/telemetry/log-line.js'
import { isSignInProbe } from '../src/http/request/route-config.js'
import { isMalformedUrl, sanitize, sendRefusal } from '../src/http/refusal-reply.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Open to everyone: no credential, no limit, any Host and Origin. Default false. */
    public?: boolean
    /** Refusals of this route are JSON-RPC errors. Default false. */
    jsonRpc?: boolean
    /** Authenticated, but not counted. Default false. */
    uncharged?: boolean
  }
  interface FastifyRequest {
    /** The refusal that the caller got, for the log line of the request. */
    refusal: Refusal | null
  }
}

export interface ErrorsOptions {
  /** Answer unknown paths of this scope. False in a scope without a prefix: there they are the host's. Default true. */
  readonly notFound?: boolean
  /** Log one line for each refused request. False: only for requests that failed by a server error. Default true. */
  readonly logRefusals?: boolean
  /** Log one line for every request. Default false: the host logs its requests. */
  readonly logRequests?: boolean
}

const errors: FastifyPluginAsync<ErrorsOptions> = async (fastify, options) => {
  const { notFound = true, logRefusals = true, logRequests = false } = options
  if (!fastify.hasRequestDecorator('refusal')) fastify.decorateRequest('refusal', null)
  // The id is on every answer, so that it can be found in the log.
  emitDecisions(fastify, linesOf(logRefusals, logRequests), sendRequestId)
  tellHooksFromHandlers(fastify)
  fastify.setErrorHandler((error: unknown, request, reply) => {
    const refusal = sanitize(error, request, reply)
    request.refusal = refusal
    // A hook of the host may have refused before ours ran.
    emitDecisionIfMissed(request, reply)
    sendRequestId(request, reply)
    keepConnection(reply)
    dropBadHeaders(reply)
    return sendRefusal(refusal, request, reply)
  })

  if (!notFound) return
  fastify.setNotFoundHandler(refuseUnknown)
  // After all onRequest hooks, and before the body of a stranger is parsed. An inner scope may have its own
  // not-found handler.
  fastify.addHook('preParsing', (request, _reply, _payload, done) => {
    if (request.is404 && request.server === fastify) refuseUnknown(request)
    done()
  })
}

/** Refuses a malformed URL as such. The server options have replaced it by a path, so that the hooks run. */
function refuseUnknown (request: FastifyRequest): never {
  if (isMalformedUrl(request.originalUrl)) throw new BadUrlError()
  throw new NotFoundError(isSignInProbe(request) ? { data: signInAdvice(request) } : {})
}

/** The members of an OAuth error (RFC 6749 §5.2), which OAuth clients show to people. */
function signInAdvice ({ server }: FastifyRequest): { readonly error: string, readonly error_description: string } {
  const metadata = `${server.prefix}/.well-known/oauth-protected-resource`
  const advice = server.hasRoute({ method: 'GET', url: metadata })
    ? `To find out where to sign in, read the metadata of this server, at ${metadata}.`
    : 'There is no OAuth sign-in here: check the key that this client sends in the x-api-key header.'
  return { error: 'access_denied', error_description: `The API key was refused, or none was sent. ${advice}` }
}

function linesOf (logRefusals: boolean, logRequests: boolean): Lines {
  if (logRequests) return 'all'
  return logRefusals ? 'failures' : 'faults'
}

/**
 * Fastify closes the connection when it refuses a body. That resets it while the caller still writes, and the
 * answer is lost. Node reads and discards the rest instead, within the server's request timeout.
 */
function keepConnection (reply: FastifyReply): void {
  if (reply.raw.getHeader('connection') === undefined) reply.removeHeader('connection')
}

/** A header that Node refuses would fail this answer too, and Fastify's own handler would quote it. */
function dropBadHeaders (reply: FastifyReply): void {
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    try {
      validateHeaderName(name)
      for (const one of [value].flat()) validateHeaderValue(name, String(one))
    } catch {
      reply.removeHeader(name)
    }
  }
}

/**
 * Sets the error handler and the not-found handler: every refusal has the same shape, and nothing internal leaves.
 * Register it first.
 *
 * @example
 * await app.register(errors)
 */
export default fp(errors, { name: 'mcp-errors', fastify: '5.x' })
