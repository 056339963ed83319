/** Closes the connection after an answer. */
import type { FastifyReply } from 'fastify'

/** Closing during a larger body would reset the connection, and the caller would lose the answer. */
const maxBodyBytes = 64 * 1024

/**
 * Sends `Connection: close`, so that each guess at a credential costs a new connection. Does nothing over
 * HTTP/2, where other requests may use the connection, or while a large body is being sent.
 */
export function hangUp ({ request: { headers, raw }, raw: response }: FastifyReply): void {
  if (raw.httpVersionMajor !== 1 || headers['transfer-encoding'] !== undefined) return
  // Set on the raw response, because the error handler removes this header from the reply.
  if (Number(headers['content-length'] ?? 0) <= maxBodyBytes) response.setHeader('connection', 'close')
}
