/** The request id, taken from a trusted proxy or created here. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { covers, createAddressReader, parseNetwork } from '../../net/networks.js'

export const requestIdHeader = 'x-request-id'

/** What a proxy may hand on: no text that could break a log line, and none that holds one. */
const idForm = /^[A-Za-z0-9._-]{8,64}$/

/** The names that Fastify's `trustProxy` takes, and what it takes them for. */
const named: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']
}

/**
 * Makes the maker of ids. The id of a request that a proxy of `trustProxy` handed on is the proxy's, where
 * it is 8 to 64 of `A-Za-z0-9._-`. A caller's own is never taken: it would forge the line that an operator
 * looks for, so the proxy must overwrite what it gets.
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

/** Puts the id on the answer, unless somebody did: a person who asks for help has nothing else to name. */
export function sendRequestId ({ id }: FastifyRequest, reply: FastifyReply): void {
  // A host may make ids of other forms, which a header cannot carry or should not.
  if (!reply.hasHeader(requestIdHeader) && /^[\x21-\x7e]{1,256}$/.test(String(id))) reply.header(requestIdHeader, id)
}
