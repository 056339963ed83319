/** The address of a caller. */
import type { FastifyRequest } from 'fastify'

const known = Symbol('the address of a request')

/** The longest address is IPv6 with an embedded IPv4, and a zone or a port. */
const maxLength = 64

/**
 * `request.ip`, read only once: behind proxies Fastify computes it on each access, which takes longer than a
 * whole limiter. `unknown` if `X-Forwarded-For` contains a text that is too long for an address. Over HTTP/2,
 * call it before the answer is sent: afterwards the connection, and with it the address, may be gone.
 */
export function ipOf (request: FastifyRequest & { [known]?: string }): string {
  request[known] ??= readable(request.ip)
  return request[known]
}

function readable (ip: string | undefined): string {
  return ip === undefined || ip.length > maxLength ? 'unknown' : ip
}
