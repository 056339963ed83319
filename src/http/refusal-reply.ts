/** Turns whatever was thrown into the one answer that may leave the process. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { BadHttpError, type Refusal, refusalBody, rpcRefusal, toRefusal } from '../errors.js'
import { idOf } from '../mcp/wire/messages.js'

/** The refusal that the caller of this request may see. Total: it never throws, whatever `error` is. */
export function sanitize (error: unknown, request: FastifyRequest): Refusal {
  // The body's own stream failed: the caller left or broke the framing. That is no fault of ours.
  const { errored } = request.raw
  if (errored !== null && errored === error) return new BadHttpError({ reason: 'the connection ended inside the body' })
  return toRefusal(error)
}

/** Sends a refusal: as a JSON-RPC error on routes with `config.mcp`, as plain JSON elsewhere. Headers set before stay. */
export function sendRefusal (refusal: Refusal, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const body = request.routeOptions.config.mcp === true
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
