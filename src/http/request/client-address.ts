/** The address of a caller. */
import type { FastifyRequest } from 'fastify'

const known = Symbol('the address of a request')

/** The longest address is one of IPv6 that ends in IPv4, with a zone or a port. */
const maxLength = 64

/**
 * `request.ip`, asked for once: behind proxies Fastify computes it each time, which takes longer than a whole limiter.
 * `unknown` where `X-Forwarded-For` holds a text that is too long for an address. Over HTTP/2 ask before the answer has
 * left: afterwards the connection, and the address with it, may be gone.
 */
export function ipOf (request: FastifyRequest & { [known]?: string }): string {
  request[known] ??= readable(request.ip)
  return request[known]
}

function readable (ip: string | undefined): string {
  return ip === undefined || ip.length > maxLength ? 'unknown' : ip
}
