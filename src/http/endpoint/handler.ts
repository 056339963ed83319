/** The handler of the `/mcp` route: passes a Fastify request to the bridge, and sends its reply. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { InsufficientScopeError, isRefusal, type Refusal, UnauthenticatedError } from '../../errors.js'
import type { McpEndpoint } from '../../mcp/era-router.js'
import { asAccepted } from '../../mcp/wire/accept.js'
import type { Reply } from '../../mcp/wire/reply.js'
import { handlerBegins } from '../host-errors.js'
import { FastifyMcpRequest, type RequestParts } from '../request/mcp-request.js'
import type { UnreadAnswers } from './unread.js'

export interface McpHandlerOptions {
  readonly endpoint: McpEndpoint
  readonly place: RequestParts
  readonly unread: UnreadAnswers
  /** The longest wait for the first byte of an answer, in milliseconds. */
  readonly silenceMs: () => number
}

/** Creates the handler. It makes no promise for a call that is answered synchronously, as most are. */
export function mcpHandler ({
  endpoint,
  place,
  unread,
  silenceMs
}: McpHandlerOptions): (request: FastifyRequest, reply: FastifyReply) => void {
  const { fastify } = place
  return (request, reply) => {
    handlerBegins(request)
    const refuse = (error: unknown): void => {
      reply.send(challenged(fastify, error))
    }
    try {
      const call = new FastifyMcpRequest(request, reply, place)
      request.mcpCall = call
      // Checked again, because a slow body may have arrived long after the credential was verified.
      const over = call.over()
      if (over !== undefined) throw over
      call.traceNotification()
      letBeSilent(request, silenceMs())
      const answer = endpoint.serve(call)
      const { accept } = call.headers
      const give = (given: Reply): void => {
        try {
          const accepted = asAccepted(given, accept)
          unread.follow(call.principal.id, reply, accepted)
          call.release()
          send(reply, accepted)
        } catch (error) {
          refuse(error)
        }
      }
      if (answer instanceof Promise) answer.then(give, refuse)
      else give(answer)
    } catch (error) {
      refuse(error)
    }
  }
}

/** Extends the socket timeout for this request. Node resets it with the next one. */
function letBeSilent ({ raw: { socket } }: FastifyRequest, ms: number): void {
  if (socket.timeout !== undefined && socket.timeout > 0 && socket.timeout < ms) socket.setTimeout(ms)
}

/** The refusal for a credential that was valid when the request arrived. */
export function noLonger (fastify: FastifyInstance): Refusal {
  const headers = fastify.hasDecorator('challengeFor')
    ? { 'www-authenticate': fastify.challengeFor({ error: 'invalid_token' }) }
    : {}
  return new UnauthenticatedError({ reason: 'the credential is no longer valid', why: 'no-longer-good', headers })
}

/**
 * Adds the challenge to an `insufficient_scope` refusal: which scopes are needed, and where to get them (RFC
 * 6750 §3.1).
 */
function challenged (fastify: FastifyInstance, error: unknown): unknown {
  if (isRefusal(error) && error.code === InsufficientScopeError.code && fastify.hasDecorator('challengeFor')) {
    const scopes = String(error.data?.scope).split(' ')
    error.headers = { 'www-authenticate': fastify.challengeFor({ error: 'insufficient_scope', scopes }) }
  }
  return error
}

function send (reply: FastifyReply, { status, headers, json, stream }: Reply): void {
  reply.code(status)
  if (headers !== undefined) reply.headers(headers)
  if (json !== undefined) reply.type('application/json; charset=utf-8')
  reply.send(json ?? stream)
}
