/** Turns anything that was thrown into the one safe answer. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { BadHttpError, InternalError, isRefusal, type Refusal } from '../errors.js'
import { refusalBody, rpcRefusal, toRefusal } from '../to-refusal.js'
import { hostRefusal, isErrorOfHook } from './host-errors.js'
import { idOf } from '../mcp/wire/messages.js'

/**
 * The refusal that the caller of this request may see. It never throws, whatever `error` is. An error of a hook of the
 * host keeps its status; a status on an error of a handler proves nothing.
 */
export function sanitize (error: unknown, request: FastifyRequest, reply: FastifyReply): Refusal {
  // The body's own stream failed: the caller left or broke the framing. That is no fault of ours.
  const { errored } = request.raw
  if (errored !== null && errored === error) return new BadHttpError({ reason: 'the connection ended inside the body' })
  const refusal = toRefusal(error)
  const isFault = !isRefusal(error) && refusal.code === InternalError.code
  return isFault && isErrorOfHook(request) ? hostRefusal(error, reply) ?? refusal : refusal
}

/**
 * Sends a refusal: as a JSON-RPC error on routes with `config.jsonRpc`, as plain JSON elsewhere. Headers set
 * before stay.
 */
export function sendRefusal (refusal: Refusal, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const body = request.routeOptions.config.jsonRpc === true
    ? rpcRefusal(refusal, request.id, idOf(request.body))
    : refusalBody(refusal, request.id)
  if (refusal.headers !== undefined) reply.headers(refusal.headers)
  reply.code(refusal.statusCode)
    .header('content-type', 'application/json; charset=utf-8')
    .header('cache-control', 'no-store')
  // A string: no serializer or hook of a host sees the body, let alone wraps it.
  return reply.send(JSON.stringify(body))
}

/** True where the path of a URL can't be decoded (`/%zz`). Its query may hold anything. */
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
