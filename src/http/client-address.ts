/** The address of a caller. */
import type { FastifyRequest } from 'fastify'

const known = Symbol('the address of a request')

/** The longest address is one of IPv6 that ends in IPv4, with a zone or a port. */
const maxLength = 64

/**
 * `request.ip`, asked for once: behind proxies Fastify works it out anew each time, for longer than a whole limiter
 * takes. `unknown` where `X-Forwarded-For` holds what no address can be: it has no bound of its own. Over HTTP/2 ask
 * before the answer has left: the connection may be gone by then, and its address with it.
 */
export function ipOf (request: FastifyRequest & { [known]?: string }): string {
  request[known] ??= readable(request.ip)
  return request[known]
}

function readable (ip: string | undefined): string {
  return ip === undefined || ip.length > maxLength ? 'unknown' : ip
}
