/** Converts any thrown value to a safe answer. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { BadHttpError, InternalError, isRefusal, type Refusal } from '../errors.js'
import { refusalBody, rpcRefusal, toRefusal } from '../to-refusal.js'
import { hostRefusal, isErrorOfHook } from './host-errors.js'
import { idOf } from '../mcp/wire/messages.js'

/**
 * The refusal to send to the caller. Never throws, whatever `error` is. An error of a host's hook keeps its
 * status. The status of a handler's error is ignored, because it may come from a service that the handler
 * called.
 */
export function sanitize (error: unknown, request: FastifyRequest, reply: FastifyReply): Refusal {
  // The request stream failed: the caller disconnected or broke the framing. This is not a server error.
  const { errored } = request.raw
  if (errored !== null && errored === error) return new BadHttpError({ reason: 'the connection ended inside the body' })
  const refusal = toRefusal(error)
  const isFault = !isRefusal(error) && refusal.code === InternalError.code
  return isFault && isErrorOfHook(request) ? hostRefusal(error, reply) ?? refusal : refusal
}

/**
 * Sends a refusal: as a JSON-RPC error on routes with `config.jsonRpc`, as plain JSON elsewhere. Keeps
 * headers that were set before.
 */
export function sendRefusal (refusal: Refusal, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const body = request.routeOptions.config.jsonRpc === true
    ? rpcRefusal(refusal, request.id, idOf(request.body))
    : refusalBody(refusal, request.id)
  if (refusal.headers !== undefined) reply.headers(refusal.headers)
  reply.code(refusal.statusCode)
    .header('content-type', 'application/json; charset=utf-8')
    .header('cache-control', 'no-store')
  // Sent as a string, so that serializers and hooks of the host cannot change the body.
  return reply.send(JSON.stringify(body))
}

/** True if the path of a URL cannot be decoded (`/%zz`). The query is not checked. */
export function isMalformedUrl (url: string): boolean {
  if (!url.includes('%')) return false
  const [path = ''] = url.split(/[?#]/, 1)
  try {
    decodeURIComponent(path)
    return false
  } catch {
    return true
  }
}
