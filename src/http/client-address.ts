/** The address of a caller. */
import type { FastifyRequest } from 'fastify'

const known = Symbol('the address of a request')

/** The longest address is one of IPv6 that ends in IPv4, with a zone or a port. */
const maxLength = 64

/**
 * `request.ip`, asked for once: behind proxies Fastify works it out anew each time, for longer than a whole limiter
 * takes. `unknown` where `X-Forwarded-For` holds what no address can be: it has no bound of its own.
 */
export function ipOf (request: FastifyRequest & { [known]?: string }): string {
  request[known] ??= request.ip.length > maxLength ? 'unknown' : request.ip
  return request[known]
}
