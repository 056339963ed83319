/** The error handler and the not-found handler: every refusal has one shape, and nothing internal leaves. */
import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { BadUrlError, NotFoundError, type Refusal } from '../src/errors.js'
import { sayDecisionAbout, sayDecisions } from '../src/http/decisions.js'
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
    /** Authenticated, but charged to nobody. Default false. */
    uncharged?: boolean
  }
  interface FastifyRequest {
    /** What the caller was refused with, for the log line of the request. */
    refusal: Refusal | null
  }
}

export interface ErrorsOptions {
  /** Answer unknown paths of this scope. False in a scope without a prefix: there they are the host's. Default true. */
  readonly notFound?: boolean
  /**
   * Log one line for each request that was refused. False: only for those that failed by an error of ours.
   * Default true.
   */
  readonly logRefusals?: boolean
  /** Log one line for each request, whatever became of it. Default false: the host logs its requests. */
  readonly logRequests?: boolean
}

const errors: FastifyPluginAsync<ErrorsOptions> = async (fastify, options) => {
  const { notFound = true, logRefusals = true, logRequests = false } = options
  if (!fastify.hasRequestDecorator('refusal')) fastify.decorateRequest('refusal', null)
  sayDecisions(fastify, linesOf(logRefusals, logRequests))

  // On every answer: the log knows the request by nothing else.
  fastify.addHook('onRequest', (request, reply, done) => {
    sendRequestId(request, reply)
    done()
  })

  tellHooksFromHandlers(fastify)
  fastify.setErrorHandler((error: unknown, request, reply) => {
    const refusal = sanitize(error, request, reply)
    request.refusal = refusal
    // A hook of the host may have refused before ours ran.
    sayDecisionAbout(request, reply)
    sendRequestId(request, reply)
    keepConnection(reply)
    dropBadHeaders(reply)
    return sendRefusal(refusal, request, reply)
  })

  if (!notFound) return
  fastify.setNotFoundHandler(refuseUnknown)
  // After every onRequest hook has had its say, and before the body of a stranger is parsed. A
  // scope inside this one may have a not-found handler of its own.
  fastify.addHook('preParsing', (request, _reply, _payload, done) => {
    if (request.is404 && request.server === fastify) refuseUnknown(request)
    done()
  })
}

/** The server's options rewrite a malformed URL so that it passes the hooks; it is no path, though. */
function refuseUnknown (request: FastifyRequest): never {
  if (isMalformedUrl(request.originalUrl)) throw new BadUrlError()
  throw new NotFoundError(isSignInProbe(request) ? { data: noSignIn } : {})
}

/** In the form that OAuth clients show to people (RFC 6749 §5.2). */
const noSignIn = {
  error: 'access_denied',
  error_description: 'The API key was refused, or none was sent. There is no OAuth sign-in here: ' +
    'check the key that this client sends in the x-api-key header.'
}

function linesOf (logRefusals: boolean, logRequests: boolean): Lines {
  if (logRequests) return 'all'
  return logRefusals ? 'failures' : 'faults'
}

/**
 * Fastify closes the connection when a body is refused. That resets it under a caller who is still
 * writing and loses this answer; Node reads the rest away, within the server's request timeout.
 */
function keepConnection (reply: FastifyReply): void {
  if (reply.raw.getHeader('connection') === undefined) reply.removeHeader('connection')
}

/** A header that Node won't write fails this answer too, and then Fastify's own handler quotes it. */
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

export default fp(errors, { name: 'mcp-errors', fastify: '5.x' })
