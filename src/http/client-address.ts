/** The address of a caller. */
import type { FastifyRequest } from 'fastify'

const known = Symbol('the address of a request')

/** `request.ip`, asked for once: behind proxies Fastify works it out anew each time, for longer than a whole limiter takes. */
export function ipOf (request: FastifyRequest & { [known]?: string }): string {
  request[known] ??= request.ip
  return request[known]
}
