/** Creates request ids, or takes them from a trusted proxy. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { covers, createAddressReader, parseNetwork } from '../../net/networks.js'

export const requestIdHeader = 'x-request-id'

/** The form of ids that a proxy may pass on. They cannot break a log line. */
const idForm = /^[A-Za-z0-9._-]{8,64}$/

/** The names that Fastify's `trustProxy` accepts, and their networks. */
const named: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']
}

/**
 * Creates the generator of request ids. It uses the id from a proxy in `trustProxy` if it consists of 8 to 64
 * of `A-Za-z0-9._-`. It never uses an id from a caller, who could forge the log lines of another request. So
 * the proxy must overwrite the header.
 */
export function createRequestIds (trustProxy: readonly string[]): (request: IncomingMessage) => string {
  const proxies = trustProxy
    .flatMap(entry => named[entry] ?? [entry])
    .map(parseNetwork)
    .filter(network => network !== undefined)
  if (proxies.length === 0) return () => randomUUID()
  const readAddress = createAddressReader()
  return ({ headers, socket }) => {
    const id = headers[requestIdHeader]
    if (typeof id !== 'string' || !idForm.test(id)) return randomUUID()
    return covers(proxies, readAddress(socket.remoteAddress ?? '')) ? id : randomUUID()
  }
}

/** Sets the request id on the answer, unless it is already set. Users can quote it when they ask for help. */
export function sendRequestId ({ id }: FastifyRequest, reply: FastifyReply): void {
  // A host may create ids that a header cannot carry, or should not.
  if (!reply.hasHeader(requestIdHeader) && /^[\x21-\x7e]{1,256}$/.test(String(id))) reply.header(requestIdHeader, id)
}
